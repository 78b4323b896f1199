"""Devices that were met with the operator's certificates: the pki process is told, and the maker's end with that.

Telling is repeated until it was heard, and again after a restart; whoever is commissioned already is passed over there.
"""

import asyncio
from typing import Final

import orjson

from meterworks.errors import MeterworksError
from meterworks.runtime import Bus, get_logger
from meterworks.trust.pki import COMMISSION_SUBJECT

__all__ = ["FirstContacts"]

TELL_S: Final = 1.0  # gathered for so long, so that a fleet is told of in few messages
RETRY_S_MAX: Final = 60.0
BATCH_MAX: Final = 250  # identities in one message
ANSWER_S: Final = 30.0

log = get_logger("headend.first_contact")


class FirstContacts:
    """Gathers identities and tells each once. `run` until cancelled."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._known: set[str] = set()
        self._waiting: list[str] = []
        self._woken = asyncio.Event()

    def met(self, identity: str) -> None:
        """Take note of a device whose certificate the handshake accepted."""
        if identity not in self._known:
            self._known.add(identity)
            self._waiting.append(identity)
            self._woken.set()

    async def run(self) -> None:
        """Tell what was met, in batches; what was not heard is told again, less and less often."""
        wait_s = TELL_S
        while True:
            await self._woken.wait()
            await asyncio.sleep(wait_s)
            batch = self._waiting[:BATCH_MAX]
            try:
                await self._bus.request(COMMISSION_SUBJECT, orjson.dumps({"devices": batch}), timeout_s=ANSWER_S)
            except MeterworksError as error:
                wait_s = min(2 * wait_s, RETRY_S_MAX)
                log.debug("first contacts not told", devices=len(batch), again_in_s=wait_s, reason=str(error))
                continue
            wait_s = TELL_S
            del self._waiting[: len(batch)]
            if not self._waiting:
                self._woken.clear()
