"""Two ends of TLS in memory, back to back."""

import ssl
from dataclasses import dataclass


@dataclass
class End:
    """One end of a channel over two memory buffers."""

    wrapped: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    is_done: bool = False


def end_of(context: ssl.SSLContext, *, server_side: bool, name: str | None = None) -> End:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    wrapped = context.wrap_bio(incoming, outgoing, server_side=server_side, server_hostname=name)
    return End(wrapped, incoming, outgoing)


def shake(client: End, server: End) -> None:
    """Carry flights to and fro until both ends are done. Raises ssl.SSLError where either refuses."""
    for _ in range(10):
        for one, other in ((client, server), (server, client)):
            if not one.is_done:
                try:
                    one.wrapped.do_handshake()
                    one.is_done = True
                except ssl.SSLWantReadError:
                    pass
                finally:
                    other.incoming.write(one.outgoing.read())
    assert client.is_done and server.is_done


def connect(client: ssl.SSLContext, server: ssl.SSLContext, name: str = "meter.test#4059") -> tuple[End, End]:
    """Shake hands and send a word each way, so that sessions are told."""
    ends = end_of(client, server_side=False, name=name), end_of(server, server_side=True)
    shake(*ends)
    say(ends[0], ends[1], b"ask")
    say(ends[1], ends[0], b"answer")
    return ends


def say(one: End, other: End, octets: bytes) -> None:
    one.wrapped.write(octets)
    other.incoming.write(one.outgoing.read())
    assert other.wrapped.read(100) == octets
