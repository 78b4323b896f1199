"""Image transfer as the client drives it: pure steps over GET and ACTION, and a driver for the blocking client.

    enabled? ─▶ block size ─▶ initiate ─▶ which blocks are there? ─▶ send those missing ─▶ complete? ─▶ verify ─▶
    compare what would be activated ─▶ activate ─▶ firmware identifiers

A meter that keeps the blocks of an earlier, broken-off transfer of the same image says so in its bitmap after the
initiation: only the gaps are sent, so the same command run again goes on where it stopped. Verification and activation
may take long: the meter then answers "temporary failure" and its status is asked until it is settled.
Source: COSEM interface classes, Image transfer (class 18); fact sheet section 7.
"""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, TypeAlias

from meterworks.errors import MeterworksError, OutcomeUnknown, RefusedError
from meterworks.protocols import ServiceRefused, UnlawfulMessage
from meterworks.protocols.dlms import (
    ActionResult,
    AttributeAddress,
    BitString,
    DataAccessResult,
    MethodAddress,
    ObisCode,
    PlainValue,
    decode_all,
    encode_double_long_unsigned,
    encode_integer,
    encode_octet_string,
    encode_structure,
)
from meterworks.system.errors import ConfigurationError
from meterworks.system.meter.link import AskedMeter

__all__ = [
    "IMAGE_CLASS",
    "ImagePlan",
    "ImageReport",
    "ImageStatus",
    "Invoke",
    "Pause",
    "Read",
    "Said",
    "Step",
    "image_steps",
    "image_transfer_object",
    "run_steps",
]

IMAGE_CLASS: Final = 18
IMAGE_SIZE_MAX: Final = 256 * 2**20
BLOCK_SIZE_MAX: Final = 0xFFFF
BLOCKS_MAX: Final = 1_000_000
ROUNDS_MAX: Final = 5  # times that missing blocks are sent again
IDENTIFIER_SIZE_MAX: Final = 128
POLL_S: Final = 2.0
POLLS_MAX: Final = 450  # a quarter of an hour of waiting for a verification or an activation
CHANNEL_MAX: Final = 64

BLOCK_SIZE, TRANSFERRED, FIRST_MISSING, ENABLED, STATUS, TO_ACTIVATE = range(2, 8)
INITIATE, BLOCK_TRANSFER, VERIFY, ACTIVATE = range(1, 5)
NOTHING: Final = encode_integer(0)


class ImageStatus(IntEnum):
    """Where an image transfer is (attribute 6)."""

    NOT_INITIATED = 0
    INITIATED = 1
    VERIFICATION_INITIATED = 2
    VERIFIED = 3
    VERIFICATION_FAILED = 4
    ACTIVATION_INITIATED = 5
    ACTIVATED = 6
    ACTIVATION_FAILED = 7


@dataclass(frozen=True, slots=True)
class Read:
    """Read this attribute; the step is answered with the encoded value or the reason why there is none."""

    address: AttributeAddress


@dataclass(frozen=True, slots=True)
class Invoke:
    """Invoke this method; the step is answered with the number of the result."""

    address: MethodAddress
    parameter: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait; the answer is ignored."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Said:
    """Tell the person how far it is; the answer is ignored. done, of: octets, both 0 where nothing is counted."""

    phase: str
    done: int = 0
    of: int = 0


