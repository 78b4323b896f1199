"""A device model learnt from what a real meter shows: its object list, read live or from a dump, as a table to keep.

Each object of the list becomes a line of a model table (see `model_table`): as our own meter has it, where class and
version are ours; with a live state, where we know what the register counts; else kept, so that it is there and holds
what is written. The table can be pasted into the source, or served at once.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from meterworks.devices.access import Audience
from meterworks.devices.association_object import ASSOCIATION_VERSIONS
from meterworks.devices.errors import ModelError
from meterworks.devices.model import DeviceModel
from meterworks.devices.model_table import ModelRow, build_model, meter_entries
from meterworks.protocols.dlms import ObisCode
from meterworks.protocols.dlms.cosem import ObjectListEntry, describe

__all__ = ["ModelProposal", "propose_model"]

PHASES_MANY: Final = 3
REGISTER_CLASS: Final = 3
SHORT_NAME_CLASS: Final = 12
NAMED_CLASS: Final = 15
PROFILE_CLASS: Final = 7
PUBLIC_OBJECTS: Final = frozenset({(0, 0, 42, 0, 0, 255), (0, 0, 41, 0, 0, 255), (0, 0, 43, 1, 0, 255), (0, 0, 1, 0, 0, 255)})  # fmt: skip # noqa: E501
MANAGED_CLASSES: Final = frozenset({9, 10, 18, 19, 20, 22, 23, 40, 41, 42, 44, 45, 64, 72, 74})
#: What a register of electricity counts, by C and D of its code, as a live state of our meters and its unit.
_STATES: Final = {
    (1, 8): "import_wh Wh", (2, 8): "export_wh Wh", (3, 8): "import_varh varh", (4, 8): "export_varh varh",
    (1, 7): "import_power W", (2, 7): "export_power W", (14, 7): "frequency mHz", (32, 7): "voltage_l1 mV",
    (52, 7): "voltage_l2 mV", (72, 7): "voltage_l3 mV", (31, 7): "current_l1 mA", (51, 7): "current_l2 mA",
    (71, 7): "current_l3 mA",
}  # fmt: skip
_RATES: Final = {
    (1, 8, 1): "import_rate_1_wh Wh", (1, 8, 2): "import_rate_2_wh Wh", (2, 8, 1): "export_rate_1_wh Wh",
    (2, 8, 2): "export_rate_2_wh Wh",
}  # fmt: skip
_PHASE_QUANTITIES: Final = frozenset({41, 51, 52, 61, 71, 72})  # C that only a meter of three phases has


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProposal:
    """A proposed model: its rows, and what we could not take over."""

    name: str
    phases: int
    rows: tuple[ModelRow, ...]
    generic: tuple[ObjectListEntry, ...]  # of a class or version we have no row for
    left_out: tuple[ObjectListEntry, ...]  # listed twice, or answered by the association itself

    @property
    def text(self) -> str:
        """The table, with each object's name as a remark; `read_rows` reads it."""
        head = f"# {self.name}: {len(self.rows)} objects, {self.phases} phase{'s' if self.phases > 1 else ''}\n"
        return head + "".join(f"{row!s:<72} # {describe(row.obis_code)}\n" for row in self.rows)

    @property
    def sources(self) -> Counter[str]:
        """How many objects are live as our meters have them, registers with a live state, or only kept."""
        return Counter(row.source[0] for row in self.rows)

    def build(self) -> DeviceModel:
        """Make the model, ready to be served. ModelError where a row does not hold."""
        return build_model(self.name, self.rows, phases=self.phases)


def propose_model(entries: Iterable[ObjectListEntry], *, name: str = "learnt meter") -> ModelProposal:
    """Propose a model for a meter with this object list. ModelError for a list without any object."""
    listed = tuple(entries)
    if not listed:
        raise ModelError("an empty object list proposes no model")
    many = any(entry.obis_code[0] == 1 and entry.obis_code[2] in _PHASE_QUANTITIES for entry in listed)
    phases = PHASES_MANY if many else 1
    rows: dict[bytes, ModelRow] = {}
    left_out = []
    for entry in listed:
        if entry.obis_code in rows or entry.class_id == SHORT_NAME_CLASS:
            left_out.append(entry)
        else:
            rows[entry.obis_code] = _row(entry, phases)
    if not any(row.class_id in (0, NAMED_CLASS) and row.obis_code[2] == 40 for row in rows.values()):
        rows |= {code: _own(code) for code in _own_associations(phases)}
    return ModelProposal(
        name=name, phases=phases, rows=tuple(rows.values()),
        generic=tuple(entry for entry in listed if entry.interface_class.generic), left_out=tuple(left_out),
    )  # fmt: skip


def _own_associations(phases: int) -> list[ObisCode]:
    """Give our own association objects: a meter addressed by short names has none, and a client needs them."""
    own = meter_entries(phases)
    return [ObisCode(code) for code, row in own.items() if row.interface_class.class_id == NAMED_CLASS]


def _own(code: ObisCode) -> ModelRow:
    return ModelRow(code, 0, 0, Audience.EVERYONE, ("meter",))


def _row(entry: ObjectListEntry, phases: int) -> ModelRow:
    own = meter_entries(phases).get(entry.obis_code)
    audience = _audience(entry)
    if own is not None and own.interface_class.class_id == entry.class_id:
        same = own.interface_class.version == entry.version
        if same:
            return ModelRow(entry.obis_code, entry.class_id, entry.version, own.audience, ("meter",))
        if entry.class_id == NAMED_CLASS:
            version = max(entry.version, ASSOCIATION_VERSIONS[0])
            return ModelRow(entry.obis_code, NAMED_CLASS, version, own.audience, ("association",))
    state = _state_of(entry, phases)
    source = ("kept",) if state is None else ("register", *state.split())
    return ModelRow(entry.obis_code, entry.class_id, entry.version, audience, source)


def _state_of(entry: ObjectListEntry, phases: int) -> str | None:
    medium, _, quantity, processing, tariff, period = entry.obis_code
    if (entry.class_id, medium, period) != (REGISTER_CLASS, 1, 255):
        return None
    if phases == 1 and quantity in _PHASE_QUANTITIES:
        return None
    return _RATES.get((quantity, processing, tariff)) if tariff else _STATES.get((quantity, processing))


def _audience(entry: ObjectListEntry) -> Audience:
    if tuple(entry.obis_code) in PUBLIC_OBJECTS:
        return Audience.EVERYONE
    return Audience.MANAGERS if entry.class_id in MANAGED_CLASSES else Audience.READERS
