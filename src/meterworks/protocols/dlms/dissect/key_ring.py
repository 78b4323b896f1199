"""The keys that a dissector may open messages with, by the system title they belong to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Self

from meterworks.protocols.dlms.security import TITLE_SIZE, KeyAgreement
from meterworks.protocols.errors import EncodeError

__all__ = ["KeyRing", "KeySet"]

KEY_SIZES: Final = (16, 32)
ANY_TITLE: Final = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """The keys of one meter, as far as they are known.

    guek, gbek: global encryption keys, unicast and broadcast. gak: authentication key; without it tags are not checked.
    kek: master key, which unwraps others. dedicated: key of one association. agreement_key: private key for ECDH of
    who receives the messages (or key_agreement, what holds it), with peer_agreement_key the sender's public one.
    peer_signing_key: public key that the sender signs with; without it signatures are not checked.
    """

    guek: bytes | None = field(default=None, repr=False)
    gbek: bytes | None = field(default=None, repr=False)
    gak: bytes | None = field(default=None, repr=False)
    kek: bytes | None = field(default=None, repr=False)
    dedicated: bytes | None = field(default=None, repr=False)
    agreement_key: bytes | None = field(default=None, repr=False)
    peer_agreement_key: bytes | None = field(default=None, repr=False)
    peer_signing_key: bytes | None = field(default=None, repr=False)
    key_agreement: KeyAgreement | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse with EncodeError a symmetric key that is not of 16 or 32 octets."""
        for name in ("guek", "gbek", "gak", "kek", "dedicated"):
            key = getattr(self, name)
            if key is not None and len(key) not in KEY_SIZES:
                raise EncodeError(f"{name} has {len(key)} octets; keys have 16 or 32")


_NAMES: Final = tuple(row.name for row in fields(KeySet) if row.name != "key_agreement")


class KeyRing:
    """Key sets by system title; the set of no title (None) is tried on every message."""

    __slots__ = ("_sets",)

    def __init__(self, sets: Mapping[bytes | None, KeySet] | None = None) -> None:
        self._sets = dict(sets or {})
        for title in self._sets:
            if title is not None and len(title) != TITLE_SIZE:
                raise EncodeError(f"system title {title.hex()} has {len(title)} octets, not {TITLE_SIZE}")

    @classmethod
    def of(cls, **keys: Any) -> Self:
        """Make a ring of one set for every title. keys: fields of `KeySet`."""
        return cls({None: KeySet(**keys)})

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Make from texts: {title in hex, or "any": {"guek": hex, "gak": hex...}}, or the keys of one set alone.

        Raises EncodeError where a title or key is not what it must be.
        """
        rows = mapping if all(isinstance(row, Mapping) for row in mapping.values()) else {ANY_TITLE: mapping}
        return cls({_title(title): _key_set(title, row) for title, row in rows.items()})

    def __len__(self) -> int:
        """How many sets there are."""
        return len(self._sets)

    @property
    def titles(self) -> list[bytes]:
        """The titles that sets are named by."""
        return [title for title in self._sets if title is not None]

    def candidates(self, *titles: bytes) -> Iterator[KeySet]:
        """Give the sets to try: those of these titles first, then those of any, then the others."""
        first = [title for title in titles if title in self._sets]
        order: list[bytes | None] = [*first, None, *self._sets]
        for title in dict.fromkeys(order):
            if title in self._sets:
                yield self._sets[title]


def _hex(where: str, text: object) -> bytes:
    try:
        if not isinstance(text, str):
            raise EncodeError(f"{where}: hex digits expected")
        return bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError as error:
        raise EncodeError(f"{where}: hex digits expected") from error


def _title(text: str) -> bytes | None:
    return None if text.lower() == ANY_TITLE else _hex(f"system title {text}", text)


def _key_set(title: str, row: Mapping[str, Any]) -> KeySet:
    unknown = sorted(set(row) - set(_NAMES))
    if unknown:
        raise EncodeError(f"keys of {title}: {unknown[0]!r} is none of {', '.join(_NAMES)}")
    keys: dict[str, Any] = {name: _hex(f"{name} of {title}", text) for name, text in row.items() if text is not None}
    return KeySet(**keys)
