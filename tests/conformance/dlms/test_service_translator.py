"""Every kind of APDU that we write, some thousands from fixed seeds, read by the translator of gurux-dlms 1.0.203.

The translator must name the service and give back the facts that went in: addresses, numbers, block data. Kinds that it
cannot read stand in `UNREAD`, each with what is wrong there; a test shows that it is so still.
"""

import re
from collections.abc import Callable
from random import Random

import pytest
from gurux_dlms import GXDLMSTranslator
from gurux_dlms.enums import TranslatorOutputType

from meterworks.protocols.dlms import (
    AccessKind,
    AccessRequest,
    AccessResponse,
    AccessSpecification,
    ActionOutcome,
    AttributeAddress,
    BitString,
    ConfirmedServiceError,
    DataAccessResult,
    DataNotification,
    DataNotificationConfirm,
    DataValue,
    EventNotification,
    ExceptionResponse,
    GeneralBlock,
    InformationReport,
    MethodAddress,
    ObisCode,
    Parameterised,
    ReadRequest,
    ReadResponse,
    Tag,
    UnconfirmedWriteRequest,
    Variable,
    WriteRequest,
    WriteResponse,
    decode_apdu,
    encode,
)
from meterworks.protocols.dlms.action import (
    ActionBlock,
    ActionFirstBlock,
    ActionNext,
    ActionRequest,
    ActionResponse,
    ActionResponseBlock,
    ActionResponseNext,
    ActionWithList,
    ActionWithListFirstBlock,
    ActionWithListResponse,
)
from meterworks.protocols.dlms.block import DataBlock
from meterworks.protocols.dlms.get import (
    GetNext,
    GetRequest,
    GetResponse,
    GetResponseBlock,
    GetWithList,
    GetWithListResponse,
)
from meterworks.protocols.dlms.set import (
    SetBlock,
    SetFirstBlock,
    SetRequest,
    SetResponse,
    SetResponseBlock,
    SetResponseLastBlock,
    SetWithList,
    SetWithListFirstBlock,
    SetWithListLastBlock,
    SetWithListResponse,
)
from meterworks.protocols.dlms.short_name import BlockAsked, BlockTaken, ReadBlock, ReadBlockResult

PER_KIND = 90
RESULTS = [0, 1, 2, 3, 4, 9, 11, 12, 13, 14, 15, 16, 17, 18, 19, 250]
CLASSES = [1, 3, 4, 5, 6, 7, 8, 9, 15, 17, 18, 20, 22, 40, 64, 70, 71, 111]  # it refuses those that it does not know
NUMBERS = {
    Tag.DOUBLE_LONG: (-(2**31), 2**31 - 1),
    Tag.DOUBLE_LONG_UNSIGNED: (0, 2**32 - 1),
    Tag.INTEGER: (-128, 127),
    Tag.UNSIGNED: (0, 255),
    Tag.LONG: (-(2**15), 2**15 - 1),
    Tag.LONG_UNSIGNED: (0, 2**16 - 1),
    Tag.LONG64: (-(2**63), 2**63 - 1),
    Tag.LONG64_UNSIGNED: (0, 2**64 - 1),
    Tag.ENUM: (0, 255),
}
TRANSLATOR = GXDLMSTranslator(TranslatorOutputType.SIMPLE_XML)


