"""Further servers that break one rule each: the rules that the breakages of `broken` leave alone."""

from collections.abc import Callable
from typing import Any, cast

from tests.integration.dlms.example_device import ExampleDevice
from tests.unit.assess.conformance.bench import Served
from tests.unit.assess.conformance.broken import (
    CANNED,
    Breakage,
    Broken,
    GeneralBlocks,
    OnAnswer,
    WrongDevice,
    accepts_all,
    changed,
    line,
    lost_octet,
    success_for_errors,
    wrong,
)

from meterworks.assess.conformance.hdlc_wire import frame_check
from meterworks.protocols.dlms import (
    AssociationResponse,
    AttributeAddress,
    DataAccessResult,
    ServerConnection,
    encode_array,
    encode_double_long_unsigned,
)

__all__ = ["FURTHER_BREAKAGES", "FURTHER_LINE_BREAKAGES"]

LIST = "0.0.40.0.0.255"
REFUSED = AssociationResponse(context=1, result=1, diagnostic=1).to_bytes()
NOTHING = Breakage(name="", ids="")


# --- whole servers ----------------------------------------------------------------------------------------------------


def mortal(kills: Callable[[bytes, dict[str, int]], bool]) -> Callable[[Served], Served]:
    """The whole server falls, for good, at the first request that the rule names."""

    def wrap(served: Served) -> Served:
        state = {"dead": 0, "connections": 0, "count": 0}

        class Mortal(Broken):
            asked = 0

            def answer(self, head: bytes, apdu: bytes) -> bytes:
                self.asked += apdu[:1] == b"\x60"
                state["asked"] = self.asked
                octets = b"" if state["dead"] else super().answer(head, apdu)
                state["dead"] |= kills(apdu, state)
                return octets

        def connected() -> ServerConnection:
            state["connections"] += 1
            state["dead"] |= kills(b"", state)
            return cast(ServerConnection, Mortal(served(), NOTHING))

        return connected

    return wrap


def impatient(served: Served) -> Served:
    """A server that answers a frame before it is whole, and frames of nothing as well."""

    class Impatient(Broken):
        def receive(self, data: bytes) -> bytes:
            whole = len(data) >= 8 and len(data) == 8 + int.from_bytes(data[6:8], "big") > 8
            if whole:
                return super().receive(data)
            answer = b"\xc4\x01\xc1\x00" + CANNED
            return data[:2] + data[4:6] + data[2:4] + len(answer).to_bytes(2, "big") + answer

    return lambda: cast(ServerConnection, Impatient(served(), NOTHING))


def one_client_only(served: Served) -> Served:
    """A server for which a second client address ends the association of the first."""

    class Single(Broken):
        def answer(self, head: bytes, apdu: bytes) -> bytes:
            owner = self.memory.setdefault("owner", head[2:4])
            self.memory["shared"] = self.memory.get("shared", False) or head[2:4] != owner
            octets = super().answer(head, apdu)
            if self.memory["shared"] and head[2:4] == owner:
                return octets[:6] + b"\x00\x03\xd8\x01\x01"
            return octets

    return lambda: cast(ServerConnection, Single(served(), NOTHING))


# --- requests and answers ---------------------------------------------------------------------------------------------


def with_quality(_broken: Broken, _request: bytes, answer: bytes) -> bytes:
    if answer[:1] != b"\x61":
        return answer
    response = AssociationResponse.from_bytes(answer)
    body = (response.user_information or b"").replace(b"\x08\x00\x06", b"\x08\x01\x00\x06")
    return AssociationResponse(context=1, result=0, diagnostic=0, user_information=body).to_bytes()


def refusing(match: Callable[[bytes], bool]) -> OnAnswer:
    """Association requests that the rule names are refused."""
    return lambda _broken, request, answer: REFUSED if request[:1] == b"\x60" and match(request) else answer


def other_diagnostic(_broken: Broken, request: bytes, answer: bytes) -> bytes:
    """Short names are refused for a reason that is none."""
    return answer.replace(b"\xa1\x03\x02\x01\x02", b"\xa1\x03\x02\x01\x0b")


