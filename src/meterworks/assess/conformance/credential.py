"""As whom the tester associates: addresses, mechanism, secrets.  What a keys file says becomes one of these."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from meterworks.errors import UsageError
from meterworks.protocols.dlms import MANAGEMENT_DEVICE, PUBLIC_CLIENT, Mechanism

__all__ = ["TESTER_TITLE", "Credential", "read_keys_file"]

TESTER_TITLE: Final = b"MWT\x00\x00\x00\x00\x01"
KEY_SIZES: Final = {0: 16, 1: 16, 2: 32}
CHALLENGED: Final = frozenset({2, 3, 4, 5, 6, 7})
_FIELDS: Final = ("guek", "gak", "password", "secret", "signing_key", "server_signing_key", "system_title")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """One client of the server under test.

    protection: bits 10 (authenticated) and 20 (encrypted) of the security control octet that every APDU gets; 0 is the
    plain context. suite: 0, 1, 2. secret: of mechanisms 2, 3, 4 and 6. signing_key: our private number, big-endian;
    server_signing_key: its public point, x then y (mechanism 7).
    """

    client_sap: int = PUBLIC_CLIENT
    server_sap: int = MANAGEMENT_DEVICE
    mechanism: int = 0
    suite: int = 0
    protection: int = 0
    title: bytes = TESTER_TITLE
    guek: bytes | None = field(default=None, repr=False)
    gak: bytes | None = field(default=None, repr=False)
    password: bytes | None = field(default=None, repr=False)
    secret: bytes | None = field(default=None, repr=False)
    signing_key: bytes | None = field(default=None, repr=False)
    server_signing_key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse what no association can be opened with. Raises UsageError."""
        size = KEY_SIZES.get(self.suite)
        if size is None:
            raise UsageError(f"suite {self.suite}: 0, 1 and 2 are defined")
        for name, key in (("guek", self.guek), ("gak", self.gak)):
            if key is not None and len(key) != size:
                raise UsageError(f"{name} has {len(key)} octets; suite {self.suite} takes {size}")
        if (self.protection or self.mechanism == Mechanism.GMAC) and (self.guek is None or self.gak is None):
            raise UsageError("protection and mechanism 5 need guek and gak")
        if self.mechanism == Mechanism.LOW and not self.password:
            raise UsageError("mechanism 1 needs a password")
        if self.mechanism in (2, 3, 4, 6) and not self.secret:
            raise UsageError(f"mechanism {self.mechanism} needs a secret")
        if self.mechanism == Mechanism.ECDSA and not (self.signing_key and self.server_signing_key):
            raise UsageError("mechanism 7 needs signing_key and server_signing_key")

    @property
    def keys(self) -> tuple[bytes, bytes]:
        """The encryption and the authentication key; UsageError where there are none."""
        if self.guek is None or self.gak is None:
            raise UsageError("this client has no keys")
        return self.guek, self.gak

    @property
    def is_ciphered(self) -> bool:
        """Whether its application context is the ciphered one."""
        return self.protection != 0

    @property
    def is_challenged(self) -> bool:
        """Whether it proves itself by answering a challenge."""
        return self.mechanism in CHALLENGED

    @property
    def sends_title(self) -> bool:
        """Whether its association request must carry its system title."""
        return self.is_ciphered or self.mechanism in (Mechanism.GMAC, Mechanism.SHA256, Mechanism.ECDSA)


def read_keys_file(path: Path) -> Mapping[str, bytes]:
    """Read a keys file: JSON with hex texts `guek`, `gak`, `password`, `secret`, `signing_key`, and the like.

    Raises UsageError where it cannot be read.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return {name: bytes.fromhex(fields[name]) for name in _FIELDS if fields.get(name)}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"keys file {path} cannot be used: {error}", path=str(path)) from error
