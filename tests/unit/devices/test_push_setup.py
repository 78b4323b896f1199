"""Push set-ups of all versions: what clients write is what is sent, when, and how hard it is tried."""

from datetime import UTC, datetime

import pytest
from tests.unit.devices.conftest import INSTALLED, NOW, TITLE, Hand
from tests.unit.devices.plain_load import PlainLoad, import_wh
from tests.unit.devices.test_push_message import opened

from meterworks.devices import DeviceModel, ElectricityMeter, FleetState, MeterSpecification, MeterView
from meterworks.devices.meter_model import MANAGEMENT_PART, METER_BINDINGS, METROLOGY_PART
from meterworks.devices.push_message import PUSH_APDU_SIZE_MAX, confirms, make_push
from meterworks.devices.push_object import PUSH_SETUPS
from meterworks.devices.push_setup import (
    OperationMethod,
    operation_method,
    push_columns,
    push_entry,
    retry_plan,
    spread_s,
    wait_for_window,
)
from meterworks.protocols.dlms import (
    ANY,
    ANY_YEAR,
    ActionResult,
    ApduCipher,
    AttributeAddress,
    BlockReceiver,
    CipherForm,
    CosemDateTime,
    DataAccessResult,
    DataNotificationConfirm,
    GeneralBlock,
    GrowingCounter,
    MethodAddress,
    ObisCode,
    Protection,
    SecurityContext,
    WrapperReader,
    decode_all,
    encode_array,
    encode_boolean,
    encode_double_long_unsigned,
    encode_enum,
    encode_integer,
    encode_long_unsigned,
    encode_null,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)

OK, OTHER, UNMATCHED, UNDEFINED = (
    DataAccessResult.SUCCESS,
    DataAccessResult.OTHER_REASON,
    DataAccessResult.TYPE_UNMATCHED,
    DataAccessResult.OBJECT_UNDEFINED,
)
SETUP = "0.0.25.9.0.255"
LOAD = "1.0.99.1.0.255"
HEAD_END = b"MWHES001"


class VersionBench:
    """A meter whose push set-ups are of one version of the class."""

    def __init__(self, version):
        rows = [row for row in MANAGEMENT_PART + METROLOGY_PART if row.interface_class.class_id != 40]
        model = DeviceModel(
            name="with push set-ups", phases=1, bindings=METER_BINDINGS,
            entries=(*rows, *(push_entry(instance, version) for instance in PUSH_SETUPS)),
        )  # fmt: skip
        self.hand, self.pushed, self.forgotten = Hand(), [], []
        specification = MeterSpecification(
            system_title=TITLE, serial="MW1", guek=bytes(range(16)), gak=bytes(range(16, 32)), time_zone="Europe/Paris"
        )
        self.view = MeterView(
            0, specification, PlainLoad(INSTALLED), FleetState(None, [TITLE]), epoch_s=self.hand,
            object_lists=model.object_lists, push=lambda *asked: self.pushed.append(asked),
        )  # fmt: skip
        self.view.forget_push = lambda *asked: self.forgotten.append(asked)
        self.view.start_clock()
        self.meter = ElectricityMeter(model, self.view)

    def read(self, attribute, obis_code=SETUP, class_id=40):
        encoded = self.meter.get(1, AttributeAddress(class_id, ObisCode(obis_code), attribute), None)
        assert isinstance(encoded, bytes), encoded
        return decode_all(encoded)

    def write(self, attribute, value):
        return self.meter.set(1, AttributeAddress(40, ObisCode(SETUP), attribute), value)

    def act(self, method):
        return self.meter.action(1, MethodAddress(40, ObisCode(SETUP), method), encode_integer(0))[0]


@pytest.fixture(params=[0, 1, 2])
def any_version(request):
    return VersionBench(request.param)


@pytest.fixture
def newest():
    return VersionBench(2)


