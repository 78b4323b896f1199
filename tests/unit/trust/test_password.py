"""Passwords are hashed with argon2id and compared without telling who exists."""

import pytest

from meterworks.trust import PasswordError, hash_password, new_password, password_matches, password_needs_rehash

STORED = hash_password("correct horse")


def test_the_right_password_matches_and_no_other():
    assert password_matches(STORED, "correct horse")
    assert not password_matches(STORED, "correct horsf")
    assert not password_matches(STORED, "")


def test_the_stored_text_names_argon2id_and_not_the_password():
    assert STORED.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    assert "horse" not in STORED


def test_two_hashes_of_one_password_differ():
    assert hash_password("correct horse") != STORED


def test_a_user_who_does_not_exist_matches_nothing():
    assert not password_matches(None, "correct horse")


@pytest.mark.parametrize("stored", ["", "plain text", "$argon2id$broken", "$argon2id$v=19$m=65536,t=3,p=1$x$y"])
def test_a_stored_text_that_is_no_hash_matches_nothing(stored):
    assert not password_matches(stored, "correct horse")


@pytest.mark.parametrize("length", [0, 9, 257])
def test_lengths_out_of_range_are_refused(length):
    with pytest.raises(PasswordError, match=f"10 to 256 characters, this one has {length}"):
        hash_password("x" * length)


def test_an_endless_password_costs_no_hashing():
    assert not password_matches(STORED, "x" * 1_000_000)


def test_text_that_is_no_unicode_is_hashed_all_the_same():
    assert password_matches(hash_password("\ud800" * 10), "\ud800" * 10)


def test_weaker_parameters_ask_for_a_new_hash():
    assert not password_needs_rehash(STORED)
    assert password_needs_rehash("$argon2id$v=19$m=1024,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA")
    assert password_needs_rehash("not a hash")


def test_a_made_password_can_be_set_and_is_never_the_same():
    made = {new_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(password) == 23 and password.count("-") == 3 for password in made)
