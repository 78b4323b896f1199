"""The wrapper of TCP and UDP: version 1, source, destination, length.  Source: IEC 62056-4-7; fact sheet section 5."""

import struct
from dataclasses import dataclass
from typing import Final

from meterworks.protocols.dlms.framing import ClientLink, LineFormat, ServerLink
from meterworks.protocols.dlms.tag import ApduTag
from meterworks.protocols.errors import EncodeError, UnlawfulMessage

__all__ = ["HEADER_SIZE", "WRAPPER", "WrapperFrame", "WrapperFraming", "WrapperReader", "encode_wrapper"]

HEADER_SIZE: Final = 8
_HEADER: Final = struct.Struct(">HHHH")
_VERSION: Final = 1
_UNASKED: Final = frozenset(
    {
        int(ApduTag.DATA_NOTIFICATION),
        int(ApduTag.EVENT_NOTIFICATION),
        int(ApduTag.GENERAL_GLO_CIPHERING),
        int(ApduTag.GENERAL_CIPHERING),
        int(ApduTag.GENERAL_BLOCK_TRANSFER),
        int(ApduTag.GATEWAY_REQUEST),
    }
)

WrapperFrame = tuple[int, int, bytes]  # (source address, destination address, APDU)


def encode_wrapper(source: int, destination: int, apdu: bytes) -> bytes:
    """Put the header before an APDU of at most 65,535 octets. Raises EncodeError for what does not fit."""
    try:
        return _HEADER.pack(_VERSION, source, destination, len(apdu)) + apdu
    except struct.error as error:
        raise EncodeError(f"an APDU of {len(apdu)} octets from {source} to {destination} fits into no frame") from error


class WrapperReader:
    """A byte stream in, whole APDUs out, at any fragmentation. At most one unfinished frame is kept.

    apdu_size_max: a longer announced length is refused before anything is kept of it. Once refused, it stays refused.
    """

    __slots__ = ("_buffer", "_size_max", "_start")

    def __init__(self, apdu_size_max: int = 0xFFFF) -> None:
        self._buffer: bytes | bytearray = b""
        self._start = 0
        self._size_max = apdu_size_max

    def feed(self, data: bytes) -> None:
        """Store what arrived."""
        rest = len(self._buffer) - self._start
        if not rest:
            self._buffer = data
            self._start = 0
        elif isinstance(self._buffer, bytearray) and not self._start:
            self._buffer += data
        else:
            self._buffer = bytearray(memoryview(self._buffer)[self._start :]) + data
            self._start = 0

    @property
    def size(self) -> int:
        """Octets stored and not given out yet."""
        return len(self._buffer) - self._start

    def next_frame(self) -> WrapperFrame | None:
        """Give (source, destination, APDU) of the next whole frame, or None until more arrives.

        Raises UnlawfulMessage for a header that no wrapper has.
        """
        buffer = self._buffer
        start = self._start
        available = len(buffer) - start
        if available < HEADER_SIZE:
            return None
        version, source, destination, length = _HEADER.unpack_from(buffer, start)
        if version != _VERSION or not 0 < length <= self._size_max:
            raise UnlawfulMessage(
                f"wrapper header of version {version} and length {length}; lawful are 1 and 1 to {self._size_max}",
                version=version,
                length=length,
            )
        end = start + HEADER_SIZE + length
        if len(buffer) < end:
            return None
        self._start = end
        return source, destination, bytes(buffer[start + HEADER_SIZE : end])


class _Untimed(WrapperReader):
    """What client and server have in common: the wrapper answers nothing by itself and waits for nothing."""

    __slots__ = ()

    def receive(self, data: bytes, now: float) -> None:
        """Store what arrived."""
        self.feed(data)

    def data_to_send(self) -> bytes:
        """Nothing: the wrapper says nothing by itself."""
        return b""

    def next_deadline(self) -> float | None:
        """None: the wrapper waits for nothing."""
        return None

    def advance(self, now: float) -> None:
        """Nothing happens with time."""

    def close(self, now: float) -> bytes:
        """Nothing: the stream below is closed."""
        return b""

    @property
    def progress(self) -> int:
        """Always 0: a frame is an APDU, and events tell of those."""
        return 0

    @property
    def line(self) -> LineFormat | None:
        """None: a serial line carries HDLC."""
        return None


class _ClientLink(_Untimed):
    """The client's side: our address first when we send, last when we receive."""

    __slots__ = ("_client_sap", "_server_sap")

    def __init__(self, client_sap: int, server_sap: int, apdu_size_max: int) -> None:
        super().__init__(apdu_size_max)
        self._client_sap = client_sap
        self._server_sap = server_sap

    def send(self, apdu: bytes, now: float) -> bytes:
        """Give the frame."""
        return encode_wrapper(self._client_sap, self._server_sap, apdu)

    def next_apdu(self) -> bytes | None:
        """Give the APDU of the next frame. Raises UnlawfulMessage for one that is not ours."""
        frame = self.next_frame()
        if frame is None:
            return None
        source, destination, apdu = frame
        if source != self._server_sap or destination != self._client_sap:
            # Pushes carry the addresses of the push set-up, all else those of the association.
            if apdu[0] not in _UNASKED:
                raise UnlawfulMessage(f"frame from {source} to {destination} is not ours", source=source)
        return apdu


class _ServerLink(_Untimed):
    """The server's side; its frames are (client, server, APDU) as they stand."""

    __slots__ = ()

    def send(self, client_sap: int, server_sap: int, apdu: bytes) -> bytes:
        """Give the frame that answers a client."""
        return encode_wrapper(server_sap, client_sap, apdu)


@dataclass(frozen=True, slots=True)
class WrapperFraming:
    """APDUs behind the wrapper's header, on a byte stream (TCP, TLS) or one to a datagram (UDP)."""

    def client_link(self, client_sap: int, server_sap: int, apdu_size_max: int) -> ClientLink:
        """Give a fresh link between two logical addresses."""
        return _ClientLink(client_sap, server_sap, apdu_size_max)

    def server_link(self, server_sap: int, apdu_size_max: int) -> ServerLink:
        """Give a fresh link of a server; frames for other addresses are given too, and are not for it to answer."""
        return _ServerLink(apdu_size_max)


WRAPPER: Final = WrapperFraming()
