"""Seeded defects of limits of clients."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.security.seeded import Defect

from meterworks.market import rate
from meterworks.market.rate import Allowance, ClientLimits

__all__ = ["DEFECTS"]

Plant = Callable[[pytest.MonkeyPatch], None]


def _replaced(owner: object, name: str, value: object) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(owner, name, value)

    return plant


def _wrapped(owner: type, name: str, wrap: Callable[..., Any]) -> Plant:
    """A method stands behind another that is handed it."""
    sound = getattr(owner, name)

    def defective(self: Any, *args: Any, **named: Any) -> Any:
        return wrap(sound, self, *args, **named)

    return _replaced(owner, name, defective)


def _without_row(sound: Any, self: ClientLimits, client: str) -> None:
    """Lets any number of rows go."""


def _free(sound: Any, self: Any, key: str, cost: float) -> Any:
    return sound(self, key, 0 if self.size == 100 and cost == 1 and self.level(key) < 50 else cost)


DEFECTS: tuple[Defect, ...] = (
    Defect(
        "half of the requests are free",
        "test_a_client_that_scrapes_is_stopped_and_told_when_to_go_on",
        _wrapped(rate._Buckets, "take", _free),
    ),
    Defect(
        "limits are kept to ourselves",
        "test_what_is_left_stands_in_the_headers",
        _replaced(Allowance, "headers", lambda self: []),
    ),
    Defect(
        "nobody hears of tried numbers",
        "test_trying_numbers_is_told_of_and_stopped_early",
        _wrapped(ClientLimits, "not_found", lambda sound, self, client: sound(self, client) and False),
    ),
    Defect(
        "rows are not counted",
        "test_an_hour_has_so_many_rows_for_a_client",
        _wrapped(ClientLimits, "check_rows", _without_row),
    ),
)
