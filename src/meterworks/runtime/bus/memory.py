"""The bus's in-process twin: the same promises without a server, for tests and for the seeded simulation."""

import asyncio
import itertools
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from meterworks.runtime.bus.contract import (
    DUPLICATE_WINDOW_S,
    MAX_AGE_S,
    MAX_BYTES,
    PAYLOAD_SIZE_MAX,
    Handler,
    Message,
    Responder,
    StreamLimits,
    Subscription,
    WhenFull,
    checked_headers,
    checked_key,
    checked_subject,
    subject_matches,
)
from meterworks.runtime.bus.failure import answer, error_of
from meterworks.runtime.clock import Clock, SystemClock
from meterworks.runtime.errors import BusUnreachableError, BusUsageError
from meterworks.runtime.telemetry import get_logger

__all__ = ["MemoryBus"]

RESET = 0  # no stream's incarnation: the reader has not yet got a message of the new stream

_log = get_logger("runtime.bus")


@dataclass(slots=True)
class _Stream:
    subjects: tuple[str, ...]
    limits: StreamLimits
    created: int
    messages: deque[tuple[float, Message]] = field(default_factory=deque)  # with the time each was published
    size: int = 0
    last_sequence: int = 0
    seen: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)  # message id: time, sequence
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    def expire(self, now_s: float) -> None:
        while self.messages and self.messages[0][0] <= now_s - self.limits.max_age_s:
            self.drop_oldest()
        while self.seen and next(iter(self.seen.values()))[0] <= now_s - self.limits.duplicate_window_s:
            self.seen.popitem(last=False)

    def drop_oldest(self) -> None:
        self.size -= len(self.messages.popleft()[1].data)


class _Listener:
    """A handler with its own queue and task, so that a slow one delays nobody else."""

    def __init__(
        self, pattern: str, handle: Callable[[Message], Awaitable[None]], leave: Callable[["_Listener"], None]
    ):
        self.pattern = pattern
        self._handle = handle
        self._leave = leave
        self._queue: asyncio.Queue[Message] = asyncio.Queue()
        self._task = asyncio.create_task(self._run())

    def offer(self, message: Message) -> None:
        self._queue.put_nowait(message)

    async def _run(self) -> None:
        while True:
            message = await self._queue.get()
            try:
                await self._handle(message)
            except Exception:  # noqa: BLE001  # the shell of someone else's handler
                _log.exception("a subscriber failed", subject=message.subject)

    async def unsubscribe(self) -> None:
        """Take the handler away."""
        self._leave(self)
        self._task.cancel()
        if self._task is not asyncio.current_task():
            await asyncio.gather(self._task, return_exceptions=True)


class _ResponderSubscription:
    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave

    async def unsubscribe(self) -> None:
        """Take the responder away."""
        self._leave()


