"""Guessing passwords from many addresses that are one guesser's."""

from collections.abc import Callable

import pytest
from tests.integration.market.small_neighbourhood import PASSWORD, SmallNeighbourhood

from meterworks.market import Accounts, BadCredentials, TooManyAttempts

BURST = 5


@pytest.fixture
def accounts(neighbourhood: SmallNeighbourhood) -> Accounts:
    return Accounts(neighbourhood.database, monotonic=lambda: 0.0)


@pytest.mark.parametrize(
    "address",
    ["127.{}.0.1".format, "2001:db8::{}".format, "::ffff:127.0.0.{}".format],
    ids=["loopback", "ipv6-network", "mapped"],
)
async def test_addresses_that_anyone_has_many_of_count_as_one(
    accounts: Accounts, address: Callable[[int], str]
) -> None:
    for number in range(1, BURST + 1):
        with pytest.raises(BadCredentials):
            await accounts.verify("olivia", "wrong password", address=address(number))
    with pytest.raises(TooManyAttempts):
        await accounts.verify("olivia", PASSWORD, address=address(BURST + 1))


async def test_another_network_is_another_origin(accounts: Accounts) -> None:
    for number in range(BURST):
        with pytest.raises(BadCredentials):
            await accounts.verify("olivia", "wrong password", address=f"2001:db8::{number}")
    assert (await accounts.verify("olivia", PASSWORD, address="2001:db8:0:1::1")).name == "olivia"
    assert (await accounts.verify("olivia", PASSWORD, address="unknown")).name == "olivia"
