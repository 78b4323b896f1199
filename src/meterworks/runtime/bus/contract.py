"""What a message bus promises, whichever kind it is.

Streams keep messages: every message published on a stream's subjects gets the next sequence number of the stream, from
1 on, and stays until it is trimmed or its stream's limits drop it. A reader owns its position: it asks for what comes
after a sequence, and keeps the last one it has dealt with where it keeps its results. It acknowledges nothing to the
bus.

Core messages (`send`, `request`) reach whoever listens at the moment and are kept nowhere.

A subject is words joined by dots. In a pattern `*` stands for one word and a last `>` for one or more.
"""

import re
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from meterworks.runtime.errors import BusUsageError, SettingsError

__all__ = [
    "Bus",
    "BusSettings",
    "Handler",
    "Message",
    "Responder",
    "StreamLimits",
    "Subscription",
    "WhenFull",
    "checked_headers",
    "checked_key",
    "checked_subject",
    "subject_matches",
]

WhenFull = Literal["drop-oldest", "refuse"]

MAX_AGE_S = 7 * 86_400.0
MAX_BYTES = 2**30
DUPLICATE_WINDOW_S = 120.0  # must exceed the longest retry of a publisher
PAYLOAD_SIZE_MAX = 8 * 2**20

_WORD = r"[^\s.*>\x00-\x1f]+"
_SUBJECT = re.compile(rf"{_WORD}(\.{_WORD})*")
_PATTERN = re.compile(rf"(({_WORD}|\*)\.)*({_WORD}|\*|>)")
_KEY = re.compile(r"[A-Za-z0-9_=/-]+(\.[A-Za-z0-9_=/-]+)*")
_HEADER_NAME = re.compile(r"[A-Za-z0-9_-]+")
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as a reader or subscriber gets it."""

    subject: str
    data: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)
    sequence: int = 0  # of the stream it was read from; 0 for a core message


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """What a stream keeps at most, and how long it knows the message ids it has seen."""

    max_age_s: float = MAX_AGE_S
    max_bytes: int = MAX_BYTES
    duplicate_window_s: float = DUPLICATE_WINDOW_S
    when_full: WhenFull = "drop-oldest"


@dataclass(frozen=True, kw_only=True)
class BusSettings:
    """Where the bus is, and how patient we are with it."""

    url: str = "nats://127.0.0.1:4222"  # several, joined by commas, for a cluster; memory:// for the in-process twin
    client_name: str = "meterworks"
    inbox_prefix: str = "_INBOX"  # answers come below it: where a server gives each client rights, its own
    connect_timeout_s: float = 10.0  # for the first connection; afterwards it is tried again without end
    patience_s: float = 30.0  # how long a call goes on trying before it tells that the bus is unreachable
    in_flight_bytes_max: int = 32 * 2**20  # published and not yet acknowledged
    tls: ssl.SSLContext | None = None  # with it, a server that talks plainly is refused
    check_server: Callable[[ssl.SSLObject], object] | None = None  # with `tls`; raises for a server of another role
    tls_first: bool = False  # the server begins with the handshake, as our own does, and not with a greeting

    def __post_init__(self) -> None:
        if not 0 < self.patience_s < DUPLICATE_WINDOW_S:
            raise SettingsError(
                f"the bus's patience of {self.patience_s} s is not in 0..{DUPLICATE_WINDOW_S:g} s: a publisher that"
                " tries longer than the stream knows message ids would publish twice",
                value=self.patience_s,
            )


Handler = Callable[[Message], Awaitable[None]]
Responder = Callable[[bytes], Awaitable[bytes]]


class Subscription(Protocol):
    """A handler or responder in place."""

    async def unsubscribe(self) -> None:
        """Take it away. A second time changes nothing."""
        ...


class Bus(Protocol):
    """A message bus. Every call may raise UnreachableError (safe to retry) and UsageError (a name that cannot be)."""

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
        """Make the stream, or change it to these limits; its messages stay.

        when_full: the oldest messages give way, or `publish` is refused until the stream is trimmed (and so waits, up
        to the bus's patience).
        """
        ...

    async def delete_stream(self, name: str) -> None:
        """Delete the stream and its messages; deleting what is not there changes nothing."""
        ...

    async def publish(
        self, subject: str, data: bytes, *, headers: Mapping[str, str] | None = None, message_id: str | None = None
    ) -> int:
        """Hand a message to the stream that keeps the subject; gives its sequence once the stream has it.

        Tried again under the same message id until acknowledged: within the stream's duplicate window a message is kept
        once, however often it is published under its id (by default an id of this call). After an UnreachableError it
        may be there or not; publishing again under the same id is safe. Concurrent calls travel together: for
        throughput gather them.
        """
        ...

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
        """Messages of the stream after a sequence, in order; waits up to `timeout_s` for the first, [] if none comes.

        subject: only those that match the pattern. bytes_max: about; at least one message is always given. While the
        bus is away the call waits for it as long as the bus is patient, then raises UnreachableError.
        **A stream that was deleted and made again starts at 1.** When the reader's position belongs to the earlier one,
        the messages given start from the stream's first: that is the case when `messages[0].sequence <=
        after_sequence`, or when a warning "a stream was reset" is logged.
        """
        ...

    async def last_sequence(self, stream: str) -> int:
        """The sequence of the last message ever given to the stream, 0 for a new one."""
        ...

    async def trim(self, stream: str, before_sequence: int) -> None:
        """Drop the messages before a sequence: no reader needs them any more."""
        ...

    async def send(self, subject: str, data: bytes, *, headers: Mapping[str, str] | None = None) -> None:
        """Send a core message to whoever listens now. Not kept, not confirmed."""
        ...

    async def subscribe(self, subject: str, handler: Handler) -> Subscription:
        """Call the handler for each core or published message on the pattern, one after the other, in order.

        What the handler raises is logged; the subscription goes on.
        """
        ...

    async def request(self, subject: str, data: bytes, *, timeout_s: float = 10.0) -> bytes:
        """Ask whoever responds at the subject. UnreachableError when nobody does or not in time; sent once only.

        An error of our tree that the responder raises is raised here as the same one of the six, with its message.
        """
        ...

    async def respond(self, subject: str, handler: Responder) -> Subscription:
        """Answer requests on the subject, several at the same time; of several responders one gets each request."""
        ...

    async def put(self, bucket: str, key: str, value: bytes) -> None:
        """Set a key of a bucket; the bucket is made when it is first used."""
        ...

    async def put_many(self, bucket: str, values: Mapping[str, bytes]) -> None:
        """Set many keys, without waiting for one before the next."""
        ...

    async def get(self, bucket: str, key: str) -> bytes | None:
        """The value of a key, None when it was never set."""
        ...

    async def get_many(self, bucket: str, keys: Sequence[str]) -> dict[str, bytes]:
        """The values of those of the keys that were ever set."""
        ...

    async def close(self) -> None:
        """End all subscriptions and the connection."""
        ...


def subject_matches(pattern: str, subject: str) -> bool:
    """Whether the pattern covers the subject."""
    wanted, words = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted = wanted[:-1]
        if len(words) <= len(wanted):
            return False
        words = words[: len(wanted)]
    return len(wanted) == len(words) and all(want in ("*", word) for want, word in zip(wanted, words, strict=True))


def checked_subject(subject: str, *, pattern: bool = False) -> str:
    """The subject, if it can be one."""
    if (_PATTERN if pattern else _SUBJECT).fullmatch(subject) is None:
        raise BusUsageError(
            f"{subject!r} is no {'pattern of subjects' if pattern else 'subject'}: words joined by dots"
        )
    return subject


def checked_key(key: str) -> str:
    """The key of a bucket, if it can be one."""
    if _KEY.fullmatch(key) is None:
        raise BusUsageError(f"{key!r} is no key of a bucket: letters, digits and -_=/ in words joined by dots")
    return key


def checked_headers(headers: Mapping[str, str] | None) -> dict[str, str]:
    """The headers, if they come out as they go in; names that begin with Nats- belong to the bus."""
    for name, value in (headers or {}).items():
        if _HEADER_NAME.fullmatch(name) is None or name.lower().startswith("nats-"):
            raise BusUsageError(f"{name!r} cannot be the name of a header")
        if value != value.strip() or "\r" in value or "\n" in value:
            raise BusUsageError(f"the header {name} has a value that would not come out the same: {value!r}")
    return dict(headers or {})