class MemoryBus:
    """A bus of one process and one event loop. Hand the same object to all who shall meet on it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._streams: dict[str, _Stream] = {}
        self._incarnations = itertools.count(1)
        self._seen_incarnation: dict[tuple[str, str | None], int] = {}
        self._buckets: dict[str, dict[str, bytes]] = {}
        self._listeners: list[_Listener] = []
        self._responders: list[tuple[str, Responder]] = []
        self._closed = False

    async def ensure_stream(
        self,
        name: str,
        subjects: Sequence[str],
        *,
        max_age_s: float = MAX_AGE_S,
        max_bytes: int = MAX_BYTES,
        duplicate_window_s: float = DUPLICATE_WINDOW_S,
        when_full: WhenFull = "drop-oldest",
    ) -> None:
        """See Bus."""
        self._check_open()
        checked_key(name)
        limits = StreamLimits(
            max_age_s=max_age_s, max_bytes=max_bytes, duplicate_window_s=duplicate_window_s, when_full=when_full
        )
        patterns = tuple(checked_subject(subject, pattern=True) for subject in subjects)
        known = self._streams.get(name)
        if known is None:
            self._streams[name] = _Stream(patterns, limits, next(self._incarnations))
        else:
            known.subjects, known.limits = patterns, limits

    async def delete_stream(self, name: str) -> None:
        """See Bus."""
        self._check_open()
        self._streams.pop(name, None)

    async def publish(
        self, subject: str, data: bytes, *, headers: Mapping[str, str] | None = None, message_id: str | None = None
    ) -> int:
        """See Bus."""
        self._check_open()
        checked_subject(subject)
        _check_size(subject, data)
        given = checked_headers(headers)
        stream = self._stream_of(subject)
        now_s = self._clock.epoch_s()
        stream.expire(now_s)
        if message_id is not None and message_id in stream.seen:
            return stream.seen[message_id][1]
        while stream.messages and stream.size + len(data) > stream.limits.max_bytes:
            if stream.limits.when_full == "refuse":
                raise BusUnreachableError(f"the stream that keeps {subject} is full", subject=subject)
            stream.drop_oldest()
        stream.last_sequence += 1
        message = Message(subject=subject, data=bytes(data), headers=given, sequence=stream.last_sequence)
        stream.messages.append((now_s, message))
        stream.size += len(data)
        if message_id is not None:
            stream.seen[message_id] = now_s, message.sequence
        self._deliver(Message(subject=subject, data=message.data, headers=given))
        async with stream.arrived:
            stream.arrived.notify_all()
        return message.sequence

    async def fetch(
        self,
        stream: str,
        *,
        after_sequence: int = 0,
        subject: str | None = None,
        batch_max: int = 256,
        bytes_max: int = 32 * 2**20,
        timeout_s: float = 1.0,
    ) -> list[Message]:
        """See Bus."""
        self._check_open()
        if subject is not None:
            checked_subject(subject, pattern=True)
        kept = self._named(stream)
        reset = self._is_reset(stream, kept, subject, after_sequence)
        position = 0 if reset else after_sequence
        try:
            async with asyncio.timeout(timeout_s), kept.arrived:
                while True:
                    messages = self._after(kept, position, subject, batch_max, bytes_max)
                    if messages:
                        self._seen_incarnation[stream, subject] = kept.created
                        return messages
                    await kept.arrived.wait()
        except TimeoutError:
            return []

    async def last_sequence(self, stream: str) -> int:
        """See Bus."""
        self._check_open()
        return self._named(stream).last_sequence

    async def trim(self, stream: str, before_sequence: int) -> None:
        """See Bus."""
        self._check_open()
        kept = self._named(stream)
        while kept.messages and kept.messages[0][1].sequence < before_sequence:
            kept.drop_oldest()

    async def send(self, subject: str, data: bytes, *, headers: Mapping[str, str] | None = None) -> None:
        """See Bus."""
        self._check_open()
        checked_subject(subject)
        _check_size(subject, data)
        self._deliver(Message(subject=subject, data=bytes(data), headers=checked_headers(headers)))
        await asyncio.sleep(0)

    async def subscribe(self, subject: str, handler: Handler) -> Subscription:
        """See Bus."""
        self._check_open()
        listener = _Listener(checked_subject(subject, pattern=True), handler, self._forget)
        self._listeners.append(listener)
        return listener

    async def request(self, subject: str, data: bytes, *, timeout_s: float = 10.0) -> bytes:
        """See Bus."""
        self._check_open()
        checked_subject(subject)
        _check_size(subject, data)
        found = next((entry for entry in self._responders if subject_matches(entry[0], subject)), None)
        if found is None:
            raise BusUnreachableError(f"nobody responds at {subject}", subject=subject)
        self._responders.remove(found)  # the next request goes to the next responder
        self._responders.append(found)
        try:
            async with asyncio.timeout(timeout_s):
                reply, headers = await answer(found[1], subject, bytes(data))
        except TimeoutError as error:
            raise BusUnreachableError(
                f"no answer from {subject} within {timeout_s} s", subject=subject, waited_s=timeout_s
            ) from error
        failure = error_of(subject, headers)
        if failure is not None:
            raise failure
        return reply

    async def respond(self, subject: str, handler: Responder) -> Subscription:
        """See Bus."""
        self._check_open()
        entry = (checked_subject(subject, pattern=True), handler)
        self._responders.append(entry)
        return _ResponderSubscription(lambda: self._responders.remove(entry) if entry in self._responders else None)

    async def put(self, bucket: str, key: str, value: bytes) -> None:
        """See Bus."""
        await self.put_many(bucket, {key: value})

    async def put_many(self, bucket: str, values: Mapping[str, bytes]) -> None:
        """See Bus."""
        self._check_open()
        checked_key(bucket)
        self._buckets.setdefault(bucket, {}).update({checked_key(key): bytes(value) for key, value in values.items()})

    async def get(self, bucket: str, key: str) -> bytes | None:
        """See Bus."""
        return (await self.get_many(bucket, [key])).get(key)

    async def get_many(self, bucket: str, keys: Sequence[str]) -> dict[str, bytes]:
        """See Bus."""
        self._check_open()
        values = self._buckets.get(checked_key(bucket), {})
        return {key: values[key] for key in keys if checked_key(key) in values}

    async def close(self) -> None:
        """See Bus."""
        self._closed = True
        for listener in list(self._listeners):
            await listener.unsubscribe()
        self._responders.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise BusUnreachableError("the bus was closed")

    def _named(self, name: str) -> _Stream:
        stream = self._streams.get(name)
        if stream is None:
            raise BusUnreachableError(f"there is no stream {name}", stream=name)
        stream.expire(self._clock.epoch_s())
        return stream

    def _stream_of(self, subject: str) -> _Stream:
        for stream in self._streams.values():
            if any(subject_matches(pattern, subject) for pattern in stream.subjects):
                return stream
        raise BusUnreachableError(f"no stream keeps {subject}: ensure one first", subject=subject)

    def _is_reset(self, name: str, stream: _Stream, subject: str | None, after_sequence: int) -> bool:
        """Whether the reader's position belongs to an earlier stream of this name; true until it got a message."""
        known = self._seen_incarnation.get((name, subject))
        reset = after_sequence > stream.last_sequence or known not in (None, stream.created)
        if reset and after_sequence > 0 and known != RESET:
            _log.warning("a stream was reset: reading it from its first message", stream=name, position=after_sequence)
        self._seen_incarnation[name, subject] = RESET if reset else stream.created
        return reset

    def _after(
        self, stream: _Stream, position: int, subject: str | None, batch_max: int, bytes_max: int
    ) -> list[Message]:
        messages: list[Message] = []
        size = 0
        skipped = max(0, position + 1 - stream.messages[0][1].sequence) if stream.messages else 0
        for _, message in itertools.islice(stream.messages, skipped, None):
            if subject is not None and not subject_matches(subject, message.subject):
                continue
            size += len(message.data)
            if messages and (size > bytes_max or len(messages) >= batch_max):
                break
            messages.append(message)
        return messages

    def _deliver(self, message: Message) -> None:
        for listener in self._listeners:
            if subject_matches(listener.pattern, message.subject):
                listener.offer(message)

    def _forget(self, listener: _Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)


def _check_size(subject: str, data: bytes) -> None:
    if len(data) > PAYLOAD_SIZE_MAX:
        raise BusUsageError(
            f"a message of {len(data)} bytes on {subject} is over the bus's limit of {PAYLOAD_SIZE_MAX}"
        )
