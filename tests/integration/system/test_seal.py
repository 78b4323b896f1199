"""The neighbourhood is shipped under this system's own seal, and the system verifies it as it would any maker's."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.integration.system.authorities import quick_pki

from meterworks.registry import Registry, ShipmentSealError
from meterworks.runtime import Base, Database
from meterworks.system import neighbourhood as module
from meterworks.system.configuration import Layout, load_configuration
from meterworks.system.errors import ConfigurationError
from meterworks.system.neighbourhood import enrol_neighbourhood, find_neighbourhood
from meterworks.system.seal import MAKER, seal_file, seal_rule
from meterworks.trust import KeyStore
from meterworks.trust.pki import SystemPki

METERS = 200
COST_S = 0.3


def layout_of(folder: Path, **given: object) -> Layout:
    line = {"system.data": folder, "neighbourhood.meters": METERS}
    return Layout(
        load_configuration(command_line={**line, **{k.replace("__", "."): v for k, v in given.items()}}).configuration
    )


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return layout_of(tmp_path)


@pytest.fixture
def pki(layout: Layout) -> Iterator[SystemPki]:
    made = quick_pki(layout.data)
    made.write_public(layout.pki_public)
    yield made
    made.close()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(f"sqlite:///{tmp_path}/registry.sqlite3")
    await opened.create_tables(*(t for name, t in Base.metadata.tables.items() if name.startswith("registry_")))
    yield opened
    await opened.close()


def registry_of(layout: Layout, database: Database) -> Registry:
    return Registry(database, KeyStore(bytes(range(32))), seals=lambda: seal_rule(layout))


async def test_every_meter_of_the_neighbourhood_came_sealed(layout: Layout, pki: SystemPki, database: Database) -> None:
    registry = registry_of(layout, database)
    neighbourhood = find_neighbourhood(layout)
    await enrol_neighbourhood(neighbourhood, registry, layout, pki)
    assert (await registry.count_devices()).total == METERS
    for number in (0, METERS - 1):
        title = neighbourhood.specification(number).system_title
        device = await registry.device_by_identity(title)
        assert device is not None
        assert device.sealed_by == MAKER
    content = neighbourhood.shipment(bytes(32))
    began = time.process_time()
    sealed = seal_file(content, pki, owner="meterworks")
    seal_rule(layout)
    spent = time.process_time() - began
    assert spent < COST_S, spent
    assert sealed.endswith(content)


async def test_production_enrols_nothing_that_is_not_sealed(
    tmp_path: Path, pki: SystemPki, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = layout_of(tmp_path, system__production=True, neighbourhood__meters=3)
    registry = registry_of(layout, database)
    neighbourhood = find_neighbourhood(layout)
    with monkeypatch.context() as patch:
        patch.setattr(module, "seal_file", lambda content, *_, **__: content)
        with pytest.raises(ShipmentSealError):
            await enrol_neighbourhood(neighbourhood, registry, layout, pki)
    assert (await registry.count_devices()).total == 0
    await enrol_neighbourhood(neighbourhood, registry, layout, pki)
    assert (await registry.count_devices()).total == 3


async def test_another_maker_is_honoured_once_its_root_is_in_the_folder(
    tmp_path: Path, layout: Layout, pki: SystemPki, database: Database
) -> None:
    """SEC-122, SEC-126: and no more once its list revokes the seal."""
    other = quick_pki(tmp_path / "maker")
    try:
        content = find_neighbourhood(layout).shipment(bytes(32))
        sealed = seal_file(content, other, owner="utility")
        makers = tmp_path / "makers"
        makers.mkdir()
        ours = layout_of(tmp_path, pki__makers=makers, pki__owner="utility")
        with pytest.raises(ShipmentSealError):
            await registry_of(ours, database).import_shipment(sealed, "json", transport_key=bytes(32))
        root = other.authority("maker")
        (makers / "acme.pem").write_bytes(root.certificate.public_bytes(Encoding.PEM))
        result = await registry_of(ours, database).import_shipment(sealed, "json", transport_key=bytes(32))
        assert result.sealed_by == MAKER
        (row,) = [each for each in other.ledger.certificates(authority="maker") if each.profile == "maker-seal"]
        number = x509.load_der_x509_certificate(row.der).serial_number
        root.revoke(number, "keyCompromise")
        (makers / "acme.crl").write_bytes(root.crl().public_bytes(Encoding.DER))
        with pytest.raises(ShipmentSealError, match="revoked"):
            await registry_of(ours, database).import_shipment(sealed, "json", transport_key=bytes(32))
    finally:
        other.close()


def test_a_root_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        seal_rule(layout_of(tmp_path / "var", pki__makers=tmp_path))
