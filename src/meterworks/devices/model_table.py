"""Device models written as tables: one line an object, with where its values come from.

    0-0:1.0.0.255     *     everyone  meter                     as our own meters have it, class and all
    1-0:1.8.0.255     3.0   readers   register import_wh Wh     a live state, with its unit
    0-0:96.1.2.255    1.0   readers   data serial               a live state
    1-0:99.1.0.255    7.1   readers   profile idis_load_1       a history of ours
    0-0:40.0.0.255    15.1  everyone  association               an association of a version
    0-1:24.1.0.255    72.1  managers  kept                      values that are kept once they are written

Class and version are those the object list shows. A line of `kept` gives each attribute an empty value of its shape and
lets management write it: an object nobody emulates is there, holds together, and remembers.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from meterworks.devices.access import Audience
from meterworks.devices.association_object import ASSOCIATION_VERSIONS, association_entry
from meterworks.devices.companion_history import COMPANION_HISTORIES
from meterworks.devices.errors import ModelError
from meterworks.devices.history import HistoryTable, encode_capture_objects
from meterworks.devices.meter_model import METER_BINDINGS, METER_MODELS
from meterworks.devices.model import Bindings, DeviceModel, Entry, command, entry, history, kept, state
from meterworks.protocols.dlms import (
    CLOCK_OBJECT,
    BitString,
    CosemDate,
    CosemDateTime,
    CosemTime,
    DataValue,
    ObisCode,
    ScalerUnit,
    Tag,
    Unit,
    encode,
    encode_bit_string,
    encode_double_long_unsigned,
    encode_enum,
    encode_null,
    encode_octet_string,
    encode_structure,
)
from meterworks.protocols.dlms.cosem import InterfaceClass, Shape, interface_class
from meterworks.protocols.errors import EncodeError

__all__ = ["ModelRow", "build_model", "empty_value", "meter_entries", "read_rows"]

SORT_FIFO: Final = 1
ASSOCIATION_CLASS: Final = 15
OWN_CLASS: Final = "0.0"  # stands for the class that our own meters have
_UNITS: Final[Mapping[str, bytes]] = MappingProxyType(
    {
        "Wh": ScalerUnit(0, Unit.WATT_HOUR).to_bytes(), "varh": ScalerUnit(0, Unit.VAR_HOUR).to_bytes(),
        "W": ScalerUnit(0, Unit.WATT).to_bytes(), "mV": ScalerUnit(-3, Unit.VOLT).to_bytes(),
        "mA": ScalerUnit(-3, Unit.AMPERE).to_bytes(), "mHz": ScalerUnit(-3, Unit.HERTZ).to_bytes(),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One line of a table: the object, for whom it is, and its source with arguments."""

    obis_code: ObisCode
    class_id: int
    version: int
    audience: Audience
    source: tuple[str, ...]

    @property
    def interface_class(self) -> InterfaceClass:
        """The class of the object; a generic one where we have no row."""
        return interface_class(self.class_id, self.version)

    def __str__(self) -> str:
        """Give the line."""
        number = f"{self.class_id}.{self.version}" if self.class_id else "*"
        return f"{self.obis_code.text:<20} {number:<7} {self.audience.value:<9} {' '.join(self.source)}"


def read_rows(table: str) -> tuple[ModelRow, ...]:
    """Read the lines of a table; what follows `#` is a remark. ModelError at the first that is not written as above."""
    lines = (line.partition("#")[0].split() for line in table.splitlines())
    return tuple(_read_row(line) for line in lines if line)


def _read_row(parts: list[str]) -> ModelRow:
    try:
        code, number, audience, *source = parts
        class_id, _, version = (OWN_CLASS if number == "*" else number).partition(".")
        octets = ObisCode(code if code.count(".") == 2 else code.rpartition(".")[0] + "*" + code.rpartition(".")[2])
        row = ModelRow(octets, int(class_id), int(version), Audience(audience), tuple(source))
    except (ValueError, EncodeError) as error:
        raise ModelError(f"a line of a model is OBIS code, class.version, audience, source: {parts}") from error
    if not source or source[0] not in _SOURCES:
        raise ModelError(f"object {code}: no source is called {' '.join(source)!r}")
    return row


def build_model(name: str, table: str | Iterable[ModelRow], *, phases: int) -> DeviceModel:
    """Make a device model of a table. ModelError at the first line that does not hold."""
    rows = read_rows(table) if isinstance(table, str) else tuple(table)
    entries = tuple(_SOURCES[row.source[0]](row, phases) for row in rows)
    return DeviceModel(name=name, phases=phases, entries=entries, bindings=COMPANION_BINDINGS)


@lru_cache(maxsize=4)
def meter_entries(phases: int) -> Mapping[bytes, Entry]:
    """Give the entries of our own meter by name: what a line of `meter` takes over."""
    return MappingProxyType({ObisCode(row.obis_code): row for row in METER_MODELS[phases].entries})


def _meter(row: ModelRow, phases: int) -> Entry:
    own = meter_entries(phases).get(row.obis_code)
    if own is None:
        raise ModelError(f"object {row.obis_code}: our meters have none such")
    if row.class_id and (own.interface_class.class_id, own.interface_class.version) != (row.class_id, row.version):
        raise ModelError(f"object {row.obis_code}: our meters have it with {own.interface_class.name}")
    return replace(own, audience=row.audience)


