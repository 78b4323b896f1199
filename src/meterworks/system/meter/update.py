"""A whole update of a meter or of an M-Bus device behind it: firmware identifiers, image, verification, activation.

A broken connection is no end: the association is opened again and the transfer goes on where the meter's bitmap says.
After an activation the meter may restart, so its firmware identifiers are asked for until it is back.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from meterworks.errors import MeterworksError, OutcomeUnknown, RefusedError, UnreachableError
from meterworks.protocols import ServiceRefused
from meterworks.protocols.dlms import AttributeAddress, ObisCode, decode_all
from meterworks.system.meter.access import MeterAccess, meter_session
from meterworks.system.meter.image import (
    IMAGE_CLASS,
    ImagePlan,
    ImageReport,
    ImageStatus,
    Said,
    image_steps,
    run_steps,
)
from meterworks.system.meter.link import AskedMeter
from meterworks.system.meter.objects import ObjectBook, read_book
from meterworks.system.meter.value import plain_json

__all__ = ["UpdateReport", "firmware_identifiers", "update_document", "update_meter"]

ATTEMPTS: Final = 5
PAUSE_S: Final = 3.0
RESTARTS_MAX: Final = 20  # times that a meter which may be restarting is called
MBUS_CLIENT_CLASS: Final = 72
MBUS_VERSION: Final = 8

Tell = Callable[[Said], None]
Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """What came of an update. before, after: firmware identifiers by OBIS code; after is None where nobody answered."""

    image: ImageReport
    before: dict[str, str]
    after: dict[str, str] | None
    connections: int


def firmware_identifiers(meter: AskedMeter, book: ObjectBook, channel: int = 0) -> dict[str, str]:
    """The identifiers of the firmware that runs, of the meter (channel 0) or of the M-Bus device on a channel."""
    found: dict[str, str] = {}
    for entry in book.entries:
        code = entry.obis_code
        number = 2 if entry.class_id == 1 and _is_firmware(code, channel) else 0
        if entry.class_id == MBUS_CLIENT_CLASS and channel and code[1] == channel:
            number = MBUS_VERSION
        if not number:
            continue
        try:
            value = decode_all(meter.get(AttributeAddress(entry.class_id, code, number)))
        except ServiceRefused:
            continue
        found[code.text] = str(plain_json(value))
    return found


def _is_firmware(code: ObisCode, channel: int) -> bool:
    """Codes a-b:0.2.e, and 0-0:2.0.1 of a communication module."""
    return code[1] == channel and (code[2:4] == b"\x00\x02" or code == b"\x00\x00\x02\x00\x01\xff")


def update_meter(
    access: MeterAccess,
    plan: ImagePlan,
    *,
    tell: Tell | None = None,
    sleep: Sleep = time.sleep,
) -> UpdateReport:
    """Carry out an update. Raises RefusedError, OutcomeUnknown, UnreachableError where the meter stays away."""
    before: dict[str, str] | None = None
    connections = 0
    while True:
        connections += 1
        try:
            with meter_session(access) as meter:
                if before is None:
                    before = _identifiers_of(meter.client, plan)
                report = run_steps(meter.client, image_steps(plan), tell=tell, sleep=sleep)
            break
        except (UnreachableError, OutcomeUnknown) as error:
            if connections == 1 and before is None:
                raise  # never got in: nothing to go on with
            if connections >= ATTEMPTS or error.facts.get("activating"):
                raise
            if tell is not None:
                tell(Said(f"{error}; going on"))
            sleep(PAUSE_S)
    after = None
    if report.status is ImageStatus.ACTIVATED:
        after = _after(access, plan, tell, sleep)
    return UpdateReport(image=report, before=before, after=after, connections=connections)


def _identifiers_of(meter: AskedMeter, plan: ImagePlan) -> dict[str, str]:
    book = read_book(meter)
    if book.entry(plan.instance, IMAGE_CLASS) is None:
        offered = ", ".join(entry.obis_code.text for entry in book.entries if entry.class_id == IMAGE_CLASS) or "none"
        raise RefusedError(f"the meter shows this client no image transfer {plan.instance.text}; it has {offered}")
    return firmware_identifiers(meter, book, plan.instance[1])


def _after(access: MeterAccess, plan: ImagePlan, tell: Tell | None, sleep: Sleep) -> dict[str, str] | None:
    """Firmware identifiers once the meter is back; None where it does not come back in time."""
    again = replace(access, counter=None) if access.counter_file is None else access
    for _attempt in range(RESTARTS_MAX):
        try:
            with meter_session(again) as meter:
                return firmware_identifiers(meter.client, read_book(meter.client), plan.instance[1])
        except MeterworksError as error:
            if tell is not None:
                tell(Said(f"waiting for the meter: {error}"))
            sleep(PAUSE_S)
    return None


def update_document(report: UpdateReport) -> dict[str, object]:
    """An update for JSON."""
    image = report.image
    return {
        "status": image.status.name.lower(),
        "blocks": image.blocks,
        "block_size": image.block_size,
        "blocks_kept": image.kept,
        "blocks_sent": image.sent,
        "to_activate": plain_json(image.to_activate),
        "connections": report.connections,
        "firmware_before": report.before,
        "firmware_after": report.after,
    }
