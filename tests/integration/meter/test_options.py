"""The options of the connection: keys, counters, protection, gateways, targets, and what they do on the link."""

import json

import pytest
from tests.integration.meter.conftest import GAK, GUEK, TITLE, Served, command

from meterworks.cli.meter_option import _asked, asks_meter
from meterworks.links import Transport
from meterworks.protocols.dlms import Ciphering, GatewayFraming, Mechanism, Protection, Tolerance
from meterworks.system import ConfigurationError
from meterworks.system.meter.recording import load_recording
from meterworks.system.meter.replay import frame_kind


def asked(**options):
    defaults = {
        "client": 16, "server": 1, "keys": None, "mechanism": None, "protection": None, "ciphering": "service",
        "dedicated": False, "system_title": None, "counter": None, "counter_file": None,
        "general_block_transfer": False, "tolerant": False, "unverified": False, "gateway": None, "cache": None,
        "no_cache": False, "short_names": False, "trace": None, "timeout_s": 10.0, "target": "127.0.0.1",
    }  # fmt: skip
    return _asked(**(defaults | options))


@pytest.mark.parametrize(
    ("name", "mechanism"),
    [*((str(int(each)), each) for each in Mechanism), ("none", Mechanism.NONE), ("GMAC", Mechanism.GMAC),
     ("ecdsa", Mechanism.ECDSA), ("sha256", Mechanism.SHA256), ("manufacturer", Mechanism.MANUFACTURER)],
)  # fmt: skip
def test_mechanisms_are_named_by_number_or_name(name, mechanism):
    assert asked(mechanism=name).access.mechanism == mechanism


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"protection": "authenticated"}, "protection", Protection.AUTHENTICATED),
        ({"protection": "both"}, "protection", Protection.BOTH),
        ({"ciphering": "general-ciphering"}, "ciphering", Ciphering.GENERAL_CIPHERING),
        ({"ciphering": "signed"}, "ciphering", Ciphering.SIGNED),
        ({"client": 3}, "client", 3),
        ({"server": 17}, "server", 17),
        ({"counter": 9}, "counter", 9),
        ({"dedicated": True}, "dedicated", True),
        ({"general_block_transfer": True}, "general_block_transfer", True),
        ({"system_title": "4142430000000001"}, "system_title", b"ABC\0\0\0\0\1"),
        ({"timeout_s": 3.0}, "timeout_s", 3.0),
        ({}, "mechanism", None),
    ],
)
def test_options_say_how_a_meter_is_asked(options, field, value):
    assert getattr(asked(**options).access, field) == value


def test_tolerances_are_asked_for_by_name():
    assert asked().access.tolerance == Tolerance.RELEASE | Tolerance.TAGGED_DATE_TIME
    assert Tolerance.OLD_ALGORITHM_ID in asked(tolerant=True).access.tolerance
    assert Tolerance.UNVERIFIED not in asked(tolerant=True).access.tolerance
    assert Tolerance.UNVERIFIED in asked(unverified=True).access.tolerance


@pytest.mark.parametrize(
    ("target", "transport"),
    [
        ("meter.example", Transport.TCP),
        ("udp://10.0.0.1", Transport.UDP),
        ("hdlc+tcp://10.0.0.1:4001?physical=17&address_size=4", Transport.TCP),
        ("serial:///dev/ttyUSB0?mode_e=1", Transport.SERIAL),
    ],
)
def test_targets_of_every_kind_are_taken(target, transport):
    access = asked(target=target).access
    assert access.target.transport is transport
    assert str(access.target) == target if "://" in target else "meter.example"


def test_a_gateway_is_put_around_any_framing():
    framing = asked(target="hdlc+tcp://10.0.0.1", gateway="3:0a0b").access.target.framing
    assert isinstance(framing, GatewayFraming)
    assert (framing.network_id, framing.physical_address) == (3, b"\x0a\x0b")


