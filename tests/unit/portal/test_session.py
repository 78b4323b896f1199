"""Session cookies and form tokens cannot be made without the secret."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterworks.portal.errors import FormForged
from meterworks.portal.session import SessionSigner, load_session_secret

SIGNER = SessionSigner(b"s" * 32)


def test_a_cookie_gives_its_token_back() -> None:
    assert SIGNER.token(SIGNER.cookie("abc")) == "abc"


@given(st.text(max_size=100))
def test_no_other_text_is_a_cookie(text: str) -> None:
    assert SIGNER.token(text) is None


def test_a_cookie_of_another_secret_or_another_token_is_refused() -> None:
    cookie = SIGNER.cookie("abc")
    assert SessionSigner(b"t" * 32).token(cookie) is None
    assert SIGNER.token("abd" + cookie[3:]) is None
    assert SIGNER.token(None) is None


def test_a_form_token_belongs_to_its_session() -> None:
    SIGNER.check_form("abc", SIGNER.form_token("abc"))
    for given_token in (None, "", SIGNER.form_token("other"), SIGNER.cookie("abc"), "ä"):
        with pytest.raises(FormForged):
            SIGNER.check_form("abc", given_token)


def test_the_secret_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "session"
    secret = load_session_secret(path)
    assert len(secret) == 32
    assert load_session_secret(path) == secret
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_damaged_secret_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "session"
    path.write_bytes(b"short")
    assert len(load_session_secret(path)) == 32
