"""Backups of a data folder: one sealed file, and the way back into an empty folder.

Always encrypted: the content goes through the envelope (`trust.envelope`) as it is read, so nothing in clear touches
the disk but copies of the databases, which lie in a folder of mode 0700 beside them while they are read. Databases are
copied with SQLite's online backup, so the system may run. Inside is a tar stream; its last member, `manifest.json`,
holds size and SHA-256 of each file and the rows of each table: a restored folder appears only when all that is right.
What runs out with a process is left out: the bus's store, logs, metrics, what children are told.
After a restore, counters used since the backup are unknown, so the mark that the head-end compares its database with is
moved on: at its next start it moves every invocation counter forward by 2^20 (SEC-008).
Source: SECURITY fact sheet SEC-042, SEC-061; SQLite, Using the SQLite Online Backup API.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, Final

from cryptography.hazmat.primitives.asymmetric import ec

from meterworks.system.errors import BackupError
from meterworks.trust import EnvelopeWriter, PrivateKey, open_envelope

__all__ = ["BackupSummary", "create_backup", "restore_backup"]

KIND: Final = "backup"
FORMAT: Final = "meterworks-backup-1"
MANIFEST: Final = "manifest.json"
COUNTER_MARK: Final = "keys/counters.json"
"""What the head-end compares its database with (`Layout.counter_mark`), relative to the data folder."""
LEFT_OUT: Final = frozenset({"run", "metrics", "log", "nats", "spool"})
READ_SIZE: Final = 1 << 20
MANIFEST_SIZE_MAX: Final = 64 << 20
FILES_MAX: Final = 1_000_000
_SQLITE: Final = b"SQLite format 3\0"
_COMPANIONS: Final = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """One file as the manifest tells it: SHA-256 in hexadecimal; rows by table where it is a database."""

    size: int
    digest: str
    rows: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSummary:
    """What is in a backup. created_at: of this machine's clock."""

    created_at: datetime
    files: Mapping[str, FileFacts]

    @property
    def size(self) -> int:
        """Octets of all files."""
        return sum(facts.size for facts in self.files.values())

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(sum(facts.rows.values()) for facts in self.files.values() if facts.rows is not None)


def create_backup(
    data: Path, target: Path, recipients: Sequence[ec.EllipticCurvePublicKey], *, now: datetime
) -> BackupSummary:
    """Write a sealed backup of a data folder, which may be in use. recipients: who can open it.

    The file has mode 0600 and appears when it is whole. Raises BackupError where there is nothing to back up, or the
    disk refuses.
    """
    if not (data / "db").is_dir():
        raise BackupError(f"there is no system with a database of its own in {data}: name --data", path=str(data))
    if data.resolve() in target.resolve().parents:
        raise BackupError(f"{target} is inside of what it backs up: name a file elsewhere", path=str(target))
    part = target.with_name(f".{target.name}.part")
    try:
        with _private_file(part) as sealed:
            summary = _write(data, sealed, recipients, now)
        part.replace(target)
    except OSError as error:
        raise BackupError(f"the backup {target} cannot be written: {error}", path=str(target)) from error
    finally:
        part.unlink(missing_ok=True)
    return summary


def restore_backup(source: Path, folder: Path, key: PrivateKey) -> BackupSummary:
    """Restore a backup into a folder that is absent or empty. key: of one of its recipients, usage AGREE.

    The folder appears only when every digest and every row count is that of the manifest. Raises BackupError, and
    EnvelopeError for a file that is sealed to others, changed or cut.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty: restore into a new folder, then put it in place", path=str(folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".restore-") as place:
        restored = Path(place) / "data"
        restored.mkdir(mode=0o700)
        try:
            with source.open("rb") as sealed, open_envelope(sealed, KIND, key) as content:
                found = _extract(content, restored)
        except (OSError, tarfile.TarError) as error:
            raise BackupError(f"the backup {source} cannot be restored: {error}", path=str(source)) from error
        summary = _judge(restored, found)
        _move_mark(restored / COUNTER_MARK)
        if folder.exists():
            folder.rmdir()
        restored.replace(folder)
    return summary


@contextlib.contextmanager
def _private_file(path: Path) -> Iterator[BinaryIO]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _write(
    data: Path, sealed: BinaryIO, recipients: Sequence[ec.EllipticCurvePublicKey], now: datetime
) -> BackupSummary:
    writer = EnvelopeWriter(sealed, KIND, recipients)
    facts: dict[str, FileFacts] = {}
    with (
        tempfile.TemporaryDirectory(dir=data, prefix=".backup-") as copies,
        tarfile.open(fileobj=writer, mode="w|", format=tarfile.PAX_FORMAT) as archive,  # type: ignore[call-overload]  # it only writes
    ):
        for number, path in enumerate(_files(data)):
            name = path.relative_to(data).as_posix()
            if _is_database(path):
                copy = Path(copies) / f"{number}.sqlite3"
                rows = _copy_database(path, copy)
                facts[name] = _add(archive, name, copy, rows)
                copy.unlink()
            else:
                facts[name] = _add(archive, name, path, None)
        summary = BackupSummary(created_at=now, files=facts)
        _add_manifest(archive, summary)
    writer.close()
    return summary


def _files(data: Path) -> list[Path]:
    """Everything to keep: databases first, so that what they name is still to be copied."""
    kept = []
    for folder, folders, names in os.walk(data):
        if Path(folder) == data:
            folders[:] = [name for name in folders if name not in LEFT_OUT]
        folders[:] = [name for name in folders if not name.startswith((".backup-", ".restore-"))]
        kept += [Path(folder) / name for name in names if not name.endswith((*_COMPANIONS, ".lock"))]
    regular = [path for path in kept if path.is_file() and not path.is_symlink()]
    if len(regular) > FILES_MAX:
        raise BackupError(f"{data} holds more than {FILES_MAX} files: back it up in parts", path=str(data))
    return sorted(regular, key=lambda path: (not _is_database(path), path))


def _is_database(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _copy_database(path: Path, copy: Path) -> Mapping[str, int]:
    """Copy a database as it is at one moment, whoever writes in it; gives the rows of each table."""
    with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        return _rows(target)


def _rows(database: sqlite3.Connection) -> Mapping[str, int]:
    names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {
        name: database.execute(f'SELECT count(*) FROM "{name.replace(chr(34), chr(34) * 2)}"').fetchone()[0]  # noqa: S608  # a name of its own schema
        for name in names
    }


class _Digesting:
    """A file of a known size that is hashed as it is read."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self._left = size
        self.hash = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        self.hash.update(data)
        return data


