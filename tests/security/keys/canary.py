"""Secrets that are known to a test, looked for by value wherever something is written or shown."""

import base64
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

READ_SIZE = 1 << 20
OVERLAP = 4096


def forms(secret: bytes) -> Mapping[str, bytes]:
    """A secret as it may be written: raw, hexadecimal, base64 (each place it may begin at), and as a number."""
    found = {"raw": secret, "hex": secret.hex().encode(), "HEX": secret.hex().upper().encode()}
    found["integer"] = str(int.from_bytes(secret, "big")).encode()
    found["little integer"] = str(int.from_bytes(secret, "little")).encode()
    for shift in range(3):
        letters = base64.b64encode(bytes(shift) + secret).rstrip(b"=")
        whole = letters[4 if shift else 0 : -1]  # the letters that hang on this secret alone
        found[f"base64 {shift}"] = whole
        found[f"base64url {shift}"] = whole.translate(bytes.maketrans(b"+/", b"-_"))
    found["python"] = repr(secret)[2:-1].encode()
    return {name: form for name, form in found.items() if len(form) >= 8}


class Canaries:
    """Secrets by name, and the search for them."""

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self._forms = [
            (f"{name} ({kind})", form) for name, secret in secrets.items() for kind, form in forms(secret).items()
        ]

    def in_octets(self, content: bytes, where: str) -> list[str]:
        """Every canary in some octets."""
        return [f"{name} in {where}" for name, form in self._forms if form in content]

    def in_file(self, path: Path) -> list[str]:
        """Every canary in a file, read in pieces that overlap."""
        found: set[str] = set()
        rest = b""
        with path.open("rb") as file:
            while piece := file.read(READ_SIZE):
                found.update(self.in_octets(rest + piece, str(path)))
                rest = piece[-OVERLAP:]
        return sorted(found)

    def in_folders(self, folders: Iterable[Path]) -> list[str]:
        """Every canary in every file below some folders."""
        paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()]
        return [fault for path in paths for fault in self.in_file(path)]

    def in_database(self, path: Path) -> list[str]:
        """Every canary in a database: its file, and each value of each row, which a page may hold in two parts."""
        faults = self.in_file(path)
        with closing(sqlite3.connect(path)) as database:
            names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for name in names:
                for row in database.execute(f'SELECT * FROM "{name}"'):
                    values = b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
                    faults += self.in_octets(values, f"table {name}")
        return faults

    def in_processes(self) -> list[str]:
        """Every canary in arguments and environment of every process of this machine that we may look at."""
        return [fault for where, content in process_texts() for fault in self.in_octets(content, where)]


def process_texts() -> Iterator[tuple[str, bytes]]:
    """What others see of processes."""
    for folder in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            try:
                yield str(folder / name), (folder / name).read_bytes()
            except OSError:  # it ended, or is not ours to look at
                continue
