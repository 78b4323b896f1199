"""The emulated meters' keys and certificates: one file in the world's folder, readable by its owner only.

What lies in each device in the field lies here in one place, because the emulation is one process. A meter is made with
two keys: the first has its maker's certificate, which opens enrolment; the operator certifies the second at the meter's
first contact, and the meter speaks with that one ever after. So the maker never had the key that counts, and a meter
whose answer was lost asks for the same key again. Chains are the same for many and stand once.
"""

import asyncio
import base64
import contextlib
import os
import sqlite3
import ssl
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from meterworks.devices import NotPersonalised
from meterworks.errors import MeterworksError
from meterworks.runtime import get_logger
from meterworks.trust.pki import EstClient, SystemPki, certification_request, key_digest, make_device_credentials
from meterworks.trust.tls import Interface, TlsFiles, TlsFilesError, TlsMemory, client_context

__all__ = ["PROFILE", "DeviceBook", "first_key_digests", "supply_devices"]

PROFILE: Final = "dlms-1-tls"
AUTHORITY: Final = "maker"
MODE: Final = 0o600
ENROLMENTS_MAX: Final = 8  # under way at once: more would only wait for the one authority
RETRY_S: Final = 5.0  # after an enrolment that failed, before this meter asks again
_SCHEMA: Final = """
CREATE TABLE chain (number INTEGER PRIMARY KEY, pem TEXT NOT NULL UNIQUE);
CREATE TABLE device (
    number INTEGER PRIMARY KEY, identity TEXT NOT NULL, first_certificate BLOB, first_key BLOB,
    key BLOB NOT NULL, certificate BLOB, chain INTEGER
);
"""

log = get_logger("system.device_credential")


class DeviceBook:
    """The certificates of a fleet by the meters' numbers: the fleet's `MeterCredentials`."""

    def __init__(self, path: Path, trust: TlsFiles, *, est_url: str = "") -> None:
        """path: the file. trust: anchors and revocation lists that the meters honour. est_url: where they enrol.

        Raises TlsFilesError.
        """
        self._trust = trust
        if not path.exists():
            raise TlsFilesError(f"{path}: the meters' certificates are not there: start the system", path=str(path))
        self._path = path
        self._est_url = est_url
        self._turn = threading.Lock()  # one writer
        self._places: asyncio.Semaphore | None = None
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._not_before_s: dict[int, float] = {}
        with contextlib.closing(self._opened()) as book:
            self._personalised = {
                int(number) for (number,) in book.execute("SELECT number FROM device WHERE certificate IS NOT NULL")
            }

    @property
    def trust(self) -> TlsFiles:
        """Anchors and revocation lists that all meters honour."""
        return self._trust

    def __len__(self) -> int:
        """How many meters have an operator's certificate."""
        return len(self._personalised)

    def is_personalised(self, index: int) -> bool:
        """Whether a meter has its operator's certificate; false also for a number that no meter has."""
        return index in self._personalised

    def pair(self, index: int) -> tuple[bytes, bytes]:
        """The operator's certificate chain and the key of a meter, in PEM. Raises TlsFilesError where it has none."""
        certificate, key, chain = self._row(index, "certificate, key, (SELECT pem FROM chain WHERE number = chain)")
        if certificate is None:
            raise TlsFilesError(f"{self._path}: meter {index} is not personalised", path=str(self._path))
        return _pem(certificate) + str(chain).encode(), _pem_of_key(key)

    def first_pair(self, index: int) -> tuple[bytes, bytes]:
        """The maker's certificate and the key it is for, in PEM. Raises TlsFilesError for a meter that is not there."""
        certificate, key = self._row(index, "first_certificate, first_key")
        if certificate is None:
            raise TlsFilesError(f"{self._path}: meter {index} came without a maker's certificate", path=str(self._path))
        return _pem(certificate), _pem_of_key(key)

    async def personalise(self, index: int) -> None:
        """Enrol a meter with its maker's certificate, if it has none of its operator's; asked twice, it is done once.

        Raises NotPersonalised, also at once within RETRY_S after an enrolment that failed.
        """
        loop = asyncio.get_running_loop()
        if index in self._personalised:
            return
        if loop.time() < self._not_before_s.get(index, 0.0):
            raise NotPersonalised(f"meter {index} could not enrol a moment ago: it asks again in {RETRY_S:g} s")
        task = self._under_way.get(index)
        if task is None:
            task = self._under_way[index] = loop.create_task(self._personalise(index))
            task.add_done_callback(lambda _: self._under_way.pop(index, None))
        await asyncio.shield(task)  # who waits may go; the others, and the meter, still want it

    async def _personalise(self, index: int) -> None:
        if self._places is None:
            self._places = asyncio.Semaphore(ENROLMENTS_MAX)
        try:
            async with self._places:
                request, context = await asyncio.to_thread(self._request, index)
                chain = await EstClient(self._est_url, context).enrol(request, profile=PROFILE)
            await asyncio.to_thread(self._keep, index, chain)
        except MeterworksError as error:
            self._not_before_s[index] = asyncio.get_running_loop().time() + RETRY_S
            log.warning("meter not personalised", meter=index, reason=str(error))
            raise NotPersonalised(f"meter {index} did not get its operator's certificate: {error}") from error
        self._not_before_s.pop(index, None)
        self._personalised.add(index)

    def _request(self, index: int) -> tuple[bytes, ssl.SSLContext]:
        """The request for the meter's own key, and a context that shows the maker's certificate."""
        identity, der = self._row(index, "identity, key")
        key = load_der_private_key(der, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)  # made by supply_devices
        trust = self._trust
        shown = TlsMemory(*self.first_pair(index), trust.anchors_pem(), trust.crl_pem())
        return certification_request(key, name=str(identity)), client_context(shown, Interface.EST)

    def _keep(self, index: int, chain: Sequence[x509.Certificate]) -> None:
        above = b"".join(entry.public_bytes(Encoding.PEM) for entry in chain[1:]).decode()
        with self._turn, contextlib.closing(sqlite3.connect(self._path)) as book, book:
            book.execute("INSERT OR IGNORE INTO chain (pem) VALUES (?)", (above,))
            book.execute(
                "UPDATE device SET certificate = ?, chain = (SELECT number FROM chain WHERE pem = ?) WHERE number = ?",
                (chain[0].public_bytes(Encoding.DER), above, index),
            )

    def _row(self, index: int, columns: str) -> tuple[Any, ...]:
        with contextlib.closing(self._opened()) as book:
            row: tuple[Any, ...] | None = book.execute(
                f"SELECT {columns} FROM device WHERE number = ?",  # noqa: S608  # columns are ours
                (index,),
            ).fetchone()
        if row is None:
            raise TlsFilesError(f"{self._path}: meter {index} has no certificate in it", path=str(self._path))
        return row

    def _opened(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)


