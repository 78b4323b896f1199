"""Firmware by image transfer (class 18): blocks in any order, verified, activated now or at a set time.

The state walks: not initiated, initiated (blocks come), verification initiated (takes a while; asked meanwhile, the
methods say temporary-failure), verified or verification failed, activated. Everything but the image itself is a few
octets in the meter's memory, so a transfer goes on behind a restart where it stopped; initiating the same image again
keeps the blocks that are there, another one drops them. Activation changes the firmware identifier of the part that
the image is made for.  Source: COSEM interface classes, Image transfer (class 18), steps 1 to 7.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from meterworks.devices.errors import FleetStateError, ImageRefused
from meterworks.devices.firmware_image import FirmwareImage, FirmwarePart
from meterworks.devices.image_store import IMAGE_SIZE_MAX, ImagePlace
from meterworks.devices.view import LOG_STANDARD, MeterView
from meterworks.devices.watch import note_change
from meterworks.protocols.dlms import (
    ActionResult,
    BitString,
    DataAccessResult,
    PlainValue,
    encode_array,
    encode_bit_string,
    encode_boolean,
    encode_double_long_unsigned,
    encode_enum,
    encode_octet_string,
    encode_structure,
)

__all__ = ["COMMANDS", "IMAGE_BLOCK_SIZE", "IMAGE_WATCH", "SETTINGS", "STATES", "ImageStatus", "firmware_of"]

IMAGE_BLOCK_SIZE: Final = 1024  # octets of every block but the last
VERIFIED_OCTETS_PER_S: Final = 65_536  # how fast a meter checks what it got
IDENTIFIER_SIZE_MAX: Final = 64
EVENT_READY: Final = 17
EVENT_ACTIVATED: Final = 18
EVENT_VERIFICATION_FAILED: Final = 51
NEVER_S: Final = 2**62
_NAME: Final = bytes((0, 0, 44, 0, 0, 255))
_STATE_KEY: Final = (_NAME, 0x100)
_STATE: Final = struct.Struct("<BBIq")
_FIRMWARE_KEYS: Final[Mapping[FirmwarePart, tuple[bytes, int]]] = {
    "metrology": (bytes((1, 0, 0, 2, 0, 255)), 0x100),
    "management": (bytes((1, 0, 0, 2, 1, 255)), 0x100),
}


class ImageStatus(IntEnum):
    """Attribute 6."""

    NOT_INITIATED = 0
    INITIATED = 1
    VERIFICATION_INITIATED = 2
    VERIFIED = 3
    VERIFICATION_FAILED = 4
    ACTIVATION_INITIATED = 5
    ACTIVATED = 6
    ACTIVATION_FAILED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class _Transfer:
    """What a meter remembers of a transfer. verified_s: when verification will be over."""

    status: ImageStatus = ImageStatus.NOT_INITIATED
    enabled: bool = True
    size: int = 0
    verified_s: int = NEVER_S
    identifier: bytes = b""
    signature: bytes = b""

    @property
    def blocks(self) -> int:
        return -(-self.size // IMAGE_BLOCK_SIZE)

    def place(self, view: MeterView) -> ImagePlace:
        return ImagePlace(view.specification.system_title, self.size, self.blocks)

    def to_bytes(self) -> bytes:
        head = _STATE.pack(self.status, self.enabled, self.size, self.verified_s)
        return head + bytes((len(self.identifier),)) + self.identifier + self.signature

    @classmethod
    def from_bytes(cls, octets: bytes) -> "_Transfer":
        status, enabled, size, verified_s = _STATE.unpack_from(octets)
        length = octets[_STATE.size]
        rest = octets[_STATE.size + 1 :]
        return cls(
            status=ImageStatus(status), enabled=bool(enabled), size=size, verified_s=verified_s,
            identifier=rest[:length], signature=rest[length:],
        )  # fmt: skip


_FACTORY: Final = _Transfer()
#: States in which blocks are taken: also after a failed verification, to put right what was wrong.
_TAKING: Final = frozenset({ImageStatus.INITIATED, ImageStatus.VERIFICATION_FAILED})


def firmware_of(view: MeterView, part: FirmwarePart) -> str:
    """Give the version of the firmware in force: the one activated last, or the one the meter was made with."""
    activated = view.written(_FIRMWARE_KEYS[part])
    return str(getattr(view.specification, f"{part}_firmware")) if activated is None else activated.decode("ascii")


def _transfer(view: MeterView) -> _Transfer:
    kept = view.written(_STATE_KEY)
    return _FACTORY if kept is None else _Transfer.from_bytes(kept)


def _keep(view: MeterView, transfer: _Transfer) -> None:
    view.write(_STATE_KEY, transfer.to_bytes())


def _arrived(view: MeterView, transfer: _Transfer) -> bytes:
    """Give a bit per block; none once the image is gone."""
    if transfer.status in (ImageStatus.NOT_INITIATED, ImageStatus.ACTIVATED):
        return b""
    return view.state.images.arrived(transfer.place(view))


def _first_missing(bits: bytes, blocks: int) -> int:
    """Give the number of the first block that is not there; the number of blocks when all are."""
    for octet, held in enumerate(bits):
        if held != 0xFF:
            missing = next(bit for bit in range(8) if not held & 0x80 >> bit)
            return min(octet * 8 + missing, blocks)
    return blocks


# --- methods ---------------------------------------------------------------------------------------------------------

_Step = Callable[[MeterView, _Transfer, PlainValue], ActionResult]


def _method(step: _Step) -> Callable[[MeterView, PlainValue], ActionResult]:
    """Make a method of a step: only while transfers are enabled, and a disk that refuses is a fault of the meter's."""

    def execute(view: MeterView, parameter: PlainValue) -> ActionResult:
        transfer = _transfer(view)
        if not transfer.enabled:
            return ActionResult.READ_WRITE_DENIED
        if transfer.status is ImageStatus.VERIFICATION_INITIATED:
            return ActionResult.TEMPORARY_FAILURE
        try:
            return step(view, transfer, parameter)
        except FleetStateError:
            return ActionResult.HARDWARE_FAULT

    return execute


