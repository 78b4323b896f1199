"""Seeded defects of limits of clients."""

from typing import Any

from tests.security.seeded import Defect, replaced, wrapped

from meterworks.market import rate
from meterworks.market.rate import Allowance, ClientLimits

__all__ = ["DEFECTS"]


def _without_row(sound: Any, self: ClientLimits, client: str) -> None:
    """Lets any number of rows go."""


def _free(sound: Any, self: Any, key: str, cost: float) -> Any:
    return sound(self, key, 0 if self.size == 100 and cost == 1 and self.level(key) < 50 else cost)


DEFECTS: tuple[Defect, ...] = (
    Defect(
        "half of the requests are free",
        "test_a_client_that_scrapes_is_stopped_and_told_when_to_go_on",
        wrapped(rate._Buckets, "take", _free),
    ),
    Defect(
        "limits are kept to ourselves",
        "test_what_is_left_stands_in_the_headers",
        replaced(Allowance, "headers", lambda self: []),
    ),
    Defect(
        "nobody hears of tried numbers",
        "test_trying_numbers_is_told_of_and_stopped_early",
        wrapped(ClientLimits, "not_found", lambda sound, self, client: sound(self, client) and False),
    ),
    Defect(
        "rows are not counted",
        "test_an_hour_has_so_many_rows_for_a_client",
        wrapped(ClientLimits, "check_rows", _without_row),
    ),
)
