"""Octets as they are, both ways, with waits that end."""

import socket
import threading
import time

import pytest

from meterworks.links import BadTarget, ConnectFailed, ConnectionLost, MeterTarget, NoAnswer, OctetLink, OctetListener


def test_octets_go_both_ways():
    with OctetListener("127.0.0.1", 0, timeout_s=2) as listener:
        with OctetLink.open(MeterTarget(host="127.0.0.1", port=listener.port), timeout_s=2) as client:
            with listener.accept(wait_s=2) as server:
                client.send(b"ask")
                assert server.receive() == b"ask"
                server.send(b"answer")
                assert client.receive() == b"answer"
            assert client.receive() == b""


def test_waits_end():
    with OctetListener("127.0.0.1", 0) as listener:
        with pytest.raises(NoAnswer, match=r"0\.01 s"):
            listener.accept(wait_s=0.01)
        with OctetLink.open(MeterTarget(host="127.0.0.1", port=listener.port), timeout_s=0.02) as client:
            with pytest.raises(NoAnswer):
                client.receive()
            with pytest.raises(NoAnswer):
                client.receive(time.monotonic() - 1)


def test_a_link_that_was_closed_is_lost():
    with OctetListener("127.0.0.1", 0) as listener:
        client = OctetLink.open(MeterTarget(host="127.0.0.1", port=listener.port), timeout_s=1)
        client.close()
        with pytest.raises(ConnectionLost):
            client.send(b"x")


def test_ports_in_use_and_ports_of_nobody_are_told():
    with OctetListener("127.0.0.1", 0) as listener:
        with pytest.raises(ConnectFailed, match="listen"):
            OctetListener("127.0.0.1", listener.port)
        port = listener.port
    with pytest.raises(ConnectFailed, match="connect"):
        OctetLink.open(MeterTarget(host="127.0.0.1", port=port), timeout_s=1)


def test_octets_are_played_over_tcp_only():
    with pytest.raises(BadTarget, match="TCP"):
        OctetLink.open(MeterTarget.from_text("udp://127.0.0.1"))


def test_a_peer_that_reads_nothing_does_not_hold_us_for_ever():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()
        target = MeterTarget(host="127.0.0.1", port=listener.getsockname()[1])
        with OctetLink.open(target, timeout_s=0.1) as client, pytest.raises(NoAnswer):
            client.send(bytes(32 * 2**20))
        done.set()
