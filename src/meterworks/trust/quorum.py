"""Root and recovery keys under k-of-n control: a vault that opens only when enough holders bring their shares.

A quorum's folder holds `quorum.json` (who holds which share, how many are needed), the vault and the sealed protocol of
every use. The vault opens with a secret that exists only while a ceremony lasts: its shares are with the holders, on
paper or on media of their own, and the folder without them is useless. Keep the folder offline.
A share is text: `MWQ1-` and groups of five letters and digits (base32) over set, number, threshold, value and a check.
Source: SECURITY fact sheet SEC-128; PKI fact sheet sections 3 and 7.
"""

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from meterworks.trust.ceremony import CeremonyProtocol
from meterworks.trust.entropy import random_bytes
from meterworks.trust.errors import KeyFileError, QuorumError
from meterworks.trust.keystore.file_vault import FileKeyVault
from meterworks.trust.keystore.master import MASTER_KEY_SIZE, KeyStore
from meterworks.trust.secret_file import read_secret_file, write_secret_once
from meterworks.trust.shamir import SHARES_MAX, join_shares, split_secret

__all__ = ["Quorum", "Share", "join_secret", "share_out"]

PREFIX: Final = "MWQ1-"
FORMAT: Final = "meterworks-quorum-1"
_SET_SIZE: Final = 4
_HEADER_SIZE: Final = _SET_SIZE + 3  # set, number, threshold, count
_CHECK_SIZE: Final = 4
_GROUP: Final = 5
_FILE_SIZE_MAX: Final = 16_384
_HOLDER: Final = re.compile(r"[^\x00-\x1f/\\]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One holder's part of a secret. set_id: which sharing it is of, 8 hexadecimal digits. number: from 0."""

    set_id: str
    number: int
    threshold: int
    count: int
    value: bytes = field(repr=False)

    def text(self) -> str:
        """The share as its holder keeps it: letters and digits in groups of five."""
        body = bytes.fromhex(self.set_id) + bytes([self.number, self.threshold, self.count]) + self.value
        letters = base64.b32encode(body + _check(body)).decode().rstrip("=")
        groups = (letters[start : start + _GROUP] for start in range(0, len(letters), _GROUP))
        return PREFIX + "-".join(groups)

    @classmethod
    def parse(cls, text: str) -> "Share":
        """Read a share; case, spaces and hyphens do not matter. Raises QuorumError, without the text, on a slip."""
        letters = re.sub(r"[\s-]", "", text.upper()).removeprefix(PREFIX.strip("-"))
        with contextlib.suppress(ValueError):
            octets = base64.b32decode(letters + "=" * (-len(letters) % 8))
            body, check = octets[:-_CHECK_SIZE], octets[-_CHECK_SIZE:]
            if len(body) > _HEADER_SIZE and check == _check(body):
                number, threshold, count = body[_SET_SIZE:_HEADER_SIZE]
                return cls(
                    set_id=body[:_SET_SIZE].hex(), number=number, threshold=threshold, count=count,
                    value=body[_HEADER_SIZE:],
                )  # fmt: skip
        raise QuorumError("a share cannot be read: compare it letter by letter with what its holder has")


def share_out(secret: bytes, threshold: int, count: int) -> Sequence[Share]:
    """Split a secret of 16 to 64 octets. Raises QuorumError."""
    set_id = random_bytes(_SET_SIZE).hex()
    values = split_secret(secret, threshold, count, random_bytes)
    return [
        Share(set_id=set_id, number=number, threshold=threshold, count=count, value=value)
        for number, value in enumerate(values)
    ]


def join_secret(shares: Sequence[Share]) -> bytes:
    """Give the secret of enough shares of one set. Raises QuorumError."""
    kinds = {(share.set_id, share.threshold) for share in shares}
    if len(kinds) > 1:
        raise QuorumError("the shares are of different ceremonies: bring those of one")
    values = {share.number: share.value for share in shares}
    threshold = shares[0].threshold if shares else 2
    if len(values) < threshold:
        raise QuorumError(f"{len(values)} holders are too few: {threshold} are needed", threshold=threshold)
    return join_shares(threshold, values)


class Quorum:
    """A vault under k-of-n control and the protocol of its uses."""

    def __init__(self, folder: Path, protocol: CeremonyProtocol) -> None:
        """Raises KeyFileError where the folder holds no quorum."""
        self._folder = folder
        self._protocol = protocol
        self.set_id, self.threshold, self.holders = _read(folder)

    def __repr__(self) -> str:
        return f"Quorum({str(self._folder)!r}, {self.threshold} of {len(self.holders)})"

    @classmethod
    def create(
        cls, folder: Path, holders: Sequence[str], threshold: int, *, protocol: CeremonyProtocol, purpose: str
    ) -> tuple["Quorum", Sequence[Share]]:
        """Make a vault and the shares of its secret, in the order of the holders: hand each out, then forget it.

        Raises QuorumError on holders that are no quorum, KeyFileError where a quorum is there already.
        """
        names = tuple(holders)
        if len(set(names)) != len(names) or not all(_HOLDER.fullmatch(name) for name in names):
            raise QuorumError("each holder of a share has a name of its own of 1 to 64 characters")
        secret = random_bytes(MASTER_KEY_SIZE)
        shares = share_out(secret, threshold, len(names))
        facts = {"format": FORMAT, "set": shares[0].set_id, "threshold": threshold, "holders": names}
        if not write_secret_once(folder / "quorum.json", json.dumps(facts).encode(), "the quorum"):
            raise KeyFileError(f"there is a quorum in {folder} already: take another folder", path=str(folder))
        protocol.append("created", names, purpose, set=shares[0].set_id, threshold=str(threshold))
        FileKeyVault(folder / "vault", KeyStore(secret))
        return cls(folder, protocol), shares

    @contextlib.contextmanager
    def opened(self, shares: Sequence[Share], purpose: str) -> Iterator[FileKeyVault]:
        """Open the vault for as long as the block lasts; its keys are forgotten at the end.

        Who came, what for, and how it ended is entered in the protocol, a refusal too, before anything is opened.
        Raises QuorumError on too few or false shares.
        """
        people = [self._holder(share) for share in shares]
        try:
            secret = self._secret(shares)
        except QuorumError as error:
            self._protocol.append("refused", people, purpose, reason=str(error))
            raise
        self._protocol.append("opened", people, purpose, set=self.set_id)
        vault = FileKeyVault(self._folder / "vault", KeyStore(secret))
        try:
            yield vault
        finally:
            vault.forget()
            self._protocol.append("closed", people, purpose, keys=", ".join(vault.labels()))

    def _secret(self, shares: Sequence[Share]) -> bytes:
        if any(share.set_id != self.set_id for share in shares):
            raise QuorumError("a share is of another ceremony: bring those of this one")
        return join_secret(shares)

    def _holder(self, share: Share) -> str:
        if share.set_id == self.set_id and share.number < len(self.holders):
            return self.holders[share.number]
        return f"share {share.number + 1} of set {share.set_id}"


def _read(folder: Path) -> tuple[str, int, tuple[str, ...]]:
    content = read_secret_file(folder / "quorum.json", "the quorum", size_max=_FILE_SIZE_MAX)
    with contextlib.suppress(ValueError, TypeError, KeyError):
        facts = json.loads(content)
        if facts["format"] == FORMAT and 2 <= facts["threshold"] <= len(facts["holders"]) <= SHARES_MAX:
            return str(facts["set"]), int(facts["threshold"]), tuple(facts["holders"])
    raise KeyFileError(f"{folder} holds no quorum that can be read: put the saved copy back", path=str(folder))


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"meterworks share" + body).digest()[:_CHECK_SIZE]