def never_again_after_release(broken: Broken, apdu: bytes) -> bytes | None:
    broken.memory["released"] = broken.memory.get("released", False) or apdu[:1] == b"\x62"
    return None if broken.memory["released"] and apdu[:1] == b"\x60" else apdu


def data_for_unknown_types(_broken: Broken, request: bytes, answer: bytes) -> bytes:
    return b"\xc4\x01\xc1\x00" + CANNED if request[1:2] == b"\x3f" else answer


def reads_short_names(_broken: Broken, request: bytes, answer: bytes) -> bytes:
    return b"\x0c\x01\x00" + CANNED if request[:1] == b"\x05" else answer


def attribute_zero(_broken: Broken, request: bytes, answer: bytes) -> bytes:
    """Attribute 0 is negotiated, and answered by something that is no structure."""
    if answer[:1] == b"\x61":
        return answer[:-6] + bytes((answer[-6] | 0x20,)) + answer[-5:]
    whole = request[:2] == b"\xc0\x01" and request[11:12] == b"\x00"
    return b"\xc4\x01\xc1\x00" + CANNED if whole else answer


def access_all_well(_broken: Broken, _request: bytes, answer: bytes) -> bytes:
    return answer[:-3] + b"\0" + answer[-2:-1] + b"\0" if answer[:1] == b"\xda" else answer


def access_for_everybody(_broken: Broken, request: bytes, answer: bytes) -> bytes:
    return b"\xda" + request[1:5] + bytes(4) if request[:1] == b"\xd9" and answer[:1] == b"\xd8" else answer


def blocks_for_everybody(_broken: Broken, request: bytes, answer: bytes) -> bytes:
    """Whoever asks for a next block gets one."""
    if request[:2] == b"\xc0\x02" and answer[8:9] != b"\x00":
        return b"\xc4\x02" + request[2:3] + b"\x00" + request[3:7] + b"\x00\x01\x00"
    return answer


def blocks_unasked(_broken: Broken, request: bytes, answer: bytes) -> bytes:
    refused = request[:2] == b"\xc0\x01" and answer[:2] == b"\xc4\x01" and answer[3:4] == b"\x01"
    return b"\xc4\x02\xc1\x00\x00\x00\x00\x01\x00\x01\x00" if refused else answer


def refuses_in_plain(_broken: Broken, request: bytes, answer: bytes) -> bytes:
    return b"\xc4\x01\xc1\x01\x04" if request[:1] == b"\xc8" else answer


def any_first_block(_broken: Broken, apdu: bytes) -> bytes:
    return apdu[:2] + b"\x00\x01" + apdu[4:] if apdu[:1] == b"\xe0" else apdu


def unwrapped_block(_broken: Broken, apdu: bytes) -> bytes:
    return apdu[7:] if apdu[:1] == b"\xe0" else apdu


def first_context_dropped(_broken: Broken, apdu: bytes) -> bytes:
    """An association request that names its context twice is taken by its second."""
    if apdu[:1] == b"\x60" and apdu.count(b"\xa1\x09\x06\x07") == 2:
        return b"\x60" + bytes((apdu[1] - 11,)) + apdu[13:]
    return apdu


# --- devices ----------------------------------------------------------------------------------------------------------


class Stubborn(WrongDevice):
    """A device that takes nothing, whatever its object list says."""

    def set(self, client_sap: int, address: AttributeAddress, value: bytes) -> DataAccessResult:
        return DataAccessResult.OTHER_REASON


class HalfOpenRange(WrongDevice):
    """A device that leaves the ends of a range out."""

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> Any:
        if address.class_id == 7 and selection is not None and selection[:1] == b"\x01":
            return encode_array([])
        return self.inner.get(client_sap, address, selection)


class AnySelection(WrongDevice):
    """A device that gives the whole buffer for a selection it does not understand."""

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> Any:
        value = self.inner.get(client_sap, address, selection)
        return encode_array([]) if address.class_id == 7 and isinstance(value, DataAccessResult) else value