class Maker:
    """Makes parts of messages, and remembers the facts that the translator must give back, in hex."""

    def __init__(self, seed: str) -> None:
        self.random = Random(seed)
        self.facts: list[str] = []

    def note(self, number: int, digits: int) -> int:
        self.facts.append(f"{number:0{digits}X}")
        return number

    @property
    def invoke(self) -> int:
        return self.note(self.random.randrange(256) & 0xCF, 2)

    @property
    def number(self) -> int:
        return self.note(self.random.randrange(1, 2**32), 8)

    @property
    def short(self) -> int:
        return self.note(self.random.randrange(1, 2**16), 4)

    def octets(self, size_max: int = 30) -> bytes:
        octets = self.random.randbytes(self.random.randrange(1, size_max))
        self.facts.append(octets.hex().upper())
        return octets

    @property
    def block(self) -> DataBlock:
        return DataBlock(self.random.random() < 0.5, self.number, self.octets())

    @property
    def first_block(self) -> DataBlock:
        return DataBlock(False, 1, self.octets())  # the translator takes no other number first

    def _class(self) -> int:
        return self.note(self.random.choice(CLASSES), 4)

    def _name(self) -> ObisCode:
        name = ObisCode(self.random.randbytes(6))
        self.facts.append(name.hex().upper())
        return name

    @property
    def attribute(self) -> AttributeAddress:
        return AttributeAddress(self._class(), self._name(), self.note(self.random.randrange(1, 30), 2))

    @property
    def method(self) -> MethodAddress:
        return MethodAddress(self._class(), self._name(), self.note(self.random.randrange(1, 30), 2))

    @property
    def result(self) -> DataAccessResult:
        return DataAccessResult(self.random.choice(RESULTS))

    @property
    def failure(self) -> DataAccessResult:
        return DataAccessResult(self.random.choice(RESULTS[1:]))

    @property
    def value(self) -> bytes:
        return encode(self.typed(2))

    def typed(self, depth: int) -> DataValue:
        choice = self.random.randrange(12 if depth else 9)
        if choice < 4:
            tag = self.random.choice(list(NUMBERS))
            low, high = NUMBERS[tag]
            return DataValue(tag, self.random.choice([low, high, self.random.randint(low, high)]))
        if choice == 4:
            return DataValue(Tag.OCTET_STRING, self.random.randbytes(self.random.randrange(200)))
        if choice == 5:
            return DataValue(Tag.VISIBLE_STRING, "".join(self.random.choices("abcXYZ 019", k=9)))
        if choice == 6:
            return DataValue(Tag.BOOLEAN, self.random.random() < 0.5)
        if choice == 7:
            return DataValue(Tag.NULL)
        if choice == 8:
            bits = "".join(self.random.choices("01", k=self.random.randrange(1, 20)))
            return DataValue(Tag.BIT_STRING, BitString.from_text(bits))
        items = tuple(self.typed(depth - 1) for _ in range(self.random.randrange(1, 4)))
        return DataValue(Tag.STRUCTURE if choice < 11 else Tag.ARRAY, items[:1] if choice == 11 else items)

    def some(self, make: Callable[[], object], count_max: int = 4) -> tuple:  # type: ignore[type-arg]  # of any kind
        return tuple(make() for _ in range(self.random.randrange(1, count_max)))

    @property
    def selection(self) -> bytes | None:
        if self.random.random() < 0.6:
            return None
        return bytes((self.random.randrange(1, 3),)) + encode(DataValue(Tag.STRUCTURE, (self.typed(0), self.typed(0))))

    def access(self) -> AccessSpecification:
        kind = self.random.choice([AccessKind.GET, AccessKind.SET, AccessKind.ACTION])
        return AccessSpecification(kind, self.method if kind == AccessKind.ACTION else self.attribute)

    def variable(self) -> Variable | Parameterised:
        if self.random.random() < 0.6:
            return Variable(self.short)
        return Parameterised(self.short, self.note(self.random.randrange(1, 4), 2), self.value)


def outcome(m: Maker) -> ActionOutcome:
    choice = m.random.randrange(3)
    if choice == 0:
        return ActionOutcome(m.result)
    return ActionOutcome(m.result, m.value if choice == 1 else m.failure)


def access_request(m: Maker) -> AccessRequest:
    specifications = m.some(m.access)
    values = tuple(m.value for _ in specifications)
    return AccessRequest(long_invoke=m.number, specifications=specifications, values=values)


def access_response(m: Maker) -> AccessResponse:
    results = m.some(lambda: (m.random.randrange(1, 4), DataAccessResult.SUCCESS))
    return AccessResponse(long_invoke=m.number, values=tuple(m.value for _ in results), results=results)


def named(m: Maker, kind: type[WriteRequest | UnconfirmedWriteRequest]) -> WriteRequest | UnconfirmedWriteRequest:
    variables = m.some(lambda: Variable(m.short))
    return kind(variables, tuple(m.value for _ in variables))


def report(m: Maker) -> InformationReport:
    variables = m.some(lambda: Variable(m.short))
    return InformationReport(variables=variables, values=tuple(m.value for _ in variables))


