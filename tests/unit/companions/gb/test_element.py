"""Trees of requests: paths, and what is missing or stands too often."""

import pytest

from meterworks.companions.errors import RequestError
from meterworks.companions.gb import Element, RequestId

BODY = Element(
    "UpdateTariff",
    children=(
        Element("Seasons", children=(Element("Season", "winter"), Element("Season", "summer"))),
        Element("Price", "12"),
        Element("Seasons", children=(Element("Season", "none"),)),
    ),
)


def test_a_path_finds_every_element_in_the_order_of_the_request():
    assert [season.text for season in BODY.all("Seasons/Season")] == ["winter", "summer", "none"]
    assert BODY.all("Season") == ()
    assert BODY.one("Price").text == "12"
    assert BODY.find("Price/Amount") is None


def test_what_is_missing_or_stands_too_often_is_named():
    with pytest.raises(RequestError, match="UpdateTariff/Cost"):
        BODY.one("Cost")
    with pytest.raises(RequestError, match="3 times") as refused:
        BODY.find("Seasons/Season")
    assert refused.value.facts == {"path": "Seasons/Season"}


def test_an_identifier_is_written_as_duis_writes_it():
    identifier = RequestId(bytes(range(8)), bytes.fromhex("00db1234567890a0"), 7)
    assert str(identifier) == "00-01-02-03-04-05-06-07:00-DB-12-34-56-78-90-A0:7"
