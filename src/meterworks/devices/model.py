"""Device models: declarative lists of COSEM objects, each attribute bound to a constant or to metering state by name.

A model is a table. Names in it (`state("import_wh")`, `history("load_import")`, `command("disconnect")`) are resolved
against `Bindings` when the model is made; a name that resolves to nothing, an attribute nobody bound, or an object that
stands twice is a ModelError at import, not an answer to a client.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeVar

from meterworks.devices.access import CLIENTS, Audience, Rights, rights_of
from meterworks.devices.errors import ModelError
from meterworks.devices.view import MeterView
from meterworks.devices.watch import Watch
from meterworks.protocols.dlms import (
    ActionResult,
    DataAccessResult,
    Mechanism,
    ObisCode,
    PlainValue,
    encode_array,
    encode_enum,
    encode_integer,
    encode_long_unsigned,
    encode_null,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import InterfaceClass, TypeTags

__all__ = [
    "HIDDEN", "Bindings", "BoundAttribute", "BoundObject", "Command", "DeviceModel", "Entry", "Hidden", "History",
    "State", "command", "entry", "history", "setting", "state",
]  # fmt: skip

Getter = Callable[[MeterView, int], bytes]  # (meter, client SAP) -> A-XDR value
Setter = Callable[[MeterView, PlainValue], DataAccessResult]
Reader = Callable[[MeterView, bytes | None], bytes | DataAccessResult]  # (meter, selection) -> A-XDR array
Executor = Callable[[MeterView, PlainValue], ActionResult | tuple[ActionResult, bytes]]  # with an encoded return value
_Bound = TypeVar("_Bound")

ACCESS_NONE: Final = 0
ACCESS_READ: Final = 1
ACCESS_READ_WRITE: Final = 3
RANGE_AND_ENTRY: Final = (1, 2)  # selectors of a profile's buffer


@dataclass(frozen=True, slots=True)
class State:
    """A value computed when it is asked for; `writable`: management may set it."""

    name: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """A buffer computed from the load when it is asked for, with selective access."""

    name: str


@dataclass(frozen=True, slots=True)
class Command:
    """A method that does something."""

    name: str


class Hidden(Enum):
    """An attribute that exists and that nobody may read."""

    HIDDEN = "hidden"


HIDDEN: Final = Hidden.HIDDEN
Source = bytes | State | History | Command | Hidden


def state(name: str) -> State:
    """Bind an attribute to a state that is only read."""
    return State(name)


def setting(name: str) -> State:
    """Bind an attribute to a state that management may set."""
    return State(name, writable=True)


def history(name: str) -> History:
    """Bind the buffer of a profile to a history."""
    return History(name)


def command(name: str) -> Command:
    """Bind a method."""
    return Command(name)


@dataclass(frozen=True, slots=True)
class Entry:
    """One object of a model: its name, class, audience, and what its attributes and methods are bound to by name."""

    obis_code: str
    interface_class: InterfaceClass
    audience: Audience
    bindings: Mapping[str, Source]


def entry(
    obis_code: str, interface_class: InterfaceClass, audience: Audience = Audience.READERS,
    **bindings: Source,
) -> Entry:  # fmt: skip
    """Write one row of a model; keywords are the class's attribute and method names, bytes are encoded constants."""
    return Entry(obis_code, interface_class, audience, bindings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """What names in a model may mean."""

    states: Mapping[str, Getter]
    settings: Mapping[str, Setter]  # each of them is a state too
    histories: Mapping[str, Reader]
    commands: Mapping[str, Executor]
    watches: tuple[Watch, ...] = ()  # what the meter does by itself; at one instant in this order


@dataclass(frozen=True, slots=True)
class BoundAttribute:
    """An attribute ready to be served: by a constant, by `get` or by `read`; with none of them it is hidden."""

    tags: TypeTags
    constant: bytes | None = None
    get: Getter | None = None
    read: Reader | None = None
    set: Setter | None = None

    @property
    def hidden(self) -> bool:
        """Whether nobody may read it."""
        return self.constant is None and self.get is None and self.read is None


@dataclass(frozen=True, slots=True)
class BoundObject:
    """An object ready to be served. Attribute and method numbers count from 1; unbound methods are absent."""

    obis_code: ObisCode
    interface_class: InterfaceClass
    audience: Audience
    attributes: tuple[BoundAttribute, ...]
    methods: Mapping[int, Executor]


@dataclass(frozen=True)
class DeviceModel:
    """A kind of meter: its objects, bound and checked. Shared by all meters of the kind; nothing in it changes."""

    name: str
    phases: int
    entries: tuple[Entry, ...]
    bindings: Bindings
    objects: Mapping[bytes, BoundObject] = field(init=False, repr=False)
    object_lists: Mapping[int, bytes] = field(init=False, repr=False)  # client SAP -> attribute 2 of its association

    def __post_init__(self) -> None:
        """Resolve every name. Raises ModelError at the first row that does not hold."""
        missing = set(self.bindings.settings) - set(self.bindings.states)
        if missing:
            raise ModelError(f"settings without a state to read them: {sorted(missing)}")
        objects: dict[bytes, BoundObject] = {}
        for row in self.entries:
            bound = _bind(row, self.bindings)
            if bound.obis_code in objects:
                raise ModelError(f"model {self.name}: object {row.obis_code} stands twice")
            objects[bound.obis_code] = bound
        object.__setattr__(self, "objects", objects)
        lists = {client: _object_list(client, objects.values()) for client in CLIENTS}
        object.__setattr__(self, "object_lists", lists)


def _bind(row: Entry, bindings: Bindings) -> BoundObject:
    code = ObisCode(row.obis_code)
    interface_class = row.interface_class
    names = {attribute.name for attribute in interface_class.attributes[1:]}
    methods = {method.name for method in interface_class.methods}
    where = f"object {row.obis_code} ({interface_class.name})"
    unknown = set(row.bindings) - names - methods
    if unknown:
        raise ModelError(f"{where}: the class has no attribute or method {sorted(unknown)}")
    unbound = names - set(row.bindings)
    if unbound:
        raise ModelError(f"{where}: nothing is bound to {sorted(unbound)}")
    attributes = [BoundAttribute(interface_class.attributes[0].tags, constant=encode_octet_string(code))]
    attributes += [
        _bind_attribute(attribute.tags, row.bindings[attribute.name], bindings, where)
        for attribute in interface_class.attributes[1:]
    ]
    executors: dict[int, Executor] = {}
    for method in interface_class.methods:
        source = row.bindings.get(method.name)
        if source is not None:
            executors[method.number] = _bind_method(source, bindings, where)
    return BoundObject(code, interface_class, row.audience, tuple(attributes), executors)


def _bind_attribute(tags: TypeTags, source: Source, bindings: Bindings, where: str) -> BoundAttribute:
    if isinstance(source, bytes):
        if source[0] not in tags:
            raise ModelError(f"{where}: a constant has type {source[0]}, its attribute takes {sorted(tags)}")
        return BoundAttribute(tags, constant=source)
    if isinstance(source, History):
        return BoundAttribute(tags, read=_resolve(bindings.histories, source.name, where))
    if isinstance(source, State):
        setter = _resolve(bindings.settings, source.name, where) if source.writable else None
        return BoundAttribute(tags, get=_resolve(bindings.states, source.name, where), set=setter)
    if source is HIDDEN:
        return BoundAttribute(tags)
    raise ModelError(f"{where}: a command is bound to an attribute")


def _bind_method(source: Source, bindings: Bindings, where: str) -> Executor:
    if not isinstance(source, Command):
        raise ModelError(f"{where}: a method is bound to something that is not a command")
    return _resolve(bindings.commands, source.name, where)


def _resolve(table: Mapping[str, _Bound], name: str, where: str) -> _Bound:
    try:
        return table[name]
    except KeyError as error:
        raise ModelError(f"{where}: nothing is called {name!r}") from error


def _object_list(client_sap: int, objects: Iterable[BoundObject]) -> bytes:
    """Encode what one client sees of the model, with its access rights.  Source: class 15 version 1, attribute 2."""
    rows = []
    for bound in objects:
        rights = rights_of(client_sap, bound.audience)
        if rights:
            rows.append(
                encode_structure(
                    encode_long_unsigned(bound.interface_class.class_id),
                    encode_unsigned(bound.interface_class.version),
                    encode_octet_string(bound.obis_code),
                    encode_structure(_attribute_rights(bound, rights), _method_rights(client_sap, bound, rights)),
                )
            )
    return encode_array(rows)


def _attribute_rights(bound: BoundObject, rights: Rights) -> bytes:
    rows = []
    for number, attribute in enumerate(bound.attributes, 1):
        selectors = encode_array(map(encode_integer, RANGE_AND_ENTRY)) if attribute.read else encode_null()
        mode = encode_enum(_attribute_mode(attribute, rights))
        rows.append(encode_structure(encode_integer(number), mode, selectors))
    return encode_array(rows)


def _attribute_mode(attribute: BoundAttribute, rights: Rights) -> int:
    if attribute.hidden:
        return ACCESS_NONE
    return ACCESS_READ_WRITE if attribute.set is not None and Rights.WRITE in rights else ACCESS_READ


def _method_rights(client_sap: int, bound: BoundObject, rights: Rights) -> bytes:
    proves_itself = CLIENTS[client_sap].mechanism is not Mechanism.NONE
    return encode_array(
        encode_structure(
            encode_integer(method.number),
            encode_enum(
                int(
                    (method.by_association and proves_itself)
                    or (method.number in bound.methods and Rights.EXECUTE in rights)
                )
            ),
        )
        for method in bound.interface_class.methods
    )
