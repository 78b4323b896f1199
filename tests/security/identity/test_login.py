"""Who gets in: guessers wait and owners do not, failures read the same, a password alone opens no enrolled account."""

import base64
import contextlib

import pyotp
import pytest
from tests.security.identity.conftest import PASSWORD, Arena

from meterworks.catalogue import Role
from meterworks.market import BadCredentials, NewUser, RequestMalformed, TooManyAttempts, account
from meterworks.market.attempt import Attempts
from meterworks.trust.factor import hash_recovery_code

ATTACK_S = 1000


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def let_through(attempts: Attempts, device: str | None = None) -> bool:
    try:
        attempts.take("ann", address="192.0.2.9", device=device)
    except TooManyAttempts:
        return False
    return True


@pytest.mark.requirement("SEC-023")
def test_guesses_at_an_account_are_slowed_down():
    clock = Clock()
    attempts = Attempts(monotonic=clock)
    passed = 0
    for clock.seconds in range(ATTACK_S):  # a guess a second
        passed += let_through(attempts)
    assert passed <= 5 + ATTACK_S / 20 + 1, "five at once, then one in twenty seconds"


@pytest.mark.requirement("SEC-023")
def test_the_owner_gets_in_while_a_guesser_behind_the_same_address_hammers():
    clock = Clock()
    attempts = Attempts(monotonic=clock)
    for _ in range(ATTACK_S):
        let_through(attempts)
    assert not let_through(attempts)
    assert let_through(attempts, device="a browser that logged in before")


@pytest.mark.requirement("SEC-023")
async def test_the_first_lock_is_told_at_once(arena: Arena):
    for _ in range(40):
        with contextlib.suppress(BadCredentials, TooManyAttempts):
            await arena.accounts.log_in("nobody", "wrong password", address="192.0.2.9")
    assert arena.audit.acts().count("login.locked") == 1


async def enrolled(arena: Arena, user_id: int = 1) -> pyotp.TOTP:
    """An authenticator of an account, confirmed a while ago."""
    offered = await arena.accounts.factors.offer_totp(user_id, "ann")
    otp = pyotp.TOTP(offered.secret)
    await arena.accounts.factors.confirm_totp(user_id, otp.at(arena.now()))
    arena.seconds += 60
    return otp


@pytest.mark.requirement("SEC-024")
async def test_every_failure_reads_and_costs_the_same(arena: Arena, monkeypatch: pytest.MonkeyPatch):
    await enrolled(arena)
    texts, hashed = set(), []
    matches = account.password_matches
    monkeypatch.setattr(account, "password_matches", lambda *given: hashed.append(given[0]) or matches(*given))
    for name, password, code in (
        ("nobody", PASSWORD, ""),
        ("bob", "wrong password", ""),
        ("dot", PASSWORD, ""),  # a closed account
        ("ann", PASSWORD, "000000"),
        ("ann", "wrong password", "000000"),
    ):
        with pytest.raises(BadCredentials) as caught:
            await arena.accounts.log_in(name, password, code=code, address="a")
        texts.add((caught.value.code, str(caught.value)))
    assert len(texts) == 1
    assert len(hashed) == 5, "the costly step is done once for each, also for a name that nobody has"


@pytest.mark.requirement("SEC-028")
async def test_an_enrolled_account_is_not_opened_by_its_password_alone(arena: Arena):
    otp = await enrolled(arena)
    with pytest.raises(BadCredentials):
        await arena.accounts.log_in("ann", PASSWORD, address="a")
    login = await arena.accounts.log_in("ann", PASSWORD, code=otp.at(arena.now()), address="a")
    assert login.factors == {"password", "totp"}


@pytest.mark.requirement("SEC-109")
async def test_a_code_is_taken_once(arena: Arena):
    otp = await enrolled(arena)
    code = otp.at(arena.now())
    assert await arena.accounts.factors.check_code(1, code) == "totp"
    assert await arena.accounts.factors.check_code(1, code) is None
    arena.seconds += 30
    assert await arena.accounts.factors.check_code(1, otp.at(arena.now())) == "totp"


@pytest.mark.requirement("SEC-109")
async def test_no_secret_of_a_person_is_stored_plain(arena: Arena):
    otp = await enrolled(arena)
    codes = await arena.accounts.factors.renew_recovery_codes(1)
    await arena.database.close()
    stored = b"".join(file.read_bytes() for file in arena.file.parent.glob("records.sqlite3*"))
    secret = base64.b32decode(otp.secret + "=" * (-len(otp.secret) % 8))
    assert hash_recovery_code(codes[0]).encode() in stored, "the search finds what is there"
    for plain in (PASSWORD.encode(), secret, otp.secret.encode(), secret.hex().encode(), *map(str.encode, codes)):
        assert plain not in stored


@pytest.mark.requirement("SEC-109")
@pytest.mark.parametrize("password", ["password123", "Summer2026!", "ann-ann-ann-1"])
def test_a_password_that_is_guessed_early_cannot_be_set(password: str):
    with pytest.raises(RequestMalformed):
        NewUser(name="ann", password=password, role=Role.OPERATOR)
