"""Bare APDUs over a framing: exchanged, refused, cut off, never waited for without end."""

import socket
import threading

import pytest

from meterworks.errors import PeerError
from meterworks.links import ApduLink, ConnectFailed, ConnectionLost, MeterTarget, NoAnswer
from meterworks.protocols.dlms import encode_wrapper


class Peer(threading.Thread):
    """Takes one connection and does what the test says with it."""

    def __init__(self, behaviour):
        super().__init__(daemon=True)
        self.behaviour = behaviour
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.received = b""
        self.start()

    @property
    def target(self):
        return MeterTarget(host="127.0.0.1", port=self.listener.getsockname()[1])

    def run(self):
        link, _ = self.listener.accept()
        with link, self.listener:
            self.received = link.recv(4096)
            self.behaviour(link)


def open_link(peer, timeout_s=2.0):
    return ApduLink.open(peer.target, 16, 1, timeout_s=timeout_s)


def test_an_apdu_goes_out_in_a_frame_and_the_answer_comes_back():
    peer = Peer(lambda link: link.sendall(encode_wrapper(1, 16, b"\x61\x00")))
    with open_link(peer) as link:
        assert link.exchange(b"\x60\x00") == b"\x61\x00"
    peer.join()
    assert peer.received == encode_wrapper(16, 1, b"\x60\x00")


def test_answers_in_pieces_and_in_heaps_are_taken_one_by_one():
    frames = encode_wrapper(1, 16, b"\x61\x00") + encode_wrapper(1, 16, b"\x0f\x01")

    def behaviour(link):
        link.sendall(frames[:5])
        link.sendall(frames[5:])

    with open_link(Peer(behaviour)) as link:
        assert link.exchange(b"\x60") == b"\x61\x00"
        assert link.receive() == b"\x0f\x01"


def test_a_closed_connection_is_told():
    with open_link(Peer(lambda link: None)) as link, pytest.raises(ConnectionLost, match="closed"):
        link.exchange(b"\x60")


def test_silence_ends_the_wait():
    done = threading.Event()
    with open_link(Peer(lambda link: done.wait(5)), timeout_s=0.05) as link:
        with pytest.raises(NoAnswer, match=r"0\.05 s"):
            link.exchange(b"\x60")
        with pytest.raises(ConnectionLost):
            link.send(b"\x60")
    done.set()


def test_octets_that_are_no_frame_break_the_link():
    with open_link(Peer(lambda link: link.sendall(b"GET / HTTP/1.1\r\n"))) as link, pytest.raises(PeerError):
        link.exchange(b"\x60")


def test_nobody_there_is_told():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        target = MeterTarget(host="127.0.0.1", port=closed.getsockname()[1])
    with pytest.raises(ConnectFailed, match=r"127\.0\.0\.1"):
        ApduLink.open(target, 16, 1, timeout_s=1.0)


def test_apdus_go_over_udp_too():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        target = MeterTarget.from_text(f"udp://127.0.0.1:{server.getsockname()[1]}")
        with ApduLink.open(target, 16, 1, timeout_s=2.0) as link:
            link.send(b"\x60\x00")
            octets, client = server.recvfrom(1000)
            assert octets == encode_wrapper(16, 1, b"\x60\x00")
            server.sendto(b"nonsense", client)
            server.sendto(encode_wrapper(1, 16, b"\x61\x00"), client)
            assert link.receive() == b"\x61\x00"


def test_a_line_that_is_not_there_is_told():
    with pytest.raises(ConnectFailed):
        ApduLink.open(MeterTarget.from_text("serial:///dev/absent"), 16, 1)