def set_list(m: Maker) -> SetWithList:
    items = m.some(lambda: (m.attribute, None))
    return SetWithList(m.invoke, items, tuple(m.value for _ in items))


def action_list(m: Maker) -> ActionWithList:
    methods = m.some(lambda: m.method)
    return ActionWithList(m.invoke, methods, tuple(m.value for _ in methods))


KINDS: dict[str, tuple[str, Callable[[Maker], object]]] = {
    "get": ("GetRequest", lambda m: GetRequest(m.invoke, m.attribute, m.selection)),
    "get next": ("GetRequest", lambda m: GetNext(m.invoke, m.number)),
    "get list": ("GetRequest", lambda m: GetWithList(m.invoke, m.some(lambda: (m.attribute, m.selection)))),
    "get response": ("GetResponse", lambda m: GetResponse(m.invoke, m.value if m.random.random() < 0.7 else m.failure)),
    "get block": ("GetResponse", lambda m: GetResponseBlock(m.invoke, m.random.random() < 0.5, m.number, m.octets())),
    "get block failed": ("GetResponse", lambda m: GetResponseBlock(m.invoke, True, m.number, m.failure)),
    "get list response": ("GetResponse", lambda m: GetWithListResponse(m.invoke, m.some(lambda: m.value))),
    "set": ("SetRequest", lambda m: SetRequest(m.invoke, m.attribute, None, m.value)),
    "set first block": (
        "SetRequest",
        lambda m: SetFirstBlock(m.invoke, m.attribute, None, DataBlock(False, 1, m.octets())),
    ),
    "set block": ("SetRequest", lambda m: SetBlock(m.invoke, m.block)),
    "set list": ("SetRequest", set_list),
    "set response": ("SetResponse", lambda m: SetResponse(m.invoke, m.result)),
    "set response block": ("SetResponse", lambda m: SetResponseBlock(m.invoke, m.number)),
    "set response last": ("SetResponse", lambda m: SetResponseLastBlock(m.invoke, m.result, m.number)),
    "set list response": ("SetResponse", lambda m: SetWithListResponse(m.invoke, m.some(lambda: m.result))),
    "action": (
        "ActionRequest",
        lambda m: ActionRequest(m.invoke, m.method, m.value if m.random.random() < 0.7 else None),
    ),
    "action response": ("ActionResponse", lambda m: ActionResponse(m.invoke, outcome(m))),
    "action response next": ("ActionResponse", lambda m: ActionResponseNext(m.invoke, m.number)),
    "access": ("AccessRequest", access_request),
    "access response": ("AccessResponse", access_response),
    "read": ("ReadRequest", lambda m: ReadRequest(m.some(m.variable))),
    "read next": ("ReadRequest", lambda m: ReadRequest((BlockAsked(m.short),))),
    "read response": ("ReadResponse", lambda m: ReadResponse(m.some(lambda: m.value))),
    "read response failed": ("ReadResponse", lambda m: ReadResponse(m.some(lambda: m.failure))),
    "write": ("WriteRequest", lambda m: named(m, WriteRequest)),
    "write response": ("WriteResponse", lambda m: WriteResponse(m.some(lambda: m.result))),
    "information report": ("InformationReportRequest", report),
    "event": ("EventNotificationRequest", lambda m: EventNotification(address=m.attribute, value=m.value)),
    "push": ("DataNotification", lambda m: DataNotification(long_invoke=m.number, date_time=b"", body=m.value)),
    "service error": (
        "ConfirmedServiceError",
        lambda m: ConfirmedServiceError(m.random.choice([1, 5, 6]), 6, m.random.randrange(5)),
    ),
    "exception": ("ExceptionResponse", lambda m: ExceptionResponse(m.random.randrange(1, 3), m.random.randrange(1, 4))),
    "general block": (
        "GeneralBlockTransfer",
        lambda m: GeneralBlock(False, True, m.random.randrange(64), m.short, m.short, m.octets()),
    ),
}
# What is wrong in the translator, and who makes such messages.
UNREAD: dict[str, tuple[str, Callable[[Maker], object]]] = {
    "set list block": (
        "it takes the list for one descriptor",
        lambda m: SetWithListFirstBlock(m.invoke, m.some(lambda: (m.attribute, None)), m.block),
    ),
    "set list last": (
        "it joins None",
        lambda m: SetWithListLastBlock(m.invoke, m.some(lambda: m.result), m.number),
    ),
    "action next": ("it joins None", lambda m: ActionNext(m.invoke, m.number)),
    "action list": ("it reads one method and takes the next for the parameters", action_list),
    "action first block": ("it passes over all of it", lambda m: ActionFirstBlock(m.invoke, m.method, m.block)),
    "action list block": (
        "it takes the list for one method",
        lambda m: ActionWithListFirstBlock(m.invoke, m.some(lambda: m.method), m.block),
    ),
    "action block": ("it takes the block for a method", lambda m: ActionBlock(m.invoke, m.block)),
    "action response block": ("it joins None", lambda m: ActionResponseBlock(m.invoke, m.block)),
    "action response list": (
        "it does not know them",
        lambda m: ActionWithListResponse(m.invoke, m.some(lambda: outcome(m))),
    ),
    "read block": ("it passes over the octets", lambda m: ReadRequest((ReadBlock(False, m.short, m.octets()),))),
    "read response block": (
        "it calls what is not there",
        lambda m: ReadResponse((ReadBlockResult(True, m.short, m.octets()),)),
    ),
    "write block taken": ("it takes the choice for an error", lambda m: WriteResponse((BlockTaken(m.short),))),
    "selection with set": (
        "it takes the selector for the value",
        lambda m: SetRequest(m.invoke, m.attribute, b"\x01" + m.value, m.value),
    ),
    "unconfirmed write": ("it does not know it", lambda m: named(m, UnconfirmedWriteRequest)),
    "confirmation": ("it does not know it", lambda m: DataNotificationConfirm(long_invoke=m.number)),
    "counter error": ("it does not know it", lambda m: ExceptionResponse(1, 6, m.number)),
    "report with a time": (
        "it takes the flag of an optional member for the length",
        lambda m: InformationReport(variables=(Variable(m.short),), values=(m.value,), current_time=bytes(12)),
    ),
    "access failed": (
        "behind a result that is no success it expects another octet",
        lambda m: AccessResponse(long_invoke=m.number, values=(b"\x00",), results=((1, m.failure),)),
    ),
    "access described": (
        "it passes over the flag and takes the description for the data",
        lambda m: AccessResponse(
            long_invoke=m.number,
            values=(b"\x00",),
            results=((1, DataAccessResult.SUCCESS),),
            specifications=(m.access(),),
        ),
    ),
}


