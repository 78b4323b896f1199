"""Recovery codes: each opens the account once when the other factors are lost."""

import hashlib
import secrets

__all__ = ["RECOVERY_CODE_COUNT", "hash_recovery_code", "new_recovery_codes"]

RECOVERY_CODE_COUNT = 8
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that are mistaken for one another
_HALF = 8  # letters: 2 x 8 of 31 are 79 bits, so that a plain hash is enough and can be looked up
_CODE_LENGTH_MAX = 64


def new_recovery_codes() -> tuple[str, ...]:
    """Make a set of codes, to be shown once and written down."""
    return tuple(
        "-".join("".join(secrets.choice(_LETTERS) for _ in range(_HALF)) for _ in range(2))
        for _ in range(RECOVERY_CODE_COUNT)
    )


def hash_recovery_code(code: str) -> str:
    """Give what is stored of a code: SHA-256 as 64 hexadecimal digits. Case, spaces and hyphens do not matter."""
    plain = "".join(letter for letter in code[:_CODE_LENGTH_MAX].lower() if letter.isalnum())
    return hashlib.sha256(b"recovery\0" + plain.encode(errors="surrogatepass")).hexdigest()