def _initiate(view: MeterView, transfer: _Transfer, parameter: PlainValue) -> ActionResult:
    match parameter:
        case (bytes(identifier), int(size)):
            pass
        case _:
            return ActionResult.TYPE_UNMATCHED
    if not (0 < len(identifier) <= IDENTIFIER_SIZE_MAX and 0 < size <= IMAGE_SIZE_MAX):
        return ActionResult.OTHER_REASON
    same = (identifier, size) == (transfer.identifier, transfer.size)
    begun = _Transfer(status=ImageStatus.INITIATED, size=size, identifier=identifier)
    if not (same and transfer.status in _TAKING):
        view.state.images.begin(begun.place(view))
    _keep(view, begun)
    return ActionResult.SUCCESS


def _take_block(view: MeterView, transfer: _Transfer, parameter: PlainValue) -> ActionResult:
    match parameter:
        case (int(number), bytes(block)):
            pass
        case _:
            return ActionResult.TYPE_UNMATCHED
    if transfer.status not in _TAKING or not 0 <= number < transfer.blocks:
        return ActionResult.OTHER_REASON
    offset = number * IMAGE_BLOCK_SIZE
    if len(block) != min(IMAGE_BLOCK_SIZE, transfer.size - offset):
        return ActionResult.OTHER_REASON
    view.state.images.put(transfer.place(view), number, offset, block)
    if transfer.status is ImageStatus.VERIFICATION_FAILED:
        _keep(view, replace(transfer, status=ImageStatus.INITIATED))
    return ActionResult.SUCCESS


def _verify(view: MeterView, transfer: _Transfer, parameter: PlainValue) -> ActionResult:
    """Begin to verify; a large image takes its time, and the client asks for the status meanwhile."""
    del parameter  # integer 0 by the standard, without meaning
    if transfer.status is ImageStatus.VERIFIED:
        return ActionResult.SUCCESS
    if transfer.status not in _TAKING:
        return ActionResult.OTHER_REASON
    if _first_missing(_arrived(view, transfer), transfer.blocks) < transfer.blocks:
        return ActionResult.OTHER_REASON
    now_s = int(view.now_epoch_s())
    begun = replace(
        transfer,
        status=ImageStatus.VERIFICATION_INITIATED,
        verified_s=now_s + transfer.size // VERIFIED_OCTETS_PER_S,
    )
    if begun.verified_s > now_s:
        _keep(view, begun)
        note_change(view)
        return ActionResult.TEMPORARY_FAILURE
    return ActionResult.SUCCESS if _judge(view, begun, now_s) else ActionResult.OTHER_REASON


def _judge(view: MeterView, transfer: _Transfer, at_s: int) -> bool:
    """End verification: ask the verifier, keep and record what it says."""
    try:
        sound = _sound_image(view, transfer)
    except ImageRefused:
        _keep(view, replace(transfer, status=ImageStatus.VERIFICATION_FAILED, verified_s=NEVER_S))
        view.record(LOG_STANDARD, EVENT_VERIFICATION_FAILED, at_s=at_s)
        return False
    _keep(view, replace(transfer, status=ImageStatus.VERIFIED, verified_s=NEVER_S, signature=sound.signature))
    view.record(LOG_STANDARD, EVENT_READY, at_s=at_s)
    return True


