"""Passwords that are guessed first are told by rule."""

import pytest

from meterworks.trust import is_common_password, new_password


@pytest.mark.parametrize(
    "password",
    [
        "password123", "P@ssw0rd!!", "Passwort2026!", "qwertyuiop", "1234567890", "aaaaaaaaaaaa", "Summer2026!!",
        "letmeinletmein", "abcdefghij", "zyxwvutsrq", "meterworks1", "admin-admin-1", "W3lc0me!2026", "ääääääääää",
        "poiuytrewq12", "olivia2026!!", "          ", "11111-22222",
    ],
)  # fmt: skip
def test_what_guessers_try_first_is_common(password):
    assert is_common_password(password, about=("olivia",))


@pytest.mark.parametrize(
    "password", ["correct horse battery", "a long password", "Nordlicht über Tromsø", "vX9#kLq2mT", "tin whistle 44"]
)
def test_what_had_to_be_thought_of_is_not(password):
    assert not is_common_password(password, about=("olivia", "al"))


def test_no_password_of_ours_is_common():
    assert not any(is_common_password(new_password()) for _ in range(20))