def row(class_id, obis_code, attribute=2, data_index=0, *more):
    return encode_structure(
        encode_long_unsigned(class_id), encode_octet_string(ObisCode(obis_code)), encode_integer(attribute),
        encode_long_unsigned(data_index), *more,
    )  # fmt: skip


def by_time(first, last):
    moments = (CosemDateTime.from_datetime(datetime.fromtimestamp(at, UTC)).to_bytes() for at in (first, last))
    return encode_structure(encode_enum(1), encode_structure(*map(encode_octet_string, moments)))


def by_entry(first, last):
    return encode_structure(
        encode_enum(2), encode_structure(encode_double_long_unsigned(first), encode_double_long_unsigned(last))
    )


NOTHING = encode_structure(encode_enum(0), encode_null())
ALL = encode_array([])
OWN_NAME = row(40, SETUP, 1)


def body(bench):
    return decode_all(opened(bench, 0)[1].body)


# --- what is pushed --------------------------------------------------------------------------------------------------


def test_every_version_pushes_the_same_out_of_the_factory(any_version):
    assert [column.address.obis_code for column in push_columns(any_version.view, 0)] == [
        column.obis_code for column in PUSH_SETUPS[0].objects
    ]
    assert [row[1] for row in any_version.read(2)] == [column.obis_code for column in PUSH_SETUPS[0].objects]
    assert any_version.act(1) == ActionResult.SUCCESS
    assert any_version.pushed == [(0, 0)]
    assert body(any_version)[0] == PUSH_SETUPS[0].obis_code


def test_a_written_list_is_what_is_pushed():
    bench = VersionBench(0)
    listed = encode_array([row(40, SETUP, 2), row(1, "0.0.96.1.0.255"), row(3, "1.0.1.8.0.255")])
    assert bench.write(2, listed) == OK
    pushed = body(bench)
    assert pushed[0] == decode_all(listed)
    assert pushed[1:] == (b"MW1", bench.read(2, "1.0.1.8.0.255", 3))


def test_so_many_newest_entries_of_a_profile():
    bench = VersionBench(0)
    assert bench.write(2, encode_array([OWN_NAME, row(7, LOAD, 2, 3)])) == OK
    last = int(NOW) // 1800
    assert [entry[2] for entry in body(bench)[1]] == [import_wh(last - back) for back in (3, 2, 1)]