def _sound_image(view: MeterView, transfer: _Transfer) -> FirmwareImage:
    """Raise ImageRefused for an image that must not run."""
    image = view.state.images.image(transfer.place(view))
    return view.state.image_verifier.verify(transfer.identifier, image)


def _activate(view: MeterView, transfer: _Transfer, parameter: PlainValue) -> ActionResult:
    """Put the image in force; one not verified yet is verified first, as the standard wants it.

    The image is looked at again: what lay on the disk since may not be what was verified.
    """
    if transfer.status in _TAKING:
        result = _verify(view, transfer, parameter)
        if result is not ActionResult.SUCCESS:
            return result
        transfer = _transfer(view)
    if transfer.status is not ImageStatus.VERIFIED:
        return ActionResult.OTHER_REASON
    try:
        sound = _sound_image(view, transfer)
    except ImageRefused:
        _keep(view, replace(transfer, status=ImageStatus.ACTIVATION_FAILED))
        view.record(LOG_STANDARD, EVENT_VERIFICATION_FAILED)
        return ActionResult.OTHER_REASON
    view.write(_FIRMWARE_KEYS[sound.part], sound.version.encode("ascii", "replace"))
    _keep(view, replace(transfer, status=ImageStatus.ACTIVATED))
    view.state.images.drop(view.specification.system_title)
    view.record(LOG_STANDARD, EVENT_ACTIVATED)
    return ActionResult.SUCCESS


_activate_image: Final = _method(_activate)


def _execute_activation_script(view: MeterView, parameter: PlainValue) -> ActionResult:
    """Script 1 activates the image."""
    return _activate_image(view, None) if parameter == 1 else ActionResult.OTHER_REASON


class _VerificationWatch:
    """Ends a verification when its time is over, though nobody asks."""

    def is_active(self, view: MeterView) -> bool:
        """Tell whether an image is being verified."""
        return _transfer(view).status is ImageStatus.VERIFICATION_INITIATED

    def due(self, view: MeterView, after_s: int, until_s: int) -> int | None:
        """Give when verification is over."""
        transfer = _transfer(view)
        if transfer.status is not ImageStatus.VERIFICATION_INITIATED or transfer.verified_s > until_s:
            return None
        return max(transfer.verified_s, after_s + 1)

    def act(self, view: MeterView, at_s: int) -> None:
        """Say what came of it. A disk that cannot be read has not verified anything."""
        try:
            _judge(view, _transfer(view), at_s)
        except FleetStateError:
            _keep(view, replace(_transfer(view), status=ImageStatus.VERIFICATION_FAILED))


IMAGE_WATCH: Final = _VerificationWatch()


# --- attributes ------------------------------------------------------------------------------------------------------


def _transferred(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    transfer = _transfer(view)
    bits = _arrived(view, transfer)
    return encode_bit_string(BitString(transfer.blocks if bits else 0, bits))


def _first_not_transferred(view: MeterView, client_sap: int) -> bytes:
    del client_sap
    transfer = _transfer(view)
    return encode_double_long_unsigned(_first_missing(_arrived(view, transfer), transfer.blocks))


def _to_activate(view: MeterView, client_sap: int) -> bytes:
    """One image, once it is verified."""
    del client_sap
    transfer = _transfer(view)
    if transfer.status is not ImageStatus.VERIFIED:
        return encode_array([])
    return encode_array(
        [
            encode_structure(
                encode_double_long_unsigned(transfer.size),
                encode_octet_string(transfer.identifier),
                encode_octet_string(transfer.signature),
            )
        ]
    )


def _set_enabled(view: MeterView, value: PlainValue) -> DataAccessResult:
    _keep(view, replace(_transfer(view), enabled=bool(value)))
    return DataAccessResult.SUCCESS


STATES: Final[Mapping[str, Callable[[MeterView, int], bytes]]] = {
    "image_transferred_blocks": _transferred,
    "image_first_not_transferred": _first_not_transferred,
    "image_enabled": lambda view, client_sap: encode_boolean(_transfer(view).enabled),
    "image_status": lambda view, client_sap: encode_enum(_transfer(view).status),
    "image_to_activate": _to_activate,
}
SETTINGS: Final[Mapping[str, Callable[[MeterView, PlainValue], DataAccessResult]]] = {"image_enabled": _set_enabled}
COMMANDS: Final[Mapping[str, Callable[[MeterView, PlainValue], ActionResult]]] = {
    "image_initiate": _method(_initiate),
    "image_block_transfer": _method(_take_block),
    "image_verify": _method(_verify),
    "image_activate": _activate_image,
    "execute_activation_script": _execute_activation_script,
}