@pytest.mark.parametrize(
    "options",
    [
        {"gateway": "3"},
        {"gateway": "3:"},
        {"gateway": "x:0a"},
        {"gateway": "3:zz"},
        {"mechanism": "8"},
        {"protection": "most"},
        {"ciphering": "rot13"},
        {"system_title": "00"},
    ],
)
def test_options_that_are_none_are_told(options):
    with pytest.raises(ConfigurationError) as caught:
        asked(**options)
    assert str(next(iter(options.values()))) in str(caught.value) or "8 octets" in str(caught.value)


@pytest.mark.parametrize("target", ["ftp://x", "tcp://", "hdlc+tcp://x?frob=1", "serial://", "x:y"])
def test_targets_that_are_none_are_misuse(target):
    told = command("meter", "read", target, "clock")
    assert told.exit_code == 2
    assert target in told.errors


def test_where_object_lists_are_kept(tmp_path):
    assert asked(cache=tmp_path).cache == tmp_path
    assert asked(cache=tmp_path, no_cache=True).cache is None
    default = asked().cache
    assert default is not None
    assert default.parts[-2:] == ("meterworks", "meters")


def test_a_command_keeps_its_own_arguments_between_target_and_options():
    @asks_meter
    def verb(asked, what: str, force: bool = False) -> None:
        """A verb."""

    names = list(verb.__signature__.parameters)
    assert names[:3] == ["target", "what", "force"]
    assert "asked" not in names
    assert verb.__doc__ == "A verb."


# --- over the link --------------------------------------------------------------------------------------------------


def kinds(path):
    return [frame_kind(message.octets) for message in load_recording(path).messages]


@pytest.fixture
def traced(meter, tmp_path):
    """Reads the clock with options and gives the kinds of frames that went over the link."""

    def run(*options):
        path = tmp_path / "session.pcap"
        told = meter("read", "8/0.0.1.0.0.255/2", *options, "--trace", path)
        assert told.exit_code == 0, told.errors
        return kinds(path)

    return run


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (["--counter", 10_000], "glo GET request"),
        (["--counter", 20_000, "--dedicated"], "ded GET request"),
        (["--counter", 30_000, "--ciphering", "general"], "general glo"),
        (["--counter", 40_000, "--ciphering", "general", "--dedicated"], "general ded"),
        (["--counter", 50_000, "--ciphering", "general-ciphering"], "general ciphering"),
    ],
)
def test_apdus_are_ciphered_as_asked(traced, options, kind):
    assert kind in traced(*options)


def test_a_counter_file_keeps_counters_between_runs(meter, tmp_path):
    path = tmp_path / "counters.json"
    stored = []
    for _ in range(3):
        assert meter("read", "8/0.0.1.0.0.255/2", "--counter-file", path).exit_code == 0
        (counter,) = json.loads(path.read_text()).values()
        stored.append(counter)
    assert stored == sorted(set(stored))


def test_a_counter_that_the_meter_finds_too_low_is_raised_once(tmp_path):
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"guek": GUEK.hex(), "gak": GAK.hex()}))
    with Served() as meter:
        words = ("read", f"127.0.0.1:{meter.port}", "8/0.0.1.0.0.255/2", "--client", 2, "--keys", keys, "--no-cache")
        assert command("meter", *words, "--counter", 500).exit_code == 0
        assert command("meter", *words, "--counter", 3).exit_code == 0
        assert meter.fleet.state.highest_accepted_counter(0) > 500


def test_the_public_client_needs_no_keys_though_they_are_given(meter, keys_file):
    assert meter("read", "clock", "--keys", keys_file, client=16).exit_code == 0


def test_a_client_that_calls_itself_by_the_meters_title_is_refused(meter):
    told = meter("read", "clock", "--system-title", TITLE.hex())
    assert told.exit_code != 0
    assert told.errors


def test_no_secret_is_ever_printed(meter, keys_file):
    for words in (["read", "clock", "--json"], ["objects", "--json"], ["read", "9.9.9"], ["read", "--mechanism", "9"]):
        told = meter(*words)
        for secret in (GUEK, GAK):
            assert secret.hex() not in told.output + told.errors