class CountsDown(WrongDevice):
    """A device whose invocation counter object goes down."""

    left = 1000

    def get(self, client_sap: int, address: AttributeAddress, selection: bytes | None) -> Any:
        if str(address.obis_code) == "0.0.43.1.0.255" and address.attribute == 2:
            CountsDown.left -= 1
            return encode_double_long_unsigned(CountsDown.left)
        return self.inner.get(client_sap, address, selection)


def listing(attribute: int, mode: int) -> Callable[[], WrongDevice]:
    """Give a device whose list has one object, a clock, with this right to this attribute."""
    entry = "020412000811000906000001 0000ff02020101 0203 0f".replace(" ", "")
    return wrong((15, LIST, 2, f"0101{entry}{attribute:02x}16{mode:02x}000100"))


FURTHER_BREAKAGES: tuple[Breakage, ...] = (
    Breakage(name="frames are answered before they are whole", ids="LINK-06 LINK-09", wrap=impatient),
    Breakage(name="a quality of service nobody asked for", ids="ASSOC-07", on_answer=with_quality),
    Breakage(name="clients without a limit are refused", ids="ASSOC-08",
             on_answer=refusing(lambda request: request[-2:] == b"\0\0")),
    Breakage(name="short names refused for a strange reason", ids="ASSOC-12 ASSOC-13", on_answer=other_diagnostic),
    Breakage(name="no authentication is enough", ids="ASSOC-15", who="low", device=ExampleDevice,
             on_answer=accepts_all),
    Breakage(name="another mechanism in the answer", ids="ASSOC-26", who="gmac-plain", device=ExampleDevice,
             on_answer=lambda _b, _r, a: a.replace(bytes.fromhex("60857405080205"), bytes.fromhex("60857405080206"))),
    Breakage(name="falls at a release without association", ids="ASSOC-30",
             wrap=mortal(lambda apdu, state: apdu[:1] == b"\x62" and not state["asked"])),
    Breakage(name="one association for a connection", ids="ASSOC-31", on_request=never_again_after_release),
    Breakage(name="falls at a second association request", ids="ASSOC-32",
             wrap=mortal(lambda apdu, state: apdu[:1] == b"\x60" and state["asked"] > 1)),
    Breakage(name="whoever is refused is let in after all", who="management", on_answer=accepts_all,
             ids="ASSOC-34 ASSOC-35 ASSOC-36 ASSOC-37 ASSOC-38 ASSOC-40 SEC-13"),
    Breakage(name="one client for a connection", ids="ASSOC-42", who="reader", wrap=one_client_only),
    Breakage(name="shut after a few connections", ids="ASSOC-43 ROB-12",
             wrap=mortal(lambda _apdu, state: state["connections"] > 8)),
    Breakage(name="a stated protocol version is refused", ids="ASSOC-44",
             on_answer=refusing(lambda request: b"\x80\x02\x07\x80" in request)),
    Breakage(name="falls at an empty list", ids="SERV-09",
             wrap=mortal(lambda apdu, _state: apdu[:2] == b"\xc0\x03" and apdu[3:4] == b"\x00")),
    Breakage(name="undefined request types are answered", ids="SERV-10 SERV-11 SERV-12",
             on_answer=data_for_unknown_types),
    Breakage(name="short names are read by a client of logical names", ids="SERV-14", on_answer=reads_short_names),
    Breakage(name="attribute 0 is no structure", ids="SERV-30", on_answer=attribute_zero),
    Breakage(name="the ends of a range are left out", ids="SERV-36", who="reader", device=HalfOpenRange),
    Breakage(name="any selection will do", ids="SERV-37 SERV-38", who="reader", device=AnySelection),
    Breakage(name="ACCESS refuses what is there", ids="SERV-39", on_answer=changed("da", -1, 4)),
    Breakage(name="ACCESS does what is not there", ids="SERV-39 SERV-40", on_answer=access_all_well),
    Breakage(name="ACCESS for everybody", ids="SERV-41 SERV-42", on_answer=access_for_everybody),
    Breakage(name="a next block for everybody", on_answer=blocks_for_everybody,
             ids="BLOCK-05 BLOCK-06 BLOCK-07 BLOCK-08 BLOCK-09 BLOCK-10 BLOCK-11"),
    Breakage(name="blocks that were not negotiated", ids="BLOCK-12", on_answer=blocks_unasked),
    Breakage(name="an octet of a list lost between blocks", ids="BLOCK-13", on_answer=lost_octet),
    Breakage(name="success whatever was not done", on_answer=success_for_errors,
             ids="BLOCK-17 BLOCK-18 BLOCK-19 BLOCK-21 BLOCK-22"),
    Breakage(name="general blocks begin anywhere", ids="BLOCK-26", device=GeneralBlocks, on_request=any_first_block),
    Breakage(name="general blocks that were not negotiated", ids="BLOCK-27", on_request=unwrapped_block),
    Breakage(name="refusals come unprotected", ids="SEC-31", who="management", on_answer=refuses_in_plain),
    Breakage(name="an attribute that the class has not", ids="CLASS-05", device=listing(77, 1)),
    Breakage(name="an access mode that does not exist", ids="CLASS-06", device=listing(2, 9)),
    Breakage(name="nothing is taken that may be written", ids="CLASS-11 CLASS-25", who="management", device=Stubborn),
    Breakage(name="octets behind a value", ids="CLASS-12", device=wrong((1, "0.0.42.0.0.255", 2, "0901410000"))),
    Breakage(name="an image status that does not exist", ids="CLASS-22", who="management",
             device=wrong((18, "0.0.44.0.0.255", 6, "1609"))),
    Breakage(name="a counter object that goes down", ids="CLASS-23", who="reader", device=CountsDown),
    Breakage(name="everybody reads the switch", ids="CLASS-24", who="management",
             device=wrong((70, "0.0.96.3.10.255", 2, "0301"))),
    Breakage(name="a field twice is taken", ids="ROB-04", on_request=first_context_dropped),
    Breakage(name="falls at a list", ids="ROB-11", wrap=mortal(lambda apdu, _state: apdu[:2] == b"\xc0\x03")),
)  # fmt: skip