def supply_devices(path: Path, pki: SystemPki, system_titles: Sequence[bytes]) -> bool:
    """Make every meter, in order, with its keys and its maker's certificate; tell whether any was made.

    Meters that are in the file stay as they are. A making that was cut short leaves the file as it was.
    """
    identities = [title.hex() for title in system_titles]
    is_new = not path.exists()
    held = 0
    if not is_new:
        _carry_over(path, identities)
        with contextlib.closing(sqlite3.connect(path)) as book:
            held = int(book.execute("SELECT count(*) FROM device").fetchone()[0])
    if held >= len(identities):
        return False
    made = make_device_credentials(pki.authority(AUTHORITY), identities[held:], profiles=(PROFILE,))
    rows = [
        (held + number, each.identity, each.certificates[PROFILE], each.keys[PROFILE], _new_key())
        for number, each in enumerate(made)
    ]
    target = path.with_name(f".{path.name}.new") if is_new else path
    if is_new:
        _make_file(target)
    with contextlib.closing(sqlite3.connect(target)) as book, book:
        book.executemany("INSERT INTO device VALUES (?, ?, ?, ?, ?, NULL, NULL)", rows)
    if is_new:
        target.replace(path)
    return True


def first_key_digests(path: Path) -> Mapping[str, Mapping[str, str]]:
    """SHA-256 (hex) of each meter's first public key by its identity and profile, as a maker's manifest names it."""
    if not path.exists():
        return {}
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as book:
        rows = book.execute(
            "SELECT identity, first_certificate FROM device WHERE first_certificate IS NOT NULL"
        ).fetchall()
    digests: dict[str, Mapping[str, str]] = {}
    for identity, certificate in rows:
        key = x509.load_der_x509_certificate(certificate).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)  # made by supply_devices
        digests[identity] = {PROFILE: key_digest(key).hex()}
    return digests


def _carry_over(path: Path, identities: Sequence[str]) -> None:
    """Take over a file of the time when meters were made with the operator's certificates: they stay in force."""
    with contextlib.closing(sqlite3.connect(path)) as book:
        columns = {row[1] for row in book.execute("PRAGMA table_info(device)")}
        if "first_key" in columns:
            return
        chain = book.execute("SELECT pem FROM chain").fetchone()[0]
        rows = book.execute("SELECT number, certificate, key FROM device ORDER BY number").fetchall()
    temporary = path.with_name(f".{path.name}.new")
    _make_file(temporary)
    with contextlib.closing(sqlite3.connect(temporary)) as book, book:
        book.execute("INSERT INTO chain VALUES (1, ?)", (chain,))
        book.executemany(
            "INSERT INTO device (number, identity, certificate, key, chain) VALUES (?, ?, ?, ?, 1)",
            ((number, identities[number], certificate, key) for number, certificate, key in rows),
        )
    temporary.replace(path)


def _make_file(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE))
    with contextlib.closing(sqlite3.connect(path)) as book:
        book.executescript(_SCHEMA)


def _new_key() -> bytes:
    made = ec.generate_private_key(ec.SECP256R1())
    return made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _pem(der: bytes) -> bytes:
    return ssl.DER_cert_to_PEM_cert(der).encode()


def _pem_of_key(der: bytes) -> bytes:
    return b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(der) + b"-----END PRIVATE KEY-----\n"
