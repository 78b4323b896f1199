"""Confirmations: the writer's word that reading sets are durable, read from a position that is ours.

The position is stored in the same transaction as the ranges it crossed off; after a crash the same confirmations are
read again, which changes nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from meterworks.errors import MeterworksError, PeerError
from meterworks.headend.expectation import ConfirmedSet, ExpectationTable
from meterworks.readings import COMMITTED_STREAM
from meterworks.runtime import Bus, Clock, Message, counter, get_logger

__all__ = ["Confirmation", "ConfirmationReader", "decode_confirmation"]

log = get_logger("headend.confirmation")

BATCH_MESSAGES_MAX = 200
BATCH_BYTES_MAX = 16_000_000
FETCH_S_MAX = 1.0
PAUSE_S = 1.0
CONFIRMED = counter("headend_sets_confirmed_total", "Reading sets confirmed by the writer")


@dataclass(frozen=True, slots=True)
class Confirmation:
    """One message of the writer: how far it has come, what is durable, what it can never store and why."""

    position: int
    confirmed: tuple[ConfirmedSet, ...]
    rejected: tuple[tuple[str, str], ...]


def decode_confirmation(data: bytes) -> Confirmation:
    """Read a message of the writer. PeerError if malformed."""
    try:
        body = orjson.loads(data)
        return Confirmation(
            int(body["position"]),
            tuple(_confirmed(each) for each in body["sets"]),
            tuple((str(each["set_id"]), str(each["reason"])) for each in body.get("rejected", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PeerError(f"a confirmation of the writer cannot be read: {error!r}") from error


def _confirmed(row: Mapping[str, Any]) -> ConfirmedSet:
    return ConfirmedSet(str(row["set_id"]), int(row["device"]), str(row["profile"]), int(row["start"]), int(row["end"]))


class ConfirmationReader:
    """Reads confirmations and crosses off. `run()` until cancelled."""

    def __init__(self, bus: Bus, table: ExpectationTable, clock: Clock, *, position: int) -> None:
        self._bus = bus
        self._table = table
        self._clock = clock
        self.position = position
        """Position in the stream of confirmations up to which all is crossed off."""
        self.committed_position = 0
        """Position in the stream of reading sets up to which the writer has committed."""
        self.on_rejected: Callable[[str, str], None] = lambda set_id, reason: None
        """Told of sets the writer can never store, and why."""

    async def run(self) -> None:
        """Follow the stream."""
        while True:
            try:
                await self.read_once(timeout_s=FETCH_S_MAX)
            except MeterworksError as error:
                log.warning("confirmations cannot be read", error=str(error))
                await self._clock.sleep(PAUSE_S)

    async def read_once(self, *, timeout_s: float) -> int:
        """Take what there is, waiting for the first up to `timeout_s`. Gives the number of messages."""
        messages = await self._bus.fetch(
            COMMITTED_STREAM,
            after_sequence=self.position,
            subject=None,
            batch_max=BATCH_MESSAGES_MAX,
            bytes_max=BATCH_BYTES_MAX,
            timeout_s=timeout_s,
        )
        self._cross_off(messages)
        return len(messages)

    def _cross_off(self, messages: Iterable[Message]) -> None:
        for message in messages:
            try:
                told = decode_confirmation(message.data)
            except PeerError as error:
                log.warning("confirmation passed over", sequence=message.sequence, error=str(error))
            else:
                CONFIRMED.inc(self._table.confirm(told.confirmed))
                for set_id, reason in told.rejected:
                    self.on_rejected(set_id, reason)
                self.committed_position = told.position
            self.position = message.sequence  # also backwards, when the stream was made anew
