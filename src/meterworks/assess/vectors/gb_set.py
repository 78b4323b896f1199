"""Folders of GB vectors: messages, the requests that cause them, keys, the schema, tokens and samples.

Laid out as `rtds/<name>/*.HEX` (a message in hexadecimal text), `duis/*.XML` (requests), `duis_signed/` (signed
documents and certificates), `keystore/`, `xsd/`, and lists of tokens and sample messages as JSON. What a message is,
its name tells by its ending; the same name before it ties a request to its pre-command and command.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Generic, TypeVar

from meterworks.assess.vectors.verdict import Mismatch
from meterworks.companions.gb import KeyFolder
from meterworks.protocols import DecodeError
from meterworks.protocols.gbcs import Message, MessageKind

__all__ = ["BROKER_UNIT", "GbMessage", "GbRequest", "GbSet", "Step", "always", "gb_folders"]

T = TypeVar("T")

BROKER_UNIT: Final = 4  # remote party role of an access control broker
MESSAGE_TEXT_MAX: Final = 1 << 20
DOCUMENT_SIZE_MAX: Final = 16 << 20
_MESSAGE: Final = re.compile(r"(?P<stem>.+)_(?P<form>PRECOMMAND|COMMAND|RESPONSE|[A-Z_]*ALERT[A-Z_0-9]*)_GBCS", re.I)
_REQUEST: Final = re.compile(r"(?P<stem>.+)_REQUEST(_DUIS)?", re.I)


@dataclass(frozen=True, slots=True)
class GbMessage:
    """A message of the set. stem: the name without its ending; form: PRECOMMAND, COMMAND, RESPONSE or of an alert."""

    path: Path
    stem: str
    form: str

    @property
    def octets(self) -> bytes:
        """The message. Raises Mismatch where the file is no hexadecimal text."""
        try:
            if self.path.stat().st_size > MESSAGE_TEXT_MAX:
                raise Mismatch(f"more than {MESSAGE_TEXT_MAX} octets of text")
            return bytes.fromhex("".join(self.path.read_text(encoding="ascii").split()))
        except (ValueError, OSError) as error:
            raise Mismatch(f"not a message in hexadecimal text: {error}") from error


@dataclass(frozen=True, slots=True)
class GbRequest:
    """A request of the set. stem: what ties it to its messages."""

    path: Path
    stem: str

    @property
    def xml(self) -> bytes:
        """The document. Raises Mismatch where it cannot be read."""
        try:
            if self.path.stat().st_size > DOCUMENT_SIZE_MAX:
                raise Mismatch(f"more than {DOCUMENT_SIZE_MAX} octets")
            return self.path.read_bytes()
        except OSError as error:
            raise Mismatch(f"not readable: {error}") from error


@dataclass(frozen=True)
class GbSet:
    """A folder of GB vectors."""

    root: Path
    messages: tuple[GbMessage, ...] = field(init=False)
    requests: tuple[GbRequest, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "messages", tuple(_messages(self.root / "rtds")))
        object.__setattr__(self, "requests", tuple(_requests(self.root / "duis")))

    @cached_property
    def keys(self) -> KeyFolder | None:
        """Its keys, None where it has none. Raises KeyFolderError."""
        folder = self.root / "keystore"
        return KeyFolder(folder) if folder.is_dir() else None

    @cached_property
    def brokers(self) -> tuple[bytes, ...]:
        """The access control brokers, by the role in their certificates."""
        return () if self.keys is None else self.keys.parties(BROKER_UNIT)

    @cached_property
    def by_stem(self) -> Mapping[tuple[str, str], GbMessage]:
        """Messages by stem and form."""
        return {(each.stem, each.form): each for each in self.messages}

    @cached_property
    def codes_of(self) -> Mapping[bytes, frozenset[int]]:
        """The message codes each device is sent, or sends, in this set: what its model knows."""
        found: dict[bytes, set[int]] = {}
        for message in self._framed:
            device = message.recipient if message.kind is MessageKind.COMMAND else message.originator
            found.setdefault(device, set()).add(message.message_code)
        return {device: frozenset(codes) for device, codes in found.items()}

    @cached_property
    def _framed(self) -> tuple[Message, ...]:
        return tuple(self._frame())

    def _frame(self) -> Iterator[Message]:
        for each in self.messages:
            with contextlib.suppress(Mismatch, DecodeError):  # the step "frame" tells of it
                yield Message.from_bytes(each.octets)

    @property
    def schema_folder(self) -> Path | None:
        """The folder of the schema, None where there is none."""
        folder = self.root / "xsd"
        return folder if folder.is_dir() else None


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """Something that vectors of one sort have to stand.

    check: raises what says how one fails, NotRun where it cannot be told; gives a word on one that passed, or nothing.
    applies: whether a vector is of the sort at all.
    """

    name: str
    check: Callable[[GbSet, T], str | None]
    applies: Callable[[GbSet, T], bool]


def always(_whole: GbSet, _vector: object) -> bool:
    """For steps that all vectors have to stand."""
    return True


def gb_folders(folder: Path) -> tuple[Path, ...]:
    """The folder itself or those below it that are laid out like a set of GB vectors."""
    if not folder.is_dir():
        return ()
    candidates = (folder, *sorted(each for each in folder.rglob("*") if each.is_dir()))
    return tuple(each for each in candidates if (each / "rtds").is_dir() or (each / "duis").is_dir())


def _files(folder: Path, suffix: str) -> Iterator[Path]:
    yield from sorted(path for path in folder.rglob("*") if path.suffix.upper() == suffix and path.is_file())


def _messages(folder: Path) -> Iterator[GbMessage]:
    for path in _files(folder, ".HEX"):
        found = _MESSAGE.fullmatch(path.stem)
        if found is None:
            yield GbMessage(path, path.stem, "")
        else:
            yield GbMessage(path, found["stem"], found["form"].upper())


def _requests(folder: Path) -> Iterator[GbRequest]:
    for path in _files(folder, ".XML"):
        found = _REQUEST.fullmatch(path.stem)
        yield GbRequest(path, path.stem if found is None else found["stem"])
