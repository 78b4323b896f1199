"""Key versions: states that may follow one another, one key in force of each kind, counters that only grow."""

from datetime import UTC, datetime, timedelta

import pytest

from meterworks.registry import (
    STORE_KEY,
    DeviceId,
    KeyHand,
    KeyKind,
    KeyOrigin,
    KeyState,
    KeyStateError,
    NewKey,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
KINDS = (KeyKind.GUEK, KeyKind.GAK, KeyKind.KEK)


def fresh(letter):
    return {kind: NewKey(wrapped=f"{letter}-{kind}".encode()) for kind in KINDS}


def new_hand(letter="a", origin=KeyOrigin.TRANSPORT):
    return KeyHand(device_id=DeviceId(1)).prepared(fresh(letter), origin, STORE_KEY, NOW).put_in_force(KINDS, NOW)


def rotated(hand, letter, at=LATER):
    return hand.prepared(fresh(letter), KeyOrigin.GENERATED, STORE_KEY, at).put_in_force(KINDS, at)


def held(versions):
    return {str(kind): version.wrapped for kind, version in versions.items()}


def states(hand, kind=KeyKind.GUEK):
    return [str(each.state) for each in hand.versions if each.kind is kind]


def test_a_rotation_keeps_the_keys_before_until_the_next_one():
    first = new_hand()
    second = rotated(first, "b")
    assert held(second.active()) == {"guek": b"b-guek", "gak": b"b-gak", "kek": b"b-kek"}
    assert held(second.previous()) == {"guek": b"a-guek", "gak": b"a-gak", "kek": b"a-kek"}
    assert states(second) == ["replaced", "active"]
    third = rotated(second, "c")
    assert states(third) == ["destroyed", "replaced", "active"]
    assert held(third.previous()) == {"guek": b"b-guek", "gak": b"b-gak", "kek": b"b-kek"}
    assert [each.wrapped for each in third.versions if each.state is KeyState.DESTROYED] == [None] * 3


def test_a_pending_key_is_not_used_and_a_second_one_takes_its_place():
    hand = new_hand().prepared(fresh("b"), KeyOrigin.GENERATED, STORE_KEY, LATER)
    assert held(hand.usable()) == held(new_hand().usable())
    again = hand.prepared(fresh("c"), KeyOrigin.GENERATED, STORE_KEY, LATER)
    assert held(again.pending()) == {"guek": b"c-guek", "gak": b"c-gak", "kek": b"c-kek"}
    assert states(again) == ["active", "destroyed", "pre-active"]
    assert {each.version for each in again.pending().values()} == {3}
    assert states(again.abandoned(LATER)) == ["active", "destroyed", "destroyed"]


def test_a_key_of_another_kind_is_not_put_in_force_along():
    hand = new_hand().prepared(fresh("b"), KeyOrigin.GENERATED, STORE_KEY, LATER).put_in_force([KeyKind.GUEK], LATER)
    assert held(hand.active()) == {"guek": b"b-guek", "gak": b"a-gak", "kek": b"a-kek"}
    assert set(hand.pending()) == {KeyKind.GAK, KeyKind.KEK}


def test_a_device_that_went_back_takes_the_record_along():
    hand = rotated(new_hand(), "b").reinstated(LATER)
    assert held(hand.active()) == {"guek": b"a-guek", "gak": b"a-gak", "kek": b"a-kek"}
    assert held(hand.previous()) == {"guek": b"b-guek", "gak": b"b-gak", "kek": b"b-kek"}
    assert states(hand) == ["active", "replaced"]


def test_a_compromised_key_serves_until_it_is_replaced_and_never_comes_back():
    hand = new_hand().compromised(KINDS)
    assert states(hand) == ["compromised"]
    assert held(hand.usable()) == held(new_hand().usable())
    after = rotated(hand, "b")
    assert states(after) == ["compromised", "active"]
    with pytest.raises(KeyStateError, match="is compromised and cannot become active: rotate the key"):
        after.versions[0].moved(KeyState.ACTIVE)


def test_a_suspended_key_is_in_force_and_not_used():
    hand = new_hand().suspended(suspended=True)
    assert hand.usable() == {}
    assert set(hand.active()) == set(KINDS)
    assert hand.suspended(suspended=False) == new_hand()


@pytest.mark.parametrize(
    ("before", "after"),
    [("destroyed", "active"), ("destroyed", "pre-active"), ("replaced", "suspended"), ("active", "destroyed")],
)
def test_an_unlawful_change_of_state_is_refused(before, after):
    hand = rotated(rotated(new_hand(), "b"), "c")
    version = next(each for each in hand.versions if each.state is KeyState(before))
    with pytest.raises(KeyStateError):
        version.moved(KeyState(after))


def test_a_counter_only_grows_and_ends_at_the_last_one():
    version = new_hand().versions[0].with_counter(500)
    assert version.with_counter(20).counter == 500
    assert version.with_counter(2**40).counter == 2**32
    hand = new_hand()
    reserved = hand.reserved(hand.active()[KeyKind.GUEK], 64)
    assert reserved.active()[KeyKind.GUEK].counter == 64
    assert reserved.active()[KeyKind.GAK].counter == 0


def test_what_changed_is_told_and_no_key_is_shown():
    hand = new_hand()
    changed = rotated(hand, "b").changed_from(hand)
    assert [(str(each.kind), each.version) for each in changed] == [
        ("guek", 1), ("gak", 1), ("kek", 1), ("guek", 2), ("gak", 2), ("kek", 2),
    ]  # fmt: skip
    assert hand.changed_from(hand) == ()
    assert "a-guek" not in repr(hand)


def test_the_last_proof_of_a_key_is_remembered():
    hand = new_hand().verified([KeyKind.GUEK, KeyKind.GBEK], LATER)
    assert hand.active()[KeyKind.GUEK].verified_at == LATER
    assert hand.active()[KeyKind.GAK].verified_at == NOW
