"""One-time codes by time: six digits that change every 30 s.  Source: RFC 6238; RFC 4226 section 5.3."""

import base64
import secrets

import pyotp

from meterworks.trust.token import constant_time_equal

__all__ = ["STEP_S", "TOTP_SECRET_SIZE", "matching_step", "new_totp_secret", "totp_uri"]

TOTP_SECRET_SIZE = 24  # octets: above the 20 that RFC 4226 section 4, R6, recommends, and a size the key store wraps
STEP_S = 30
_STEPS_AROUND = 1  # a telephone's clock may be half a minute off, and typing takes time
_DIGITS = 6


def new_totp_secret() -> bytes:
    """Make a secret of 192 bits."""
    return secrets.token_bytes(TOTP_SECRET_SIZE)


def _otp(secret: bytes) -> pyotp.TOTP:
    return pyotp.TOTP(base64.b32encode(secret).decode().rstrip("="), digits=_DIGITS, interval=STEP_S)


def totp_uri(secret: bytes, *, account: str, issuer: str) -> str:
    """Give what an authenticator application scans: it holds the secret, so it is shown once and kept nowhere."""
    return _otp(secret).provisioning_uri(name=account, issuer_name=issuer)


def matching_step(secret: bytes, code: str, *, epoch_s: float, after: int) -> int | None:
    """Give the number of the time step whose code this is, if it is later than step `after`; None: no such step.

    The caller keeps the step and hands it in as `after` from then on, so that a code is taken once.
    Source: RFC 6238 section 5.2.
    """
    given = code.replace(" ", "")
    if len(given) != _DIGITS or not (given.isascii() and given.isdigit()):
        return None
    otp, now = _otp(secret), int(epoch_s) // STEP_S
    found = None
    for step in range(now - _STEPS_AROUND, now + _STEPS_AROUND + 1):  # all of them: the time taken tells nothing
        if constant_time_equal(otp.generate_otp(step).encode(), given.encode()) and step > after:
            found = step
    return found
