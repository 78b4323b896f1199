"""The start certifies each process and each emulated meter: once, and anew where a certificate is no longer good."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.integration.system.authorities import files_of, quick_pki

from meterworks.system.configuration import Layout, load_configuration
from meterworks.system.device_credential import DeviceBook, first_key_digests, supply_devices
from meterworks.system.identity import certificate_of, is_due, prepared_identities
from meterworks.system.privilege import IDENTITIES
from meterworks.trust.pki import PeerRole
from meterworks.trust.tls import Interface, TlsFilesError, TlsMemory, peer_of_certificate, server_context

TITLES = [bytes.fromhex(f"4d574d00000000{number:02x}") for number in range(3)]


def test_each_process_is_certified_once_and_anew_where_it_must_be(tmp_path: Path) -> None:
    layout = Layout(load_configuration(command_line={"system.data": tmp_path / "var"}).configuration)

    def numbers() -> dict[str, int]:
        return {name: certificate_of(layout.tls(name)).serial_number for name in IDENTITIES}

    with prepared_identities(layout):
        first = numbers()
    for name in IDENTITIES:
        certificate = certificate_of(layout.tls(name))
        assert not is_due(certificate, datetime.now(UTC))
        peer = peer_of_certificate(certificate.public_bytes(Encoding.DER))
        assert (peer.role, peer.identity) == (PeerRole(name), name)
    key, certificate_path = layout.tls("fleet").key, layout.tls("writer").certificate
    assert key is not None
    assert certificate_path is not None
    key.unlink()
    certificate_path.write_text("no certificate")
    with prepared_identities(layout) as pki:
        pki.authority("services").revoke(certificate_of(layout.tls("web")))
        assert {name for name, number in numbers().items() if number != first[name]} == {"fleet", "writer"}
    with prepared_identities(layout):
        assert {name for name, number in numbers().items() if number != first[name]} == {"fleet", "writer", "web"}


def test_each_meter_is_made_with_its_makers_certificate_that_names_its_system_title(tmp_path: Path) -> None:
    pki = quick_pki(tmp_path)
    trust = files_of(pki.issue_service(PeerRole.FLEET), tmp_path, "fleet")
    path = tmp_path / "certificates.sqlite3"
    with pytest.raises(TlsFilesError, match="start the system"):
        DeviceBook(path, trust)
    assert supply_devices(path, pki, TITLES)
    assert not supply_devices(path, pki, TITLES)
    assert path.stat().st_mode & 0o777 == 0o600
    book = DeviceBook(path, trust)
    assert len(book) == 0, "nobody has the operator's certificate yet"
    before = [book.first_pair(number) for number in range(len(TITLES))]
    assert set(first_key_digests(path)) == {title.hex() for title in TITLES}
    for number, title in enumerate(TITLES):
        certificate, key = before[number]
        server_context(TlsMemory(certificate, key, trust.anchors.read_bytes()), Interface.METER)
        peer = peer_of_certificate(ssl.PEM_cert_to_DER_cert(certificate.decode()))
        assert not book.is_personalised(number)
        with pytest.raises(TlsFilesError, match="not personalised"):
            book.pair(number)
        assert (peer.role, peer.identity) == (PeerRole.DEVICE, title.hex())
    with pytest.raises(TlsFilesError, match="meter 3"):
        book.pair(3)
    assert supply_devices(path, pki, [*TITLES, bytes.fromhex("4d574d0000000009")])
    assert [book.first_pair(number) for number in range(len(TITLES))] == before, "who was made stays"
    pki.close()
