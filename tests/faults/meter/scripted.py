"""A server that answers as a test says, octet for octet: meters that are slow, cut off, wrong or hostile."""

import socket
import struct
import threading
from collections.abc import Callable

from meterworks.protocols.dlms import encode_wrapper

AARQ, GET, RELEASE = 0x60, 0xC0, 0x62
AARE = bytes.fromhex("6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f0400001e1dffff0007")
RELEASED = bytes.fromhex("6303800100")
HEADER = struct.Struct(">HHHH")


def get_response(value: bytes) -> bytes:
    return b"\xc4\x01\xc1\x00" + value


def denied(result: int = 4) -> bytes:
    return b"\xc4\x01\xc1\x01" + bytes((result,))


class Scripted(threading.Thread):
    """answer: (apdu, connection) -> APDU to send, None for silence; it may write to the connection itself.

    asked: APDUs received, of all connections.
    """

    def __init__(self, answer: Callable[[bytes, socket.socket], bytes | None]) -> None:
        super().__init__(daemon=True)
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.asked: list[bytes] = []
        self.links: list[socket.socket] = []
        self.workers: list[threading.Thread] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self) -> "Scripted":
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for link in self.links:
            link.close()
        for worker in (self, *self.workers):
            worker.join(5)

    def run(self) -> None:
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            self.links.append(link)
            worker = threading.Thread(target=self.serve, args=(link,), daemon=True)
            self.workers.append(worker)
            worker.start()

    def serve(self, link: socket.socket) -> None:
        try:
            self.talk(link)
        except OSError:
            return
        finally:
            link.close()

    def talk(self, link: socket.socket) -> None:
        with link.makefile("rb") as stream:
            while header := stream.read(HEADER.size):
                _, client, server, size = HEADER.unpack(header)
                apdu = stream.read(size)
                self.asked.append(apdu)
                answer = self.answer(apdu, link)
                if answer is not None:
                    link.sendall(encode_wrapper(server, client, answer))


def polite(values: Callable[[bytes], bytes | None]) -> Callable[[bytes, socket.socket], bytes | None]:
    """A meter without security that answers GET by what `values` says of the nine octets of the descriptor."""

    def answer(apdu: bytes, _link: socket.socket) -> bytes | None:
        if apdu[0] == AARQ:
            return AARE
        if apdu[0] == RELEASE:
            return RELEASED
        return values(apdu[3:12])

    return answer
