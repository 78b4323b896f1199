"""Servers that break one rule each, made of a lawful one: requests or answers are changed on their way, or its device.

A breakage says who meets it and which tests of the suite must notice.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from tests.integration.dlms.example_device import ExampleDevice
from tests.unit.assess.conformance.bench import CREDENTIALS, Served, emulated_meter, server_of

from meterworks.assess.conformance.hdlc_wire import frame_check
from meterworks.assess.conformance.protection import make_proof
from meterworks.assess.conformance.request import octet_string
from meterworks.protocols.dlms import (
    WRAPPER,
    ActionResult,
    AssociationRequest,
    AssociationResponse,
    AssociationSettings,
    AttributeAddress,
    Conformance,
    DataAccessResult,
    MethodAddress,
    ObisCode,
    ServerConnection,
    encode_array,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.dlms.hdlc import HDLC

__all__ = ["BREAKAGES", "LINE_BREAKAGES", "Breakage", "GeneralBlocks", "WrongDevice", "broken"]

OnRequest = Callable[["Broken", bytes], bytes | None]
OnAnswer = Callable[["Broken", bytes, bytes], bytes | None]
CANNED = bytes.fromhex("09060000280000ff")


@dataclass(frozen=True, kw_only=True)
class Breakage:
    """A broken rule. ids: the tests that must fail. device: the lawful or unlawful device behind it."""

    name: str
    ids: str
    who: str = "public"
    device: Callable[[], Any] = emulated_meter
    on_request: OnRequest | None = None
    on_answer: OnAnswer | None = None
    wrap: Callable[[Served], Served] | None = None

    @property
    def over_hdlc(self) -> bool:
        """Whether it is about an HDLC line: its tests are those of the data link from number 21 on."""
        return all("LINK-21" <= name <= "LINK-99" for name in self.ids.split())


class Broken:
    """A connection whose requests and answers pass through the hooks of a breakage. memory: what a hook keeps."""

    def __init__(self, inner: ServerConnection, breakage: Breakage) -> None:
        self.inner = inner
        self.breakage = breakage
        self.buffer = b""
        self.memory: dict[str, Any] = {}
        self.has_more = False

    @property
    def closed(self) -> bool:
        return self.inner.closed

    def receive(self, data: bytes) -> bytes:
        self.buffer += data
        answers = b""
        while len(self.buffer) >= 8 and len(self.buffer) >= (end := 8 + int.from_bytes(self.buffer[6:8], "big")):
            frame, self.buffer = self.buffer[:end], self.buffer[end:]
            answers += self.answer(frame[:6], frame[8:])
        return answers

    def answer(self, head: bytes, apdu: bytes) -> bytes:
        hook = self.breakage.on_request
        changed = apdu if hook is None else hook(self, apdu)
        if changed is None:
            return b""
        octets = self.inner.receive(head + len(changed).to_bytes(2, "big") + changed)
        while self.inner.has_more:
            octets += self.inner.receive(b"")
        return self.pass_on(head, apdu, octets)

    def pass_on(self, head: bytes, request: bytes, octets: bytes) -> bytes:
        """Change the answer; where there is none, the hook may still make one."""
        hook = self.breakage.on_answer
        if hook is None:
            return octets
        answer = hook(self, request, octets[8:])
        if answer is None or (not answer and not octets):
            return b""
        back = octets[:6] or head[:2] + head[4:6] + head[2:4]
        return back + len(answer).to_bytes(2, "big") + answer


def broken(breakage: Breakage) -> Served:
    """Give connections to the broken server."""
    lawful = server_of(breakage.device(), HDLC if breakage.over_hdlc else WRAPPER)
    if breakage.wrap is not None:
        return breakage.wrap(lawful)
    return lambda: cast(ServerConnection, Broken(lawful(), breakage))


# --- requests made lawful before the server sees them ----------------------------------------------------------------


def swapped(old: str, new: str) -> OnRequest:
    """The server takes one sequence of octets for another."""
    return lambda _broken, apdu: apdu.replace(bytes.fromhex(old), bytes.fromhex(new))


def any_context(_broken: Broken, apdu: bytes) -> bytes:
    return apdu[:12] + b"\x01" + apdu[13:] if apdu[:1] == b"\x60" and apdu[2:4] == b"\xa1\x09" else apdu


def any_mechanism(_broken: Broken, apdu: bytes) -> bytes:
    if apdu[:1] != b"\x60" or b"\x8b\x07" not in apdu:
        return apdu
    request = AssociationRequest.from_bytes(apdu)
    return AssociationRequest(context=request.context, user_information=request.user_information).to_bytes()


def any_password(_broken: Broken, apdu: bytes) -> bytes:
    place = apdu.find(b"\xac\x0a\x80\x08")
    return apdu[: place + 4] + b"12345678" + apdu[place + 12 :] if place > 0 else apdu


def any_pdu_size(_broken: Broken, apdu: bytes) -> bytes:
    return apdu[:-2] + b"\x04\x00" if apdu[:1] == b"\x60" and apdu[-2:] == b"\x00\x0b" else apdu


def trailing_cut(_broken: Broken, apdu: bytes) -> bytes:
    return apdu[:13] if apdu[:2] == b"\xc0\x01" and apdu[12:13] == b"\x00" else apdu


def any_block(broken: Broken, apdu: bytes) -> bytes:
    """The server gives the next block whatever number is asked for."""
    if apdu[:2] == b"\xc0\x01":
        broken.memory["number"] = 0
    if apdu[:2] != b"\xc0\x02":
        return apdu
    broken.memory["number"] = broken.memory.get("number", 0) + 1
    return apdu[:3] + int(broken.memory["number"]).to_bytes(4, "big")


def any_set_block(broken: Broken, apdu: bytes) -> bytes:
    if apdu[:2] == b"\xc1\x02":
        broken.memory["block"] = 1
    if apdu[:2] != b"\xc1\x03":
        return apdu
    broken.memory["block"] = broken.memory.get("block", 0) + 1
    return apdu[:4] + int(broken.memory["block"]).to_bytes(4, "big") + apdu[8:]


def any_action_block(broken: Broken, apdu: bytes) -> bytes:
    if apdu[:2] == b"\xc3\x04":
        broken.memory["block"] = 1
    if apdu[:2] != b"\xc3\x06":
        return apdu
    broken.memory["block"] = broken.memory.get("block", 0) + 1
    return apdu[:4] + int(broken.memory["block"]).to_bytes(4, "big") + apdu[8:]


def any_invoke(broken: Broken, apdu: bytes) -> bytes:
    """The server does not look at the invoke identifier of a next block."""
    return apdu[:2] + b"\xc1" + apdu[3:] if apdu[:2] == b"\xc0\x02" else apdu


def any_selector(_broken: Broken, apdu: bytes) -> bytes:
    return apdu[:12] + b"\x00" if apdu[:2] == b"\xc0\x01" and apdu[12:13] == b"\x01" else apdu


def long_challenge(_broken: Broken, apdu: bytes) -> bytes:
    """The server takes challenges of any size."""
    if apdu[:1] != b"\x60" or b"\xac" not in apdu:
        return apdu
    request = AssociationRequest.from_bytes(apdu)
    lawful = (request.authentication or b"").ljust(8, b"\1")[:64]
    return AssociationRequest(
        context=request.context, user_information=request.user_information, calling_title=request.calling_title,
        mechanism=request.mechanism, authentication=lawful,
    ).to_bytes()  # fmt: skip


def any_proof(broken: Broken, apdu: bytes) -> bytes:
    """The server takes any proof: a genuine one is put in its place."""
    if apdu[:1] == b"\x60":
        broken.memory["ctos"] = AssociationRequest.from_bytes(apdu).authentication
    if apdu[:2] != b"\xc3\x01" or "stoc" not in broken.memory:
        return apdu
    broken.memory["counter"] = 0x7000_0000
    proof = make_proof(CREDENTIALS["gmac-plain"], b"", counter_of(broken), broken.memory["stoc"], b"")
    return apdu[:13] + octet_string(proof)


def counter_of(broken: Broken) -> int:
    counters[0] += 1
    return counters[0]


counters = [0x7000_0000]


def remember_challenge(broken: Broken, request: bytes, answer: bytes) -> bytes:
    if answer[:1] == b"\x61" and request[:1] == b"\x60":
        broken.memory["stoc"] = AssociationResponse.from_bytes(answer).authentication
    return answer


def uninvited(broken: Broken, apdu: bytes) -> bytes:
    """Whoever asks for data is let in."""
    if apdu[:1] == b"\xc0" and not broken.memory:
        association = bytes.fromhex("601da109060760857405080101be10040e01000000065f1f0400fc1fffffff")
        head = bytes.fromhex("000100100001")
        broken.inner.receive(head + len(association).to_bytes(2, "big") + association)
    broken.memory["asked"] = True
    return apdu


def deaf_to(tag: int) -> OnRequest:
    return lambda _broken, apdu: None if apdu[0] == tag else apdu


# --- answers changed --------------------------------------------------------------------------------------------------


def changed(match: str, place: int, octet: int) -> OnAnswer:
    """Answers that begin so have another octet at a place."""

    def hook(_broken: Broken, _request: bytes, answer: bytes) -> bytes:
        if not answer.startswith(bytes.fromhex(match)):
            return answer
        position = place if place >= 0 else len(answer) + place
        return answer[:position] + bytes((octet,)) + answer[position + 1 :]

    return hook


def accepts_all(broken: Broken, request: bytes, answer: bytes) -> bytes:
    """A refused association is accepted all the same."""
    if answer[:1] == b"\x61" and answer[13:18] == bytes.fromhex("a203020101"):
        initiate = bytes.fromhex("0800065f1f0400000010ffff0007")
        return AssociationResponse(context=1, result=0, diagnostic=0, user_information=initiate).to_bytes()
    return answer


def gives_all(_broken: Broken, request: bytes, answer: bytes) -> bytes:
    """Whatever is refused as a whole gets data in its stead, unprotected."""
    return b"\xc4\x01\xc1\x00" + CANNED if answer[:1] == b"\xd8" and request[:1] != b"\x60" else answer


def tampered(_broken: Broken, _request: bytes, answer: bytes) -> bytes:
    return answer[:-1] + bytes((answer[-1] ^ 1,)) if answer[:1] in (b"\xcc", b"\xd4", b"\xdb", b"\xdd") else answer


def data_for_errors(_broken: Broken, request: bytes, answer: bytes) -> bytes:
    if request[:2] == b"\xc0\x01" and answer[:2] == b"\xc4\x01" and answer[3:4] == b"\x01":
        return answer[:3] + b"\x00" + CANNED
    return answer


def success_for_errors(_broken: Broken, request: bytes, answer: bytes) -> bytes:
    if answer[:2] in (b"\xc5\x01", b"\xc7\x01"):
        return answer[:3] + b"\x00" + answer[4:]
    if answer[:2] == b"\xc5\x03":
        return answer[:3] + b"\x00" + answer[4:]
    if answer[:2] in (b"\xc5\x05", b"\xc7\x03"):
        return answer[:4] + bytes(len(answer) - 4)
    return answer


def two_too_many(_broken: Broken, _request: bytes, answer: bytes) -> bytes:
    return answer + b"\x00\x00" if answer[:2] == b"\xc4\x01" else answer


def reversed_list(_broken: Broken, _request: bytes, answer: bytes) -> bytes:
    if answer[:2] != b"\xc4\x03":
        return answer
    return answer[:4] + b"\x01\x04" * answer[3]


def answers_unconfirmed(_broken: Broken, request: bytes, answer: bytes) -> bytes:
    if request[0] in (0xC1, 0xC3) and not request[2] & 0x40:
        return bytes((request[0] + 4, 1, request[2], 0))
    return answer


def fixed_invoke(_broken: Broken, _request: bytes, answer: bytes) -> bytes:
    return answer[:2] + b"\xc1" + answer[3:] if answer[:1] == b"\xc4" else answer


def zero_based(_broken: Broken, _request: bytes, answer: bytes) -> bytes:
    if answer[:2] == b"\xc4\x02":
        return answer[:4] + (int.from_bytes(answer[4:8], "big") - 1).to_bytes(4, "big") + answer[8:]
    return answer


def lost_octet(_broken: Broken, _request: bytes, answer: bytes) -> bytes:
    if answer[:2] == b"\xc4\x02" and answer[4:8] == b"\0\0\0\2" and answer[8] == 0 and answer[9] < 0x80:
        return answer[:9] + bytes((answer[9] - 1,)) + answer[11:]
    if answer[:2] == b"\xc4\x02" and answer[4:8] == b"\0\0\0\2" and answer[8] == 0:
        return answer[:10] + bytes((answer[10] - 1,)) + answer[12:]
    return answer


def too_large(_broken: Broken, _request: bytes, answer: bytes) -> bytes:
    if answer[:2] == b"\xc4\x02" and answer[8] == 0 and answer[9] == 0x81:
        return answer[:10] + bytes((answer[10] + 20,)) + answer[11:] + bytes(20)
    return answer


def changed_general(change: Callable[[bytes], bytes]) -> OnAnswer:
    """General blocks of the server are changed."""
    return lambda _broken, _request, answer: change(answer) if answer[:1] == b"\xe0" else answer


def never_again(broken: Broken, _request: bytes, answer: bytes) -> bytes:
    """A general block that was not acknowledged is followed by the next one all the same."""
    if answer[:1] != b"\xe0":
        return answer
    broken.memory["block"] = broken.memory.get("block", 0) + 1
    return answer[:2] + int(broken.memory["block"]).to_bytes(2, "big") + answer[4:]


def fixed_challenge(broken: Broken, _request: bytes, answer: bytes) -> bytes:
    if answer[:1] != b"\x61":
        return answer
    response = AssociationResponse.from_bytes(answer)
    return answer.replace(response.authentication or b"-", b"A" * len(response.authentication or b"-"))


def reflected_challenge(broken: Broken, request: bytes, answer: bytes) -> bytes:
    if answer[:1] != b"\x61" or request[:1] != b"\x60":
        return answer
    ours = AssociationResponse.from_bytes(answer).authentication or b""
    return answer.replace(ours, (AssociationRequest.from_bytes(request).authentication or b"")[: len(ours)])


def data_before_proof(broken: Broken, request: bytes, answer: bytes) -> bytes:
    return b"\xc4\x01\xc1\x00" + CANNED if request[:1] == b"\xc0" and answer[:1] == b"\xd8" else answer


def dies_of_errors(served: Served) -> Served:
    """The whole server falls at the first malformed APDU that it meets."""
    state = {"dead": False}

    class Mortal(Broken):
        def answer(self, head: bytes, apdu: bytes) -> bytes:
            octets = b"" if state["dead"] else super().answer(head, apdu)
            if octets[8:9] == b"\xd8" or not octets:
                state["dead"] = True
            return b"" if state["dead"] else octets

    nothing = Breakage(name="", ids="")
    return lambda: cast(ServerConnection, Mortal(served(), nothing))


def whole_frames_only(served: Served) -> Served:
    """A server that takes what one receive call brings for one frame."""

    class Hasty(Broken):
        def receive(self, data: bytes) -> bytes:
            if len(data) < 8:
                return b""
            return self.answer(data[:6], data[8 : 8 + int.from_bytes(data[6:8], "big")])

    nothing = Breakage(name="", ids="")
    return lambda: cast(ServerConnection, Hasty(served(), nothing))


def on_any_address(served: Served) -> Served:
    """A server that looks neither at addresses nor at the version of the wrapper."""

    class Careless(Broken):
        def answer(self, head: bytes, apdu: bytes) -> bytes:
            return super().answer(bytes.fromhex("000100100001"), apdu)

    nothing = Breakage(name="", ids="")
    return lambda: cast(ServerConnection, Careless(served(), nothing))


def same_ports(served: Served) -> Served:
    """A server that answers from and to the addresses of the request, not swapped."""

    class Unswapped(Broken):
        def answer(self, head: bytes, apdu: bytes) -> bytes:
            octets = super().answer(head, apdu)
            return head + octets[6:] if octets else b""

    nothing = Breakage(name="", ids="")
    return lambda: cast(ServerConnection, Unswapped(served(), nothing))


# --- HDLC lines -------------------------------------------------------------------------------------------------------


class BrokenLine:
    """A line whose octets are changed each way."""

    def __init__(
        self, inner: ServerConnection, receiving: Callable[[bytes], bytes], sending: Callable[[bytes], bytes]
    ) -> None:
        self.inner = inner
        self.receiving = receiving
        self.sending = sending
        self.has_more = False

    @property
    def closed(self) -> bool:
        return self.inner.closed

    def receive(self, data: bytes) -> bytes:
        octets = self.inner.receive(self.receiving(data))
        while self.inner.has_more:
            octets += self.inner.receive(b"")
        return self.sending(octets)


def same(octets: bytes) -> bytes:
    return octets


def mended(octets: bytes) -> bytes:
    """Take a frame whatever its check sequences say."""
    inside = octets.strip(b"\x7e")
    if len(inside) < 9 or inside[0] & 0xF0 != 0xA0:
        return octets
    head = inside[:5]
    fixed = head + frame_check(head) + inside[7:-2]
    return b"\x7e" + fixed + frame_check(fixed) + b"\x7e"


def recontrolled(*pairs: tuple[int, int]) -> Callable[[bytes], bytes]:
    """Frames without information come with another control octet."""
    table = dict(pairs)

    def change(octets: bytes) -> bytes:
        inside = octets.strip(b"\x7e")
        if len(inside) != 7 or inside[4] not in table:
            return octets
        fixed = inside[:4] + bytes((table[inside[4]],))
        return b"\x7e" + fixed + frame_check(fixed) + b"\x7e"

    return change


def readdressed(octets: bytes) -> bytes:
    """Frames come from and to the addresses of the request, not swapped."""
    inside = octets.strip(b"\x7e")
    if len(inside) < 7:
        return octets
    fixed = inside[:2] + inside[3:4] + inside[2:3] + inside[4:-2]
    return b"\x7e" + fixed + frame_check(fixed) + b"\x7e"


def line(receiving: Callable[[bytes], bytes] = same, sending: Callable[[bytes], bytes] = same) -> Callable[..., Served]:
    return lambda served: lambda: cast(ServerConnection, BrokenLine(served(), receiving, sending))


LINE_BREAKAGES: tuple[Breakage, ...] = (
    Breakage(name="check sequences are not looked at", ids="LINK-25 LINK-26", wrap=line(receiving=mended)),
    Breakage(name="addresses are not swapped", ids="LINK-21", wrap=line(sending=readdressed)),
    Breakage(name="DM where UA is due", ids="LINK-23", wrap=line(sending=recontrolled((0x73, 0x1F)))),
    Breakage(name="UA where DM is due", ids="LINK-23", wrap=line(sending=recontrolled((0x1F, 0x73)))),
    Breakage(
        name="RNR to a poll", ids="LINK-31", wrap=line(sending=lambda octets: b"" if len(octets) == 9 else octets)
    ),
)


# --- devices that are wrong themselves --------------------------------------------------------------------------------


class GeneralBlocks:
    """Our meter, offering general block transfer."""

    def __init__(self) -> None:
        self.inner = emulated_meter()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def association(self, client_sap: int) -> AssociationSettings | None:
        settings = self.inner.association(client_sap)
        if settings is None:
            return None
        return replace(settings, conformance=settings.conformance | Conformance.GENERAL_BLOCK_TRANSFER)


@dataclass
class WrongDevice:
    """A device in front of a lawful one. values: attributes that read otherwise."""

    inner: Any = field(default_factory=emulated_meter)
    values: dict[tuple[int, str, int], bytes] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> Any:
        wrong = self.values.get((address.class_id, str(address.obis_code), address.attribute))
        return self.inner.get(client_sap, address, selection) if wrong is None else wrong


class Forgetful(WrongDevice):
    """A device that remembers no counter of its clients."""

    def accept_invocation_counter(self, client_title: bytes, counter: int) -> bool:
        return True

    def lowest_acceptable_counter(self, client_title: bytes) -> int:
        return 0


class Stuttering(WrongDevice):
    """A device that uses one counter for all its answers."""

    def next_invocation_counter(self) -> int:
        return 7


class Generous(WrongDevice):
    """A device that has every object, of every class, and lets everybody do everything."""

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> Any:
        value = self.inner.get(client_sap, address, None)
        return CANNED if isinstance(value, DataAccessResult) else value

    def set(self, client_sap: int, address: AttributeAddress, value: bytes) -> DataAccessResult:
        return DataAccessResult.SUCCESS

    def action(self, client_sap: int, address: MethodAddress, parameter: bytes | None) -> Any:
        return ActionResult.SUCCESS, None


class Backwards(WrongDevice):
    """A device whose clock goes backwards."""

    second = 59

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> Any:
        value = self.inner.get(client_sap, address, selection)
        if address.class_id != 8 or address.attribute != 2:
            return value
        Backwards.second = (Backwards.second - 1) % 60
        return value[:-5] + bytes((Backwards.second,)) + value[-4:]


class Narrow(WrongDevice):
    """A device whose profiles miss a column of those they name."""

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> Any:
        if address.class_id == 7 and address.attribute == 2 and selection is not None:
            return encode_array([encode_structure(encode_unsigned(1))] * 3)
        return self.inner.get(client_sap, address, selection)


class NoSelection(WrongDevice):
    """A device that gives the whole of everything."""

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> Any:
        if address.class_id == 7 and address.attribute == 2:
            row = encode_structure(encode_octet_string(bytes.fromhex("07ea0b15ff0a001eff800000")), encode_unsigned(1))
            return encode_array([row] * 5)
        return self.inner.get(client_sap, address, None)


def wrong(*rows: tuple[int, str, int, str]) -> Callable[[], WrongDevice]:
    """Give a device some of whose attributes read so (hexadecimal)."""
    values = {(class_id, name, attribute): bytes.fromhex(value) for class_id, name, attribute, value in rows}
    return lambda: WrongDevice(values=values)


def listed_twice() -> WrongDevice:
    lawful = emulated_meter()
    octets = lawful.get(16, AttributeAddress(15, ObisCode("0.0.40.0.0.255"), 2), None)
    assert isinstance(octets, bytes)
    entry = bytes.fromhex("0204120001110009060000600a01ff02020101 0203 0f01 1601 00 0100".replace(" ", ""))
    return WrongDevice(lawful, {(15, "0.0.40.0.0.255", 2): b"\x01\x02" + entry * 2})


LIST = "0.0.40.0.0.255"

BREAKAGES: tuple[Breakage, ...] = (
    Breakage(name="answers in whole frames only", ids="LINK-02 LINK-04", wrap=whole_frames_only),
    Breakage(name="takes two requests for one", ids="LINK-03", wrap=whole_frames_only),
    Breakage(name="does not swap addresses", ids="LINK-01", wrap=same_ports),
    Breakage(name="looks at no address and no version", ids="LINK-05 LINK-07 LINK-08 ASSOC-33", wrap=on_any_address),
    Breakage(name="wrong result of an open association", ids="ASSOC-01", on_answer=changed("61", 17, 2)),
    Breakage(name="another context in the answer", ids="ASSOC-02", on_answer=changed("61", 12, 2)),
    Breakage(name="more conformance than proposed", ids="ASSOC-03 ASSOC-04", on_answer=changed("61", -7, 0xFF)),
    Breakage(name="a PDU size of a few octets", ids="ASSOC-05", on_answer=lambda _b, _r, a: a[:-4] + b"\0\5" + a[-2:]
             if a[:1] == b"\x61" else a),
    Breakage(name="the VAA name of short names", ids="ASSOC-06", on_answer=changed("61", -2, 0xFA)),
    Breakage(name="any DLMS version", ids="ASSOC-09", on_request=swapped("055f1f04", "065f1f04")),
    Breakage(name="an empty conformance", ids="ASSOC-10", on_request=swapped("5f1f0400000000", "5f1f0400001e5d")),
    Breakage(name="any PDU size", ids="ASSOC-11", on_request=any_pdu_size),
    Breakage(name="any context", ids="ASSOC-12", on_request=any_context),
    Breakage(name="any mechanism", ids="ASSOC-14", on_request=any_mechanism),
    Breakage(name="accepts whoever is refused", ids="ASSOC-12 ASSOC-14", on_answer=accepts_all),
    Breakage(name="any password", ids="ASSOC-16", who="low", device=ExampleDevice, on_request=any_password),
    Breakage(name="any proof", ids="ASSOC-16 ASSOC-17 ASSOC-18 ASSOC-19", who="gmac-plain", device=ExampleDevice,
             on_request=any_proof, on_answer=remember_challenge),
    Breakage(name="data before an association", ids="ASSOC-20", on_request=uninvited),
    Breakage(name="data before the proof", ids="ASSOC-21", who="gmac-plain", device=ExampleDevice,
             on_answer=data_before_proof),
    Breakage(name="one challenge for all", ids="ASSOC-22", who="gmac-plain", device=ExampleDevice,
             on_answer=fixed_challenge),
    Breakage(name="our challenge given back", ids="ASSOC-23", who="gmac-plain", device=ExampleDevice,
             on_answer=reflected_challenge),
    Breakage(name="challenges of any size", ids="ASSOC-24 ASSOC-25 ASSOC-45", who="gmac-plain", device=ExampleDevice,
             on_request=long_challenge),
    Breakage(name="no answer to a release", ids="ASSOC-27 ASSOC-28 ASSOC-29", on_request=deaf_to(0x62)),
    Breakage(name="association requests accepted twice", ids="ASSOC-39 SEC-14 SEC-15 SEC-16", who="management",
             device=Forgetful),
    Breakage(name="says it is not associated", ids="ASSOC-41", device=wrong((15, LIST, 8, "1600"))),
    Breakage(name="one invoke identifier for all", ids="SERV-02 BLOCK-04", on_answer=fixed_invoke),
    Breakage(name="data for every error", ids="SERV-03 SERV-04 SERV-05 SERV-06 SERV-31", on_answer=data_for_errors),
    Breakage(name="every object and every right", ids="SERV-03 SERV-16 SERV-17 SERV-23 SERV-24 CLASS-10",
             device=lambda: Generous()),
    Breakage(name="success for every error", ids="SERV-16 SERV-18 SERV-19 SERV-20 SERV-21 SERV-23 SERV-25 BLOCK-14",
             on_answer=success_for_errors),
    Breakage(name="octets behind the data", ids="SERV-01", on_answer=two_too_many),
    Breakage(name="a list of refusals", ids="SERV-07 SERV-08", on_answer=reversed_list),
    Breakage(name="octets too many are not seen", ids="SERV-15", on_request=trailing_cut),
    Breakage(name="unconfirmed requests are answered", ids="SERV-22 SERV-26", on_answer=answers_unconfirmed),
    Breakage(name="what was not negotiated is done", ids="SERV-13 SERV-27 SERV-28 SERV-29", on_answer=gives_all),
    Breakage(name="selective access is ignored", ids="SERV-31", on_request=any_selector),
    Breakage(name="the whole buffer whatever is asked for", ids="SERV-32 SERV-33 SERV-34 SERV-35", who="reader",
             device=lambda: NoSelection()),
    Breakage(name="blocks from number 0", ids="BLOCK-01 BLOCK-03", on_answer=zero_based),
    Breakage(name="an octet lost between blocks", ids="BLOCK-01", on_answer=lost_octet),
    Breakage(name="blocks beyond the agreed size", ids="BLOCK-02", on_answer=too_large),
    Breakage(name="any block number", ids="BLOCK-05 BLOCK-06", on_request=any_block),
    Breakage(name="any invoke identifier for a next block", ids="BLOCK-10", on_request=any_invoke),
    Breakage(name="any number of a SET block", ids="BLOCK-15 BLOCK-16", on_request=any_set_block),
    Breakage(name="any number of an ACTION block", ids="BLOCK-20", on_request=any_action_block),
    Breakage(name="general blocks from number 0", ids="BLOCK-23", device=GeneralBlocks,
             on_answer=changed_general(lambda a: a[:3] + bytes((a[3] - 1,)) + a[4:])),
    Breakage(name="general blocks with an octet changed", ids="BLOCK-23", device=GeneralBlocks,
             on_answer=changed_general(lambda a: a[:-1] + bytes((a[-1] ^ 1,)))),
    Breakage(name="general blocks whose length lies", ids="BLOCK-23", device=GeneralBlocks,
             on_answer=changed_general(lambda a: a[:-1])),
    Breakage(name="lost general blocks are not sent again", ids="BLOCK-24", device=GeneralBlocks,
             on_answer=never_again),
    Breakage(name="general blocks acknowledge what never came", ids="BLOCK-25", device=GeneralBlocks,
             on_answer=changed_general(lambda a: a[:4] + b"\0\x09" + a[6:])),
    Breakage(name="data for whatever is refused as a whole", who="management", on_answer=gives_all,
             ids="SEC-01 SEC-02 SEC-03 SEC-04 SEC-05 SEC-06 SEC-07 SEC-08 SEC-09 SEC-10 SEC-11 SEC-12 SEC-14 SEC-15"
                 " SEC-16 SEC-18 SEC-20 SEC-21 SEC-22 SEC-23 SEC-24 SEC-26 SEC-27 SEC-28 SEC-29 SEC-33 SEC-34 SEC-35"
                 " SEC-37 SEC-38 SEC-40 SEC-41 SEC-42 SEC-43 ROB-14 ASSOC-21"),
    Breakage(name="one counter for all answers", ids="SEC-19", who="management", device=lambda: Stuttering()),
    Breakage(name="answers tampered with", ids="SEC-17 SEC-25 SEC-30 SEC-32 SEC-39", who="management",
             on_answer=tampered),
    Breakage(name="the secret for everybody", ids="SEC-36", who="management",
             device=wrong((15, LIST, 7, "09083132333435363738"))),
    Breakage(name="an object list that is no array", ids="CLASS-01", device=wrong((15, LIST, 2, "0900"))),
    Breakage(name="an object twice", ids="CLASS-02", device=listed_twice),
    Breakage(name="no association in the list", ids="CLASS-03", device=listed_twice),
    Breakage(name="a wrong logical name", ids="CLASS-07 SERV-01", device=wrong((15, LIST, 1, "0906000028000001"))),
    Breakage(name="a unit of a wrong type", ids="CLASS-08 CLASS-15", who="reader",
             device=wrong((3, "1.0.1.8.0.255", 3, "0900"))),
    Breakage(name="a time of a wrong type", ids="CLASS-08 CLASS-13",
             device=wrong((8, "0.0.1.0.0.255", 2, "0600000001"))),
    Breakage(name="readable attributes are denied", ids="CLASS-09", device=lambda: WrongDevice(values={}),
             on_answer=lambda _b, r, a: a[:3] + b"\x01\x03" if r[:2] == b"\xc0\x01" and r[3:5] == b"\0\x08" else a),
    Breakage(name="a clock that goes backwards", ids="CLASS-13", device=lambda: Backwards()),
    Breakage(name="a time zone of days", ids="CLASS-14", device=wrong((8, "0.0.1.0.0.255", 3, "107000"))),
    Breakage(name="profiles without their columns", ids="CLASS-16", who="reader", device=lambda: Narrow()),
    Breakage(name="a SAP assignment without us", ids="CLASS-17", device=wrong((17, "0.0.41.0.0.255", 2, "0100"))),
    Breakage(name="a device name of 20 octets", ids="CLASS-18",
             device=wrong((1, "0.0.42.0.0.255", 2, "0914" + "41" * 20))),
    Breakage(name="another context in the association object", ids="CLASS-19",
             device=wrong((15, LIST, 4, "090760857405080102"))),
    Breakage(name="another suite in the security set-up", ids="CLASS-20", who="management",
             device=wrong((64, "0.0.43.0.0.255", 3, "1602"))),
    Breakage(name="an open switch that conducts", ids="CLASS-21", who="management",
             device=wrong((70, "0.0.96.3.10.255", 2, "0301"), (70, "0.0.96.3.10.255", 3, "1600"))),
    Breakage(name="falls at the first malformed APDU", wrap=dies_of_errors,
             ids="ROB-01 ROB-02 ROB-03 ROB-05 ROB-06 ROB-07 ROB-08 ROB-09 ROB-10"),
)  # fmt: skip
