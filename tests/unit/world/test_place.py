"""Places and addresses of meters."""

import pytest

from meterworks.errors import UsageError
from meterworks.world.address import ADDRESSES_MAX, meter_address
from meterworks.world.place import place_of

HOMES = 2_000


def test_places_are_the_same_for_ever():
    assert place_of(3, 77) == place_of(3, 77)


def test_every_home_has_an_address_of_its_own():
    assert len({place_of(3, index).address for index in range(HOMES)}) == HOMES


def test_transformers_serve_50_to_100_homes_and_feeders_several():
    places = [place_of(3, index) for index in range(HOMES)]
    homes = {name: sum(place.transformer == name for place in places) for name in {p.transformer for p in places}}
    assert sorted(homes.values())[1:] == [75] * (len(homes) - 1)
    feeder_of = {(place.transformer, place.feeder) for place in places}
    assert len(feeder_of) == len(homes)
    assert len({feeder for _, feeder in feeder_of}) == -(-len(homes) // 4)


def test_a_street_has_one_postcode():
    assert len({place_of(3, index).postcode for index in range(25)}) == 1


@pytest.mark.parametrize(
    ("index", "address"),
    [(0, "127.16.0.1:4059"), (253, "127.16.0.254:4059"), (254, "127.16.1.1:4059"), (9_999, "127.16.39.94:4059")],
)
def test_each_meter_has_a_loopback_address(index: int, address: str):
    assert meter_address(index, port=4059, single_address=False) == address


def test_where_addresses_are_shared_ports_differ():
    assert meter_address(3, port=20_000, single_address=True) == "127.0.0.1:20003"


@pytest.mark.parametrize(("index", "single"), [(ADDRESSES_MAX, False), (50_000, True)])
def test_too_many_meters_are_refused(index: int, single: bool):
    with pytest.raises(UsageError):
        meter_address(index, port=20_000, single_address=single)