def _register(row: ModelRow, phases: int) -> Entry:
    del phases
    match row.source:
        case (_, name, unit) if unit in _UNITS:
            return entry(
                str(row.obis_code), row.interface_class, row.audience, value=state(name), scaler_unit=_UNITS[unit]
            )
        case _:
            raise ModelError(f"object {row.obis_code}: a register has a state and a unit of {sorted(_UNITS)}")


def _data(row: ModelRow, phases: int) -> Entry:
    del phases
    if len(row.source) != 2:
        raise ModelError(f"object {row.obis_code}: data has a state")
    return entry(str(row.obis_code), row.interface_class, row.audience, value=state(row.source[1]))


def _profile(row: ModelRow, phases: int) -> Entry:
    del phases
    table = COMPANION_HISTORIES.get(row.source[1]) if len(row.source) == 2 else None
    if table is None or table.obis_code != row.obis_code:
        raise ModelError(f"object {row.obis_code}: no history of this name and code")
    return entry(
        str(row.obis_code), row.interface_class, row.audience, buffer=history(table.name),
        capture_objects=encode_capture_objects(table), capture_period=state(f"{table.name}_capture_period"),
        sort_method=encode_enum(SORT_FIFO), sort_object=CLOCK_OBJECT.to_bytes(),
        entries_in_use=state(f"{table.name}_entries_in_use"), profile_entries=state(f"{table.name}_profile_entries"),
        reset=command(f"{table.name}_reset"),
    )  # fmt: skip


def _association(row: ModelRow, phases: int) -> Entry:
    del phases
    if row.class_id != ASSOCIATION_CLASS or row.version not in ASSOCIATION_VERSIONS:
        raise ModelError(f"object {row.obis_code}: an association is of class 15, versions {ASSOCIATION_VERSIONS}")
    return association_entry(str(row.obis_code), row.audience, version=row.version)


def _kept(row: ModelRow, phases: int) -> Entry:
    del phases
    found = row.interface_class
    values = {attribute.name: kept(empty_value(attribute.shape)) for attribute in found.attributes[1:]}
    if "scaler_unit" in values:
        values["scaler_unit"] = kept(ScalerUnit(0, Unit.NONE).to_bytes())
    return entry(str(row.obis_code), found, row.audience, **values)


_SOURCES: Final[Mapping[str, Callable[[ModelRow, int], Entry]]] = MappingProxyType(
    {
        "meter": _meter,
        "register": _register,
        "data": _data,
        "profile": _profile,
        "kept": _kept,
        "association": _association,
    }
)


# --- empty values ----------------------------------------------------------------------------------------------------

_EMPTY_TEXT: Final[Mapping[str, bytes]] = MappingProxyType(
    {
        "any": encode_null(), "num": encode_double_long_unsigned(0), "ln": encode_octet_string(bytes(6)),
        "dt": encode_octet_string(CosemDateTime().to_bytes()), "date": encode_octet_string(CosemDate().to_bytes()),
        "time": encode_octet_string(CosemTime().to_bytes()), "bits": encode_bit_string(BitString.from_text("")),
    }
)  # fmt: skip
_EMPTY_TAG: Final[Mapping[int, object]] = MappingProxyType(
    {Tag.NULL: None, Tag.ARRAY: (), Tag.STRUCTURE: (), Tag.BOOLEAN: False, Tag.OCTET_STRING: b"",
     Tag.VISIBLE_STRING: "", Tag.UTF8_STRING: "", Tag.FLOAT32: 0.0, Tag.FLOAT64: 0.0}
)  # fmt: skip


def empty_value(shape: Shape) -> bytes:
    """Give the smallest value of a shape: empty lists and strings, zeros, dates of wildcards, no data for anything."""
    if shape.choices:
        return empty_value(shape.choices[0])
    if shape.text in _EMPTY_TEXT:
        return _EMPTY_TEXT[shape.text]
    if shape.members:
        return encode_structure(*(empty_value(member) for _, member in shape.members))
    tag = Tag(min(shape.tags))
    return encode(DataValue(tag, _EMPTY_TAG.get(tag, 0)))


# --- bindings --------------------------------------------------------------------------------------------------------


def _profile_states(table: HistoryTable) -> dict[str, Callable[..., bytes]]:
    return {
        f"{table.name}_capture_period": lambda view, client_sap: encode_double_long_unsigned(table.period_s(view)),
        f"{table.name}_entries_in_use": lambda view, client_sap: encode_double_long_unsigned(
            table.entries_in_use(view)
        ),
        f"{table.name}_profile_entries": lambda view, client_sap: encode_double_long_unsigned(
            table.profile_entries(view)
        ),
    }


_STATES: Final = {
    name: getter for table in COMPANION_HISTORIES.values() for name, getter in _profile_states(table).items()
}
COMPANION_BINDINGS: Final[Bindings] = replace(
    METER_BINDINGS,
    states={**METER_BINDINGS.states, **_STATES},
    histories={**METER_BINDINGS.histories, **{name: table.read for name, table in COMPANION_HISTORIES.items()}},
    commands={
        **METER_BINDINGS.commands,
        **{f"{name}_reset": table.reset for name, table in COMPANION_HISTORIES.items()},
    },
)