def lost(maker: Maker, message: object, root: str) -> list[str]:
    """Give the facts that the translator does not give back, or what it raised."""
    apdu = message.to_bytes()  # type: ignore[attr-defined]  # all messages have it
    try:
        xml = str(TRANSLATOR.pduToXml(bytearray(apdu)))
    except Exception as error:  # noqa: BLE001 - it raises whatever comes
        return [f"{type(error).__name__}: {error}"]
    if not xml.lstrip().startswith(f"<{root}") or xml.lstrip().startswith("<Data="):
        return [xml[:40]]
    given = re.sub(r"\s", "", xml).upper()
    return [fact for fact in maker.facts if fact not in given]


@pytest.mark.parametrize(("root", "make"), KINDS.values(), ids=KINDS)
def test_translator_reads_what_we_write(root: str, make: Callable[[Maker], object]) -> None:
    for index in range(PER_KIND):
        maker = Maker(f"{root} {index}")
        message = make(maker)
        assert not lost(maker, message, root), message


@pytest.mark.parametrize(("_wrong", "make"), UNREAD.values(), ids=UNREAD)
def test_translator_is_still_wrong_where_we_say_so(_wrong: str, make: Callable[[Maker], object]) -> None:
    makers = [Maker(f"unread {index}") for index in range(8)]
    messages = [make(maker) for maker in makers]
    assert any(lost(maker, message, "") for maker, message in zip(makers, messages, strict=True))
    assert all(decode_apdu(message.to_bytes()) == message for message in messages)  # type: ignore[attr-defined]  # all have it