def _add(archive: tarfile.TarFile, name: str, path: Path, rows: Mapping[str, int] | None) -> FileFacts:
    with path.open("rb") as file:
        state = os.fstat(file.fileno())
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = state.st_size, int(state.st_mtime), stat.S_IMODE(state.st_mode) & 0o700
        digesting = _Digesting(file, state.st_size)
        archive.addfile(member, digesting)  # type: ignore[arg-type]  # it is read only
    return FileFacts(size=member.size, digest=digesting.hash.hexdigest(), rows=rows)


def _add_manifest(archive: tarfile.TarFile, summary: BackupSummary) -> None:
    rows = {name: asdict(facts) for name, facts in summary.files.items()}
    content = json.dumps({"format": FORMAT, "created_at": summary.created_at.isoformat(), "files": rows}).encode()
    member = tarfile.TarInfo(MANIFEST)
    member.size, member.mode = len(content), 0o600
    archive.addfile(member, BytesIO(content))


@dataclass(slots=True)
class _Found:
    """What came out of a backup."""

    digests: dict[str, tuple[int, str]]
    manifest: bytes = b""


def _extract(content: IO[bytes], folder: Path) -> _Found:
    """Write every member below the folder; gives the digest of what was written."""
    found = _Found({})
    with tarfile.open(fileobj=content, mode="r|") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            if file is None or not _is_inside(member.name) or found.manifest:
                raise BackupError(f"the backup holds {member.name[:100]!r}, which is no file of a data folder")
            if member.name == MANIFEST:
                found.manifest = file.read(MANIFEST_SIZE_MAX)
                continue
            path = folder / member.name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            digesting = _Digesting(file, member.size)
            with _private_file(path) as target:
                while data := digesting.read(READ_SIZE):
                    target.write(data)
            found.digests[member.name] = (member.size, digesting.hash.hexdigest())
    content.read()  # the end of the envelope has to hold as well
    return found


def _is_inside(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and not {"..", "."} & set(parts)


def _judge(folder: Path, found: _Found) -> BackupSummary:
    """Raise BackupError unless all that was written is what the manifest says, rows of the databases included."""
    try:
        facts = json.loads(found.manifest)
        files = {name: FileFacts(**row) for name, row in facts["files"].items()}
        summary = BackupSummary(created_at=datetime.fromisoformat(facts["created_at"]), files=files)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError("the backup has no manifest that can be read: take another copy of it") from error
    expected = {name: (facts.size, facts.digest) for name, facts in files.items()}
    wrong = sorted(name for name in {*expected, *found.digests} if expected.get(name) != found.digests.get(name))
    wrong += [name for name, facts in files.items() if facts.rows is not None and not _holds(folder / name, facts.rows)]
    if wrong:
        raise BackupError(
            f"{len(wrong)} files of the backup are not what its manifest says, the first {wrong[0]}: take another copy",
            files=wrong,
        )
    return summary


def _holds(path: Path, rows: Mapping[str, int]) -> bool:
    """Whether a restored database is sound and has those rows."""
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        try:
            sound = database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            return sound and _rows(database) == rows
        except sqlite3.Error:
            return False


def _move_mark(path: Path) -> None:
    """Say in the head-end's mark that more counters were reserved than the database knows (see headend/restore.py)."""
    if path.exists():
        number = int(path.read_text().strip() or 0)
        path.write_text(f"{number + 1:020d}\n")
