"""The emulated meters' certificates and keys: one file in the world's folder, readable by its owner only.

What lies in each device in the field lies here in one place, because the emulation is one process. A row is certificate
and key in DER; chains are the same for all and stand once.
"""

import base64
import contextlib
import os
import sqlite3
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from meterworks.trust.pki import DeviceCredentials, SystemPki, make_device_credentials
from meterworks.trust.tls import TlsFiles, TlsFilesError

__all__ = ["PROFILE", "DeviceBook", "supply_devices"]

PROFILE: Final = "dlms-1-tls"
AUTHORITY: Final = "devices"
MODE: Final = 0o600


class DeviceBook:
    """The certificates of a fleet by the meters' numbers: the fleet's `MeterCredentials`."""

    def __init__(self, path: Path, trust: TlsFiles) -> None:
        """path: the file. trust: anchors and revocation lists that the meters honour. Raises TlsFilesError."""
        self._trust = trust
        if not path.exists():
            raise TlsFilesError(f"{path}: the meters' certificates are not there: start the system", path=str(path))
        self._path = path
        with contextlib.closing(self._opened()) as book:
            self._chain = str(_one(book, "SELECT pem FROM chain"))

    @property
    def trust(self) -> TlsFiles:
        """Anchors and revocation lists that all meters honour."""
        return self._trust

    def __len__(self) -> int:
        """How many meters have one."""
        with contextlib.closing(self._opened()) as book:
            return int(str(_one(book, "SELECT count(*) FROM device")))

    def pair(self, index: int) -> tuple[bytes, bytes]:
        """Certificate chain and key of a meter, in PEM. Raises TlsFilesError for a meter that has none."""
        with contextlib.closing(self._opened()) as book:
            row = book.execute("SELECT certificate, key FROM device WHERE number = ?", (index,)).fetchone()
        if row is None:
            raise TlsFilesError(f"{self._path}: meter {index} has no certificate in it", path=str(self._path))
        certificate = ssl.DER_cert_to_PEM_cert(row[0]) + self._chain
        return certificate.encode(), _pem_of_key(row[1])

    def _opened(self) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)


def supply_devices(path: Path, pki: SystemPki, system_titles: Sequence[bytes]) -> bool:
    """Give every meter, in order, a key and a certificate of the authority for devices; tell whether any was made.

    Nothing is made where the file holds as many already. A making that was cut short leaves no file.
    """
    if path.exists():
        with contextlib.closing(sqlite3.connect(path)) as book:
            if int(str(_one(book, "SELECT count(*) FROM device"))) >= len(system_titles):
                return False
    identities = [title.hex() for title in system_titles]
    made = make_device_credentials(pki.authority(AUTHORITY), identities, profiles=(PROFILE,))
    chain = b"".join(entry.public_bytes(Encoding.PEM) for entry in pki.chain_of(AUTHORITY))
    _write(path, made, chain.decode())
    return True


def _write(path: Path, made: Sequence[DeviceCredentials], chain: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, MODE))
    with contextlib.closing(sqlite3.connect(temporary)) as book, book:
        book.execute("CREATE TABLE chain (pem TEXT NOT NULL)")
        book.execute("CREATE TABLE device (number INTEGER PRIMARY KEY, certificate BLOB NOT NULL, key BLOB NOT NULL)")
        book.execute("INSERT INTO chain VALUES (?)", (chain,))
        rows = ((number, each.certificates[PROFILE], each.keys[PROFILE]) for number, each in enumerate(made))
        book.executemany("INSERT INTO device VALUES (?, ?, ?)", rows)
    temporary.replace(path)


def _one(book: sqlite3.Connection, question: str) -> object:
    row: tuple[object, ...] = book.execute(question).fetchone()
    return row[0]


def _pem_of_key(der: bytes) -> bytes:
    return b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(der) + b"-----END PRIVATE KEY-----\n"
