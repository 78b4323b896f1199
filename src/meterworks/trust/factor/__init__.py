"""Second factors of people: one-time codes by time, passkeys, and codes for the day both are lost."""

from meterworks.trust.factor.errors import FactorRefused
from meterworks.trust.factor.passkey import (
    NewPasskey,
    RelyingParty,
    authentication_options,
    checked_authentication,
    checked_registration,
    credential_id_of,
    new_challenge,
    registration_options,
)
from meterworks.trust.factor.recovery import RECOVERY_CODE_COUNT, hash_recovery_code, new_recovery_codes
from meterworks.trust.factor.totp import STEP_S, TOTP_SECRET_SIZE, matching_step, new_totp_secret, totp_uri

__all__ = [
    "RECOVERY_CODE_COUNT",
    "STEP_S",
    "TOTP_SECRET_SIZE",
    "FactorRefused",
    "NewPasskey",
    "RelyingParty",
    "authentication_options",
    "checked_authentication",
    "checked_registration",
    "credential_id_of",
    "hash_recovery_code",
    "matching_step",
    "new_challenge",
    "new_recovery_codes",
    "new_totp_secret",
    "registration_options",
    "totp_uri",
]