# --- HDLC lines -------------------------------------------------------------------------------------------------------


def reframed(change: Callable[[bytearray], bytearray]) -> Callable[[bytes], bytes]:
    """The first part of each frame to the server (format, addresses, control) is changed, its checks made to fit."""

    def hook(octets: bytes) -> bytes:
        inside = octets.strip(b"\x7e")
        if len(inside) < 7 or inside[0] & 0xF0 != 0xA0:
            return octets
        head = bytes(change(bytearray(inside[:5])))
        fixed = head if len(inside) == 7 else head + frame_check(head) + inside[7:-2]
        return b"\x7e" + fixed + frame_check(fixed) + b"\x7e"

    return hook


def to_us(octets: bytes) -> bytes:
    """Frames to other addresses are taken for ours."""
    inside = octets.strip(b"\x7e")
    if inside[2:6] != b"\x02\xfd\x02\xfd":
        return octets
    fixed = b"\xa0\x07\x03" + inside[6:8]
    return b"\x7e" + fixed + frame_check(fixed) + b"\x7e"


def in_order(head: bytearray) -> bytearray:
    """A frame three numbers ahead is taken for the next one (the third I frame of the test's session)."""
    if head[4] & 1 == 0 and (head[4] >> 1 & 7) == ((head[4] >> 5) + 3) & 7:
        head[4] = head[4] & 0xF1 | (head[4] >> 5) << 1
    return head


FURTHER_LINE_BREAKAGES: tuple[Breakage, ...] = (
    Breakage(name="frames to others are answered", ids="LINK-27", wrap=line(receiving=to_us)),
    Breakage(name="frames out of order are carried out", ids="LINK-30", wrap=line(receiving=reframed(in_order))),
    Breakage(name="segments are not joined", ids="LINK-28", wrap=line(
        receiving=lambda octets: b"" if len(octets) > 2 and octets[1] & 0x08 else octets,
        sending=lambda octets: octets.replace(b"\x7e\xa8", b"\x7e\xa9"))),
    Breakage(name="frames between many flags are lost", ids="LINK-35", wrap=line(
        receiving=lambda octets: b"" if octets.startswith(b"\x7e\x7e") else octets)),
)  # fmt: skip
