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
from meterworks.devices.overlay import OverlayKey
from meterworks.devices.view import MeterView
from meterworks.devices.watch import Watch, note_change
from meterworks.protocols.dlms import (
    ActionResult,
    DataAccessResult,
    Mechanism,
    ObisCode,
    PlainValue,
    decode_all,
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
    "HIDDEN", "Bindings", "BoundAttribute", "BoundObject", "Command", "Deed", "Derived", "DeviceModel", "Entry",
    "Hidden", "History", "Kept", "Place", "State", "bind", "command", "deed", "derived", "entry", "history", "kept",
    "setting", "state",
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


@dataclass(frozen=True, slots=True)
class Place:
    """Where a binding stands: an object and the number of its attribute or method."""

    obis_code: ObisCode
    interface_class: InterfaceClass
    number: int

    @property
    def key(self) -> OverlayKey:
        """Under what a meter keeps a value written here."""
        return (self.obis_code, self.number)


Judge = Callable[[MeterView, Place, PlainValue], DataAccessResult]


@dataclass(frozen=True, slots=True)
class Kept:
    """A value that the meter keeps once management wrote it; the model's own before that.

    Any value of the attribute's shape is taken that `judge` finds good.
    """

    default: bytes
    judge: Judge | None = None


@dataclass(frozen=True, slots=True)
class Derived:
    """A value computed by a function that is told where it stands; `read`: with selective access."""

    get: Callable[[MeterView, Place, int], bytes] | None = None
    read: Callable[[MeterView, Place, bytes | None], bytes | DataAccessResult] | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """A method run by a function that is told where it stands."""

    run: Callable[[MeterView, Place, PlainValue], ActionResult | tuple[ActionResult, bytes]]


class Hidden(Enum):
    """An attribute that exists and that nobody may read."""

    HIDDEN = "hidden"


HIDDEN: Final = Hidden.HIDDEN
Source = bytes | State | History | Command | Hidden | Kept | Derived | Deed


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


def kept(default: bytes, judge: Judge | None = None) -> Kept:
    """Bind an attribute to a value that the meter keeps once it was written."""
    return Kept(default, judge)


def derived(get: Callable[[MeterView, Place, int], bytes]) -> Derived:
    """Bind an attribute to a function of (meter, place, client SAP)."""
    return Derived(get)


def deed(run: Callable[[MeterView, Place, PlainValue], ActionResult | tuple[ActionResult, bytes]]) -> Deed:
    """Bind a method to a function of (meter, place, parameter)."""
    return Deed(run)


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
    keep: Callable[[MeterView, bytes], DataAccessResult] | None = None  # a write of encoded octets

    @property
    def writable(self) -> bool:
        """Whether management may write it."""
        return self.set is not None or self.keep is not None

    def value(self, view: MeterView, client_sap: int = 0) -> bytes | None:
        """Give the encoded value as the meter itself sees it; None where there is none, as of a buffer cut short."""
        if self.constant is not None:
            return self.constant
        if self.get is not None:
            return self.get(view, client_sap)
        whole = None if self.read is None else self.read(view, None)
        return whole if isinstance(whole, bytes) else None

    def write(self, view: MeterView, value: bytes) -> DataAccessResult:
        """Write encoded octets; whoever calls has checked the rights."""
        if not value or value[0] not in self.tags:
            return DataAccessResult.TYPE_UNMATCHED
        if self.keep is not None:
            return self.keep(view, value)
        if self.set is None:
            return DataAccessResult.READ_WRITE_DENIED
        return self.set(view, decode_all(value))

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

    def value(self, view: MeterView, number: int) -> bytes | None:
        """Give the encoded value of an attribute as the meter itself sees it, or None where there is none."""
        return self.attributes[number - 1].value(view) if 1 <= number <= len(self.attributes) else None


@dataclass(frozen=True)
class DeviceModel:
    """A kind of meter: its objects, bound and checked. Shared by all meters of the kind; nothing in it changes."""

    name: str
    phases: int
    entries: tuple[Entry, ...]
    bindings: Bindings
    objects: Mapping[bytes, BoundObject] = field(init=False, repr=False)
    object_lists: Mapping[int, bytes] = field(init=False, repr=False)  # client SAP -> attribute 2 of its association
    by_class: Mapping[int, tuple[BoundObject, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Resolve every name. Raises ModelError at the first row that does not hold."""
        missing = set(self.bindings.settings) - set(self.bindings.states)
        if missing:
            raise ModelError(f"settings without a state to read them: {sorted(missing)}")
        objects: dict[bytes, BoundObject] = {}
        for row in self.entries:
            bound = bind(row, self.bindings)
            if bound.obis_code in objects:
                raise ModelError(f"model {self.name}: object {row.obis_code} stands twice")
            objects[bound.obis_code] = bound
        object.__setattr__(self, "objects", objects)
        numbers = {bound.interface_class.class_id for bound in objects.values()}
        by_class = {
            number: tuple(bound for bound in objects.values() if bound.interface_class.class_id == number)
            for number in numbers
        }
        object.__setattr__(self, "by_class", by_class)
        lists = {client: _object_list(client, objects.values()) for client in CLIENTS}
        object.__setattr__(self, "object_lists", lists)


def bind(row: Entry, bindings: Bindings) -> BoundObject:
    """Make an object of a row: each name resolved, each constant checked. ModelError where something does not hold."""
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
        _bind_attribute(Place(code, interface_class, attribute.number), row.bindings[attribute.name], bindings, where)
        for attribute in interface_class.attributes[1:]
    ]
    executors: dict[int, Executor] = {}
    for method in interface_class.methods:
        source = row.bindings.get(method.name)
        if source is not None:
            executors[method.number] = _bind_method(
                Place(code, interface_class, method.number), source, bindings, where
            )
    return BoundObject(code, interface_class, row.audience, tuple(attributes), executors)


def _bind_attribute(place: Place, source: Source, bindings: Bindings, where: str) -> BoundAttribute:
    tags = place.interface_class.attributes[place.number - 1].tags
    if isinstance(source, bytes):
        return BoundAttribute(tags, constant=_checked(place, source, where))
    if isinstance(source, History):
        return BoundAttribute(tags, read=_resolve(bindings.histories, source.name, where))
    if isinstance(source, State):
        setter = _resolve(bindings.settings, source.name, where) if source.writable else None
        return BoundAttribute(tags, get=_resolve(bindings.states, source.name, where), set=setter)
    if source is HIDDEN:
        return BoundAttribute(tags)
    if isinstance(source, Kept):
        return _bind_kept(place, source, where)
    if isinstance(source, Derived):
        return _bind_derived(place, source)
    raise ModelError(f"{where}: a command is bound to an attribute")


def _checked(place: Place, constant: bytes, where: str) -> bytes:
    attribute = place.interface_class.attributes[place.number - 1]
    if not attribute.shape.takes(constant):
        raise ModelError(f"{where}: {attribute.name} takes {attribute.shape}, not {constant.hex()}")
    return constant


def _bind_kept(place: Place, source: Kept, where: str) -> BoundAttribute:
    attribute = place.interface_class.attributes[place.number - 1]
    default, key, judge = _checked(place, source.default, where), place.key, source.judge

    def get(view: MeterView, client_sap: int) -> bytes:
        del client_sap
        return view.written(key) or default

    def keep(view: MeterView, value: bytes) -> DataAccessResult:
        if not attribute.shape.takes(value):
            return DataAccessResult.TYPE_UNMATCHED
        if judge is not None:
            verdict = judge(view, place, decode_all(value))
            if verdict is not DataAccessResult.SUCCESS:
                return verdict
        view.write(key, value)
        if view.looked_s is None:
            note_change(view)  # what it sets in motion begins now, not when somebody looks next
        return DataAccessResult.SUCCESS

    return BoundAttribute(attribute.tags, get=get, keep=keep)


def _bind_derived(place: Place, source: Derived) -> BoundAttribute:
    tags = place.interface_class.attributes[place.number - 1].tags
    get, read = source.get, source.read
    if read is not None:
        return BoundAttribute(tags, read=lambda view, selection: read(view, place, selection))
    if get is None:
        raise ModelError(f"object {place.obis_code}: an attribute is derived from nothing")
    return BoundAttribute(tags, get=lambda view, client_sap: get(view, place, client_sap))


def _bind_method(place: Place, source: Source, bindings: Bindings, where: str) -> Executor:
    if isinstance(source, Command):
        return _resolve(bindings.commands, source.name, where)
    if isinstance(source, Deed):
        run = source.run
        return lambda view, parameter: run(view, place, parameter)
    raise ModelError(f"{where}: a method is bound to something that is not a command")


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
    return ACCESS_READ_WRITE if attribute.writable and Rights.WRITE in rights else ACCESS_READ


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