@pytest.mark.parametrize("version", [1, 2])
def test_a_range_of_time_of_a_profile(version):
    bench = VersionBench(version)
    end = int(NOW) // 1800 * 1800
    more = (by_time(end - 3600, end), *([ALL] if version == 2 else []))
    first = row(40, SETUP, 1, 0, NOTHING, *([ALL] if version == 2 else []))
    assert bench.write(2, encode_array([first, row(7, LOAD, 2, 0, *more)])) == OK
    assert [entry[2] for entry in body(bench)[1]] == [import_wh(end // 1800 - back) for back in (3, 2, 1)]


def test_a_range_of_entries_and_chosen_columns(newest):
    first, last = row(40, SETUP, 1, 0, NOTHING, ALL), row(7, LOAD, 2, 0, by_entry(1, 2), ALL)
    assert newest.write(2, encode_array([first, last])) == OK
    assert len(body(newest)[1]) == 2
    _, name, attribute, data_index = newest.read(3, LOAD, 7)[2]
    columns = encode_array([row(3, str(ObisCode(name)), attribute, data_index)])
    end = int(NOW) // 1800 * 1800
    chosen = encode_array([first, row(7, LOAD, 2, 0, by_time(end - 3600, end), columns)])
    assert newest.write(2, chosen) == OK
    assert body(newest)[1] == [(import_wh(end // 1800 - back),) for back in (3, 2, 1)]
    everything = encode_array([first, row(7, LOAD, 2, 0, NOTHING, columns)])
    assert newest.write(2, everything) == OK
    assert make_push(newest.meter, 0).octets[8:9] == b"\xe0"  # thirteen months of one column: general blocks


@pytest.mark.parametrize(
    ("rows", "result"),
    [
        ([], OTHER),
        ([OWN_NAME] * 65, OTHER),
        ([row(3, "1.0.99.99.0.255")], UNDEFINED),
        ([row(1, "1.0.1.8.0.255")], UNDEFINED),
        ([row(3, "1.0.1.8.0.255", 9)], UNDEFINED),
        ([row(3, "1.0.1.8.0.255", -1)], UNDEFINED),
        ([encode_structure()], UNMATCHED),
        ([encode_boolean(True)], UNMATCHED),
    ],
    ids=["none", "too-many", "no-object", "other-class", "no-attribute", "minus", "no-row", "no-structure"],
)
def test_a_list_that_cannot_be_pushed_is_refused(rows, result):
    bench = VersionBench(0)
    before = bench.read(2)
    assert bench.write(2, encode_array(rows)) == result
    assert bench.read(2) == before


def test_a_long_push_goes_out_in_blocks_that_join_again():
    bench = VersionBench(0)
    assert bench.write(2, encode_array([OWN_NAME, row(7, LOAD, 2, 2000)])) == OK
    reader, receiver = WrapperReader(), BlockReceiver()
    reader.feed(make_push(bench.meter, 0).octets)
    joined, blocks = None, 0
    while (frame := reader.next_frame()) is not None:
        assert len(frame[2]) <= PUSH_APDU_SIZE_MAX
        joined = receiver.receive(GeneralBlock.from_bytes(frame[2]))
        blocks += 1
    assert blocks > 2
    assert joined is not None
    assert joined[:2] == b"\xdb\x08"
    assert len(joined) > 8000


# --- when ------------------------------------------------------------------------------------------------------------


def daily(hour, minute=0):
    return CosemDateTime(year=ANY_YEAR, month=ANY, day=ANY, weekday=ANY, hour=hour, minute=minute, second=0)


def window(starts, ends):
    return encode_structure(encode_octet_string(starts.to_bytes()), encode_octet_string(ends.to_bytes()))


def exact(epoch_s):
    return CosemDateTime.from_datetime(datetime.fromtimestamp(epoch_s, UTC))


@pytest.mark.parametrize(
    ("starts", "ends", "wait_s"),
    [
        (daily(11), daily(12), 0),  # 11:07:12 in Paris
        (daily(12), daily(13), 52 * 60 + 48),
        (daily(9), daily(10), 22 * 3600 - 7 * 60 - 12),
        (daily(23), daily(6), 12 * 3600 - 7 * 60 - 12),
        (daily(23), daily(12), 0),  # since last night
        (exact(NOW - 60), exact(NOW + 60), 0),
        (exact(NOW + 90), exact(NOW + 100), 90),
    ],
    ids=["inside", "soon", "tomorrow", "tonight", "across-midnight", "exact-inside", "exact-later"],
)
def test_a_push_waits_for_its_window(any_version, starts, ends, wait_s):
    assert wait_for_window(any_version.view, 0) == 0
    assert any_version.write(4, encode_array([window(starts, ends)])) == OK
    assert wait_for_window(any_version.view, 0) == pytest.approx(wait_s, abs=1)


def test_of_several_windows_the_next_counts_and_one_that_is_over_never_comes(any_version):
    over = window(exact(NOW - 900), exact(NOW - 600))
    assert any_version.write(4, encode_array([over])) == OK
    assert wait_for_window(any_version.view, 0) > 300 * 86_400
    assert any_version.write(4, encode_array([over, window(daily(13), daily(14)), window(daily(12), daily(13))])) == OK
    assert wait_for_window(any_version.view, 0) == pytest.approx(52 * 60 + 48, abs=1)


def test_too_many_windows_are_refused(any_version):
    assert any_version.write(4, encode_array([window(daily(1), daily(2))] * 17)) == OTHER


def test_what_a_client_wrote_spreads_every_push(any_version):
    assert spread_s(any_version.view, 0) == 0
    assert any_version.write(5, encode_long_unsigned(120)) == OK
    assert (any_version.read(5), spread_s(any_version.view, 0)) == (120, 120)


# --- how hard --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, 1])
def test_retries_and_delay_are_what_was_written(version):
    bench = VersionBench(version)
    assert (retry_plan(bench.view, 0).retries_max, retry_plan(bench.view, 0).delay_s) == (3, 10)
    assert bench.write(6, encode_unsigned(7)) == OK
    assert bench.write(7, encode_long_unsigned(30)) == OK
    plan = retry_plan(bench.view, 0)
    assert (plan.retries_max, [plan.delay_before(attempt) for attempt in (0, 1, 5)]) == (7, [30, 30, 30])


def test_the_newest_version_says_how_the_delay_grows(newest):
    value = encode_structure(encode_long_unsigned(5), encode_long_unsigned(150), encode_long_unsigned(20))
    assert newest.write(7, value) == OK
    plan = retry_plan(newest.view, 0)
    assert [plan.delay_before(attempt) for attempt in range(5)] == [5, 7.5, 11.25, 16.875, 20]


@pytest.mark.parametrize("method", OperationMethod)
def test_what_counts_as_sent(newest, method):
    assert operation_method(newest.view, 0) is OperationMethod.CARRIED
    assert newest.write(11, encode_enum(method)) == OK
    assert operation_method(newest.view, 0) is method
    assert make_push(newest.meter, 0).wants_confirmation == (method is OperationMethod.CONFIRMED)


def test_an_unknown_method_or_a_protection_of_ones_own_is_refused(newest):
    assert newest.write(11, encode_enum(3)) == OTHER
    protection = encode_structure(encode_enum(0), encode_structure())
    assert newest.write(10, encode_array([protection])) in (OTHER, UNMATCHED)
    assert newest.write(10, encode_array([])) == OK


def test_reset_drops_what_waits(newest):
    assert newest.act(2) == ActionResult.SUCCESS
    assert newest.forgotten == [(0, 0)]
    newest.view.forget_push = None
    assert newest.act(2) == ActionResult.SUCCESS


# --- confirmation ----------------------------------------------------------------------------------------------------


def confirmation(
    long_invoke,
    counter=1,
    key=bytes(range(16)),
    protection=Protection.BOTH,
    *,
    gak=bytes(range(16, 32)),
    title=HEAD_END,
):  # fmt: skip
    """What a receiver says that has the meter's keys."""
    context = SecurityContext(
        own_title=title, peer_title=TITLE, cipher=ApduCipher(key, gak),
        next_counter=lambda: counter, peer_counter=GrowingCounter(),
    )  # fmt: skip
    return context.protect(
        DataNotificationConfirm(long_invoke=long_invoke).to_bytes(), CipherForm.GENERAL_GLO, protection
    )


@pytest.fixture
def awaited(newest):
    assert newest.write(11, encode_enum(OperationMethod.CONFIRMED)) == OK
    return newest, make_push(newest.meter, 0)


def test_a_protected_confirmation_of_this_push_counts_once(awaited):
    bench, message = awaited
    answer = confirmation(message.long_invoke)
    assert confirms(bench.meter, message, answer)
    assert not confirms(bench.meter, message, answer)
    assert confirms(bench.meter, message, confirmation(message.long_invoke, counter=2))


def test_what_is_no_confirmation_of_this_push_does_not_count(awaited):
    bench, message = awaited
    plain = DataNotificationConfirm(long_invoke=message.long_invoke).to_bytes()
    tampered = bytearray(confirmation(message.long_invoke))
    tampered[-1] ^= 1
    answers = [
        plain, b"", bytes(tampered), confirmation(message.long_invoke + 1),
        confirmation(message.long_invoke, counter=5, key=bytes(16)),
        confirmation(message.long_invoke, counter=6, protection=Protection.ENCRYPTED),
    ]  # fmt: skip
    assert [confirms(bench.meter, message, answer) for answer in answers] == [False] * 6
