"""How a client proves itself at a meter, where it is not in our meters' own way (GMAC with the keys)."""

from dataclasses import dataclass, field
from typing import Final

from meterworks.devices.errors import ModelError
from meterworks.protocols.dlms import Mechanism

__all__ = ["SECRET_MECHANISMS", "SECRET_SIZE_MAX", "ClientLogin"]

SECRET_SIZE_MAX: Final = 64
#: Mechanisms whose proof is made with a secret of the association, which its client may change.
SECRET_MECHANISMS: Final = frozenset(
    {Mechanism.LOW, Mechanism.MANUFACTURER, Mechanism.MD5, Mechanism.SHA1, Mechanism.SHA256}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLogin:
    """One client's way in.

    secret: the password of mechanism 1, the secret of mechanisms 2, 3, 4 and 6; up to 64 octets. ciphered: whether
    every APDU must be authenticated and encrypted besides.
    """

    client_sap: int
    mechanism: Mechanism
    secret: bytes = field(default=b"", repr=False)
    ciphered: bool = True

    def __post_init__(self) -> None:
        """Refuse a secret where none is used, and none where one is."""
        if bool(self.secret) != (self.mechanism in SECRET_MECHANISMS) or len(self.secret) > SECRET_SIZE_MAX:
            raise ModelError(
                f"client {self.client_sap}: mechanism {self.mechanism.name} with a secret of {len(self.secret)} octets"
            )
