"""Browser sessions: a signed cookie that holds a session token, and form tokens against forged requests.

The cookie's value is `<token>.<signature>`; a value whose signature is wrong is refused before the database is asked.
The token itself is one of the market's tokens (kind `session`), so that logging out ends it for good.
"""

import hashlib
import hmac
import secrets
from pathlib import Path

from meterworks.portal.errors import FormForged
from meterworks.runtime import write_atomically

__all__ = ["COOKIE_NAME", "DEVICE_DAYS", "SessionSigner", "device_cookie_name", "load_session_secret"]

COOKIE_NAME = "meterworks_session"
DEVICE_DAYS = 90
SECRET_SIZE = 32


def device_cookie_name(name: str) -> str:
    """The name of an account's device cookie: accounts that share a browser have one each."""
    return f"meterworks_device_{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:16]}"


class SessionSigner:
    """Signs cookies and forms with the web process's secret."""

    def __init__(self, secret: bytes) -> None:
        assert len(secret) >= SECRET_SIZE, "the session secret is too short"
        self._secret = secret

    def _mac(self, purpose: bytes, text: str) -> str:
        return hmac.new(self._secret, purpose + b"\0" + text.encode(), hashlib.sha256).hexdigest()

    def cookie(self, token: str) -> str:
        """The cookie's value for a session token."""
        return f"{token}.{self._mac(b'cookie', token)}"

    def token(self, cookie: str | None) -> str | None:
        """The session token in a cookie's value; None if there is none or its signature is wrong."""
        token, _, signature = (cookie or "").rpartition(".")
        expected = self._mac(b"cookie", token)
        return token if token and hmac.compare_digest(expected.encode(), signature.encode()) else None

    def device(self, name: str, number: str) -> str:
        """The value of a device cookie: this browser has logged in to the account before."""
        signature = self._mac(b"device", f"{number} {name}")
        return f"{number}.{signature}"

    def device_number(self, name: str, cookie: str | None) -> str | None:
        """The number in a device cookie of this account; None if there is none or it is another account's."""
        number, _, _ = (cookie or "").partition(".")
        good = hmac.compare_digest(self.device(name, number).encode(), (cookie or "").encode())
        return number if number and good else None

    def form_token(self, token: str) -> str:
        """What a form of this session must carry."""
        return self._mac(b"form", token)

    def check_form(self, token: str, given: str | None) -> None:
        """Raises FormForged unless the form was made by us for this session."""
        if not hmac.compare_digest(self.form_token(token).encode(), (given or "").encode()):
            raise FormForged("the form is not valid any more; load the page again")


def load_session_secret(path: Path) -> bytes:
    """The web process's secret (mode 0600), made on first use, so that a restart ends no session."""
    if path.exists():
        content = path.read_bytes()
        if len(content) == SECRET_SIZE:
            return content
    content = secrets.token_bytes(SECRET_SIZE)
    write_atomically(path, content, mode=0o600)
    return content
