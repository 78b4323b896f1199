"""Passkeys: a key pair in the person's device, bound to our host name, unlocked by the person.

The library does the checking; here stand our choices: user verification always (so that a passkey alone is two
factors: the device, and what unlocks it), discoverable credentials (so that no name need be typed), no attestation.
The library is loaded at first use: only the web process wants it.  Source: W3C Web Authentication Level 2, section 7.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from meterworks.trust.factor.errors import FactorRefused

__all__ = [
    "NewPasskey",
    "RelyingParty",
    "authentication_options",
    "checked_authentication",
    "checked_registration",
    "credential_id_of",
    "new_challenge",
    "registration_options",
]

CHALLENGE_SIZE = 32
CREDENTIAL_ID_SIZE_MAX = 1023  # octets; Web Authentication Level 2, section 7.1, step 17
_TIMEOUT_MS = 120_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RelyingParty:
    """We, as browsers know us. `host`: the name passkeys are bound to; `origin`: scheme, host and port of the page."""

    host: str
    origin: str
    name: str = "Meterworks"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPasskey:
    """A credential that was just made, as it is kept."""

    credential_id: bytes
    public_key: bytes  # COSE_Key
    sign_count: int
    synced: bool  # the maker keeps copies of it: it may sign from several devices


def new_challenge() -> bytes:
    """Make the number a device has to sign; good for one ceremony."""
    return secrets.token_bytes(CHALLENGE_SIZE)


def registration_options(
    party: RelyingParty, *, user_id: bytes, user_name: str, challenge: bytes, known: Sequence[bytes]
) -> str:
    """Give what a page hands to `navigator.credentials.create`, as JSON. known: credentials not to be made again."""
    import webauthn  # heavy, and for the web process only
    from webauthn.helpers import structs

    options = webauthn.generate_registration_options(
        rp_id=party.host,
        rp_name=party.name,
        user_id=user_id,
        user_name=user_name,
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.REQUIRED,
            user_verification=structs.UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[structs.PublicKeyCredentialDescriptor(id=each) for each in known],
    )
    return webauthn.options_to_json(options)


def authentication_options(party: RelyingParty, *, challenge: bytes, allowed: Sequence[bytes] = ()) -> str:
    """Give what a page hands to `navigator.credentials.get`, as JSON. allowed: empty lets the device choose."""
    import webauthn
    from webauthn.helpers import structs

    options = webauthn.generate_authentication_options(
        rp_id=party.host,
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        allow_credentials=[structs.PublicKeyCredentialDescriptor(id=each) for each in allowed],
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def checked_registration(party: RelyingParty, answer: dict[str, Any], *, challenge: bytes) -> NewPasskey:
    """Give the credential a device made for our challenge, origin and host. Raises FactorRefused."""
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException
    from webauthn.helpers.structs import CredentialDeviceType

    try:
        made = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.host,
            expected_origin=party.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError) as error:  # the library lets some out
        raise FactorRefused("the passkey could not be taken; try again") from error
    if len(made.credential_id) > CREDENTIAL_ID_SIZE_MAX:
        raise FactorRefused("the passkey could not be taken; try again")
    return NewPasskey(
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        synced=made.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
    )


def checked_authentication(
    party: RelyingParty, answer: dict[str, Any], *, challenge: bytes, public_key: bytes, sign_count: int
) -> int:
    """Check that the credential signed our challenge for our origin, unlocked by the person; gives its new counter.

    Raises FactorRefused, also where the counter did not rise: a copy of the device may be in use.
    """
    import webauthn
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        proven = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=party.host,
            expected_origin=party.origin,
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FactorRefused("the passkey does not fit") from error
    return int(proven.new_sign_count)


def credential_id_of(answer: dict[str, Any]) -> bytes:
    """Give the number of the credential an answer speaks of. Raises FactorRefused where it names none."""
    from webauthn import base64url_to_bytes

    text = answer.get("id")
    if not isinstance(text, str) or not 1 <= len(text) <= 2 * CREDENTIAL_ID_SIZE_MAX:
        raise FactorRefused("the passkey does not fit")
    try:
        return base64url_to_bytes(text)
    except ValueError as error:
        raise FactorRefused("the passkey does not fit") from error
