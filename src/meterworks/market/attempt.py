"""How often somebody may try to log in, so that a guesser waits and nobody else does.

Attempts are counted by account and origin, and by origin. A browser that has logged in before carries a device cookie
(see the portal's session module): its attempts are counted by that cookie alone, so whoever hammers an account, even
from behind the same address, never makes its owner wait. Passkeys are not guessed, so they are counted by origin only
in what they cost.  Source: OWASP, device cookies.
"""

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from meterworks.market.errors import TooManyAttempts
from meterworks.market.limiter import AttemptLimiter

__all__ = ["ACCOUNT_BURST", "ACCOUNT_REGAIN_S", "Attempt", "Attempts", "origin_of"]

ACCOUNT_BURST = 5
ACCOUNT_REGAIN_S = 20.0  # the longest an owner without device cookie waits, once the guesser stops
ORIGIN_BURST = 30
ORIGIN_REGAIN_S = 2.0
_LOCKED_COUNT_MAX = 10_000


def origin_of(address: str) -> str:
    """Addresses that one guesser has many of count as one: this machine's own, and a network of IPv6."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv6Address):
        known = known.ipv4_mapped or known
    if known.is_loopback:
        return "loopback"
    if isinstance(known, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((known, 64), strict=False))
    return str(known)


class Attempt:
    """One attempt that was let through; telling that it succeeded gives it back."""

    def __init__(self, keys: list[tuple[AttemptLimiter, str]]) -> None:
        self._keys = keys

    def succeeded(self) -> None:
        """It was honest: it does not count."""
        for limiter, key in self._keys:
            limiter.give_back(key)


class Attempts:
    """Counts attempts to log in or to step up."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._by_account = AttemptLimiter(burst=ACCOUNT_BURST, regain_s=ACCOUNT_REGAIN_S, monotonic=monotonic)
        self._by_device = AttemptLimiter(burst=ACCOUNT_BURST, regain_s=ACCOUNT_REGAIN_S, monotonic=monotonic)
        self._by_origin = AttemptLimiter(burst=ORIGIN_BURST, regain_s=ORIGIN_REGAIN_S, monotonic=monotonic)
        self._locked: OrderedDict[str, None] = OrderedDict()

    def take(self, name: str, *, address: str, device: str | None = None) -> Attempt:
        """Begin an attempt. Raises TooManyAttempts; its fact `first` tells that waiting has just begun.

        name: empty where none was given, as with a passkey. device: of a device cookie that belongs to this account.
        """
        origin = origin_of(address)
        keys = [(self._by_account, f"{origin} {name}"), (self._by_origin, origin)]
        if device is not None:
            keys = [(self._by_device, f"{device} {name}")]
        elif not name:
            keys = keys[1:]
        for limiter, key in keys:
            if wait_s := limiter.take(key):
                first = key not in self._locked
                self._remember(key)
                raise TooManyAttempts(
                    f"too many attempts to log in; try again in {wait_s:.0f} s",
                    retry_after_s=int(wait_s) + 1,
                    first=first,
                )
            self._locked.pop(key, None)
        return Attempt(keys)

    def _remember(self, key: str) -> None:
        self._locked[key] = None
        while len(self._locked) > _LOCKED_COUNT_MAX:
            self._locked.popitem(last=False)
