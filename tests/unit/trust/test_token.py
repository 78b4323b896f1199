"""Tokens: only their hash is kept."""

import hashlib

import pytest

from meterworks.trust import constant_time_equal, hash_token, new_token, token_matches


def test_tokens_are_long_url_safe_and_never_the_same():
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert all(len(token) == 43 and token.replace("-", "a").replace("_", "a").isalnum() for token in tokens)


def test_only_the_token_matches_its_hash():
    token = new_token()
    stored = hash_token(token)
    assert token_matches(stored, token)
    assert not token_matches(stored, new_token())
    assert not token_matches(stored, "")
    assert not token_matches(stored, token + "x")


def test_the_hash_is_sha_256():
    assert hash_token("abc") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize("token", ["\ud800", "x" * 1_000_000, "é", "\x00"])
def test_any_text_can_be_tried(token):
    assert not token_matches(hash_token("abc"), token)


def test_a_token_of_absurd_length_matches_not_even_itself():
    assert not token_matches(hash_token("x" * 300), "x" * 300)


def test_octets_are_compared_whole():
    assert constant_time_equal(b"abc", b"abc")
    assert not constant_time_equal(b"abc", b"abd")
    assert not constant_time_equal(b"abc", b"abcd")
