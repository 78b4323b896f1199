"""Schemas made of the member paths of use case tables, and plain names made of theirs."""

import pytest

from meterworks.companions.gb.result.schema import NOTHING_KNOWN, Field, Schema, fields_of, named, schema_of


class Row:
    """The part of a use case item that a schema is made of."""

    def __init__(self, member, kind="double-long-unsigned", size_max=None, presence=""):
        from meterworks.catalogue.gb import Presence

        self.member, self.type, self.size_max, self.presence = member, kind, size_max, Presence(presence)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("DailyReadLog(excExport)", "daily_read_log_exc_export"),
        ("(Phase[1])AverageRMSUnderVoltageCounter", "phase_1_average_rms_under_voltage_counter"),
        ("DeviceLog(CHF)", "device_log_chf"),
        ("TariffTOURegisterCollection", "tariff_tou_register_collection"),
        ("tariffTOUBlock1RegisterValues", "tariff_tou_block_1_register_values"),
        ("EventLog[1..100]", "event_log"),
        ("maxRSSI", "max_rssi"),
        ("last_communication_date-time", "last_communication_date_time"),
    ],
)
def test_names_are_plain(text, name):
    assert named(text) == name


def test_a_value_alone_is_a_leaf():
    assert schema_of([Row("value")]) == NOTHING_KNOWN
    assert schema_of([Row("value", "octet-string", 12)]) == Schema("date-time")
    assert schema_of([Row("value", "octet-string", 4)]) == NOTHING_KNOWN


def test_a_structure_has_its_fields_in_their_order():
    schema = schema_of([Row("scal_unit_type.scaler", "integer"), Row("scal_unit_type.unit", "enum")])
    assert [field.name for field in schema.fields] == ["scaler", "unit"]


def test_a_log_is_an_array_of_structures_with_arrays_inside():
    schema = schema_of(
        [Row("buffer[1..12].entry.timestamp"), Row("buffer[1..12].entry.values[1..48].value"),
         Row("buffer[1..12].entry.second", presence="twin")]
    )  # fmt: skip
    entry = schema.element
    assert entry is not None
    assert entry.fields == (
        Field("timestamp", Schema("seconds")),
        Field("values", Schema(element=NOTHING_KNOWN)),
        Field("second", NOTHING_KNOWN, is_optional=True),
    )


def test_structures_inside_structures():
    schema = schema_of([Row("charge.scaling.price_scale"), Row("charge.table[1..80].element.start_time")])
    scaling, table = schema.fields
    assert scaling.schema.fields[0].name == "price_scale"
    assert table.schema.element == Schema(fields=(Field("start_time", Schema("time")),))


def test_fields_fit_with_or_without_the_optional_ones():
    fields = (Field("a", NOTHING_KNOWN), Field("b", NOTHING_KNOWN, is_optional=True))
    schema = Schema(fields=fields)
    assert schema.names(2) == fields
    assert schema.names(1) == fields[:1]
    assert schema.names(3) == ()


def test_the_parts_of_an_alert_are_the_roots_of_its_members():
    fields = fields_of([Row("backup.time", "octet-string", 12), Row("backup.devices[0..16].device.mac_address"),
                        Row("level", "unsigned")])  # fmt: skip
    assert [field.name for field in fields] == ["backup", "level"]
    assert [field.name for field in fields[0].schema.fields] == ["time", "devices"]