Step: TypeAlias = Read | Invoke | Pause | Said
Answer: TypeAlias = bytes | int | None
Steps: TypeAlias = Generator[Step, Answer, PlainValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePlan:
    """An image and what is to be done with it.

    initiate: False goes on with a transfer that is under way without beginning it anew. enable: write attribute 5 if
    it is false. activate: False stops after the verification.
    """

    image: bytes = field(repr=False)
    identifier: bytes
    instance: ObisCode = field(default=ObisCode("0.0.44.0.0.255"))
    initiate: bool = True
    verify: bool = True
    activate: bool = True

    def __post_init__(self) -> None:
        """Refuse what no meter takes."""
        if not 0 < len(self.image) <= IMAGE_SIZE_MAX:
            raise ConfigurationError(f"an image has 1 to {IMAGE_SIZE_MAX} octets, not {len(self.image)}")
        if not 0 < len(self.identifier) <= IDENTIFIER_SIZE_MAX:
            raise ConfigurationError(f"an image's identifier has 1 to {IDENTIFIER_SIZE_MAX} octets")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReport:
    """What came of it. kept: blocks that the meter already had. sent: blocks sent, repeated ones counted again."""

    blocks: int
    block_size: int
    kept: int
    sent: int
    status: ImageStatus
    to_activate: PlainValue = None


def image_transfer_object(channel: int) -> ObisCode:
    """The image transfer object of the meter (channel 0) or of the M-Bus device on a channel.

    Raises ConfigurationError for a channel that is none.
    """
    if not 0 <= channel <= CHANNEL_MAX:
        raise ConfigurationError(f"an M-Bus channel is 1 to {CHANNEL_MAX}, 0 the meter itself; not {channel}")
    return ObisCode(bytes((0, channel, 44, 0, 0, 255)))


def image_steps(plan: ImagePlan) -> Generator[Step, Answer, ImageReport]:
    """The steps of an update, in order. Raises RefusedError where the meter says no, PeerError where it makes no sense.

    Drive it with `run_steps`, or by hand: each step is answered by `send`.
    """
    yield Said("asking the meter")
    enabled = yield from _value(plan, ENABLED)
    if enabled is not True:
        raise RefusedError(f"image transfer is not enabled at {plan.instance.text}: write its attribute 5 true first")
    block_size = yield from _value(plan, BLOCK_SIZE)
    if not isinstance(block_size, int) or not 0 < block_size <= BLOCK_SIZE_MAX:
        raise UnlawfulMessage(f"the meter takes image blocks of {block_size!r} octets")
    count = -(-len(plan.image) // block_size)
    if count > BLOCKS_MAX:
        raise UnlawfulMessage(f"blocks of {block_size} octets make {count} of this image; {BLOCKS_MAX} at most")
    yield from _initiate(plan, block_size, count)
    kept, sent = yield from _send_blocks(plan, block_size, count)
    to_activate = None
    status = yield from _status(plan)
    if plan.verify:
        status = yield from _settle(plan, VERIFY, ImageStatus.VERIFIED, ImageStatus.VERIFICATION_FAILED)
        to_activate = yield from _what_would_run(plan)
        if plan.activate:
            status = yield from _settle(plan, ACTIVATE, ImageStatus.ACTIVATED, ImageStatus.ACTIVATION_FAILED)
    return ImageReport(
        blocks=count, block_size=block_size, kept=kept, sent=sent, status=status, to_activate=to_activate
    )


def _initiate(plan: ImagePlan, block_size: int, count: int) -> Steps:
    """Begin the transfer, or make sure that the one under way is of the same size."""
    if plan.initiate:
        parameter = encode_structure(encode_octet_string(plan.identifier), encode_double_long_unsigned(len(plan.image)))
        yield from _invoked(plan, INITIATE, parameter, "initiate")
        return
    if (yield from _status(plan)) != ImageStatus.INITIATED:
        raise RefusedError("no transfer is under way that could be gone on with: begin it anew")
    bits = yield from _value(plan, TRANSFERRED)
    if not isinstance(bits, BitString) or bits.size_bits != count:
        raise RefusedError(
            f"the transfer under way is not of this image: {count} blocks of {block_size} octets are not what it has"
        )


def _send_blocks(plan: ImagePlan, block_size: int, count: int) -> Generator[Step, Answer, tuple[int, int]]:
    """Send what is missing until the meter has it all; give (blocks it had at first, blocks sent)."""
    missing = yield from _missing(plan, count)
    kept, sent = count - len(missing), 0
    for _round in range(ROUNDS_MAX):
        done = min(count - len(missing), count - 1) * block_size
        for number in missing:
            chunk = plan.image[number * block_size : (number + 1) * block_size]
            parameter = encode_structure(encode_double_long_unsigned(number), encode_octet_string(chunk))
            yield from _invoked(plan, BLOCK_TRANSFER, parameter, f"block {number} of {count}")
            sent += 1
            done += len(chunk)
            yield Said("sending", min(done, len(plan.image)), len(plan.image))
        missing = yield from _missing(plan, count)
        if not missing:
            return kept, sent
    raise RefusedError(f"{len(missing)} of {count} image blocks are still missing after {ROUNDS_MAX} rounds")


def _missing(plan: ImagePlan, count: int) -> Generator[Step, Answer, list[int]]:
    """Numbers of the blocks that the meter does not have.

    By its bitmap; where it shows none, from the first one not transferred on.
    """
    encoded = yield Read(_attribute(plan, TRANSFERRED))
    bits = decode_all(encoded) if isinstance(encoded, bytes) else None
    if isinstance(bits, BitString) and bits.size_bits <= count:
        text = str(bits).ljust(count, "0")
        return [number for number, bit in enumerate(text) if bit == "0"]
    first = yield from _value(plan, FIRST_MISSING)
    if not isinstance(first, int) or not 0 <= first <= count:
        raise UnlawfulMessage(f"the meter says that block {first!r} of {count} is the first it misses")
    return list(range(first, count))


def _settle(plan: ImagePlan, method: int, good: ImageStatus, bad: ImageStatus) -> Generator[Step, Answer, ImageStatus]:
    """Verify or activate, and wait until the meter says how it went."""
    name = "verify" if method == VERIFY else "activate"
    yield Said(f"{name}: waiting for the meter")
    result = yield Invoke(MethodAddress(IMAGE_CLASS, plan.instance, method), NOTHING)
    if result not in (ActionResult.SUCCESS, ActionResult.TEMPORARY_FAILURE):
        raise _refused(name, result)
    for _poll in range(POLLS_MAX):
        status = yield from _status(plan)
        if status == good:
            return status
        if status == bad:
            raise RefusedError(f"the meter could not {name} the image: status {status.name.lower().replace('_', ' ')}")
        if result == ActionResult.SUCCESS and status == ImageStatus.NOT_INITIATED and method == ACTIVATE:
            return ImageStatus.ACTIVATED  # some forget the transfer once it is done
        yield Pause(POLL_S)
    raise OutcomeUnknown(f"the meter has not said for {POLLS_MAX * POLL_S:g} s how {name} ended: ask its status later")


def _what_would_run(plan: ImagePlan) -> Generator[Step, Answer, PlainValue]:
    """What the meter says that it would activate; a size other than the image's is refused."""
    encoded = yield Read(_attribute(plan, TO_ACTIVATE))
    if not isinstance(encoded, bytes):
        return None
    told = decode_all(encoded)
    if isinstance(told, list) and len(told) == 1 and isinstance(told[0], tuple) and told[0]:
        size = told[0][0]
        if size not in (0, len(plan.image)):
            raise RefusedError(f"the meter would activate {size} octets; the image has {len(plan.image)}")
    return told


def _status(plan: ImagePlan) -> Generator[Step, Answer, ImageStatus]:
    status = yield from _value(plan, STATUS)
    try:
        return ImageStatus(status)
    except ValueError as error:
        raise UnlawfulMessage(f"{status!r} is no status of an image transfer") from error


def _attribute(plan: ImagePlan, number: int) -> AttributeAddress:
    return AttributeAddress(IMAGE_CLASS, plan.instance, number)


def _value(plan: ImagePlan, number: int) -> Generator[Step, Answer, PlainValue]:
    encoded = yield Read(_attribute(plan, number))
    if not isinstance(encoded, bytes):
        raise _refused(f"read attribute {number} of {plan.instance.text}", encoded)
    return decode_all(encoded)


def _invoked(plan: ImagePlan, method: int, parameter: bytes, name: str) -> Generator[Step, Answer, None]:
    result = yield Invoke(MethodAddress(IMAGE_CLASS, plan.instance, method), parameter)
    if result != ActionResult.SUCCESS:
        raise _refused(name, result)


def _refused(name: str, result: Answer) -> RefusedError:
    text = DataAccessResult(result).name.lower().replace("_", " ") if isinstance(result, int) else "no result"
    return RefusedError(f"the meter would not {name}: {text}", result=result)


def run_steps(
    meter: AskedMeter,
    steps: Generator[Step, Answer, ImageReport],
    *,
    tell: Callable[[Said], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> ImageReport:
    """Drive the steps over an open association. tell: is told how far it is.

    Raises what the steps and the meter raise. A lost connection leaves the blocks with the meter: run it again.
    """
    answer: Answer = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as ended:
            report: ImageReport = ended.value
            return report
        answer = None
        if isinstance(step, Said):
            if tell is not None:
                tell(step)
        elif isinstance(step, Pause):
            sleep(step.seconds)
        else:
            answer = _carry_out(meter, step)


def _carry_out(meter: AskedMeter, step: Read | Invoke) -> Answer:
    try:
        if isinstance(step, Read):
            return meter.get(step.address)
        meter.action(step.address, step.parameter)
    except ServiceRefused as refused:
        result = refused.facts.get("result")
        if isinstance(result, int):
            return result
        raise
    except OutcomeUnknown as error:
        raise _lost(step, error) from error
    return int(ActionResult.SUCCESS)


def _lost(step: Read | Invoke, error: MeterworksError) -> MeterworksError:
    """A block that may or may not have arrived does no harm: the bitmap tells when the command is run again."""
    activating = isinstance(step, Invoke) and step.address.method == ACTIVATE
    hint = "it may be restarting: read its firmware identifiers in a while" if activating else "run it again to go on"
    return OutcomeUnknown(f"{error}; {hint}", activating=activating)
