"""The layer that makes meters slow and lossy, with a transport and a protocol of the test's own."""

import asyncio
import random
import time

import pytest

from meterworks.devices.fault import DELAYED_MAX, FaultSettings, FaultyLink
from meterworks.errors import UsageError


class Line(asyncio.Transport):
    """A transport that keeps what was written."""

    def __init__(self):
        super().__init__()
        self.written, self.aborted, self.closed = [], False, False
        self.changed = asyncio.Event()

    def write(self, data):
        self.written.append(bytes(data))
        self.changed.set()

    def abort(self):
        self.aborted = self.closed = True
        self.changed.set()

    def close(self):
        self.closed = True
        self.changed.set()

    def is_closing(self):
        return self.closed

    def get_extra_info(self, name, default=None):
        return {"sockname": ("127.16.0.1", 4059)}.get(name, default)


class Echo(asyncio.Protocol):
    """Answers every chunk with itself."""

    def __init__(self):
        self.transport, self.lost, self.received = None, 0, []

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received.append(data)
        self.transport.write(data)

    def connection_lost(self, exc):
        self.lost += 1


def linked(**settings):
    line, echo = Line(), Echo()
    link = FaultyLink(echo, FaultSettings(**settings), random.Random(1))
    link.connection_made(line)
    return line, echo, link


async def until(condition, line):
    async with asyncio.timeout(5):
        while not condition():
            line.changed.clear()
            await line.changed.wait()


async def test_an_answer_comes_after_the_delay_and_in_order():
    line, _, link = linked(response_delay_s=0.05)
    begun = time.monotonic()
    for chunk in (b"one", b"two", b"three"):
        link.data_received(chunk)
    assert line.written == []
    await until(lambda: len(line.written) == 3, line)
    assert line.written == [b"one", b"two", b"three"]
    assert time.monotonic() - begun >= 0.049


async def test_a_slow_line_takes_its_time_in_both_directions():
    line, _, link = linked(byte_rate_max=2000)
    begun = time.monotonic()
    link.data_received(b"x" * 100)
    link.data_received(b"y" * 20)
    await until(lambda: len(line.written) == 2, line)
    assert [len(chunk) for chunk in line.written] == [100, 20]
    assert time.monotonic() - begun >= 0.1


async def test_a_slow_line_closes_after_what_was_written():
    line, echo, link = linked(byte_rate_max=1000)
    link.data_received(b"x" * 20)
    await until(lambda: line.written != [] or echo.received != [], line)
    echo.transport.close()
    assert echo.transport.is_closing()
    await until(lambda: line.closed, line)
    assert b"".join(line.written) == b"x" * 20


async def test_the_share_lost_is_the_share_asked_for():
    _, echo, link = linked(loss_probability=0.5, byte_rate_max=0)
    for _ in range(40):
        for _ in range(10):
            link.data_received(b"x")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert 120 < len(echo.received) < 280


async def test_refused_connections_never_reach_the_meter():
    line, echo, link = linked(refuse_connections=True)
    assert line.aborted
    link.data_received(b"x")
    link.eof_received()
    link.connection_lost(None)
    assert (echo.transport, echo.lost) == (None, 0)


async def test_a_peer_that_sends_without_end_is_cut_off():
    line, echo, link = linked(response_delay_s=60)
    for _ in range(DELAYED_MAX + 1):
        link.data_received(b"x")
    assert line.aborted
    link.connection_lost(None)
    assert echo.lost == 1


async def test_nothing_reaches_the_meter_after_the_connection_is_lost():
    _, echo, link = linked(response_delay_s=0.01)
    link.data_received(b"x")
    link.connection_lost(None)
    await asyncio.sleep(0.03)
    assert echo.received == []


async def test_the_meter_sees_the_sockets_addresses():
    _, echo, _ = linked(response_delay_s=1)
    assert echo.transport.get_extra_info("sockname") == ("127.16.0.1", 4059)


def test_all_knobs_at_rest_by_default():
    assert FaultSettings().at_rest
    assert not FaultSettings(loss_probability=0.1).at_rest


@pytest.mark.parametrize("wrong", [{"response_delay_s": -1}, {"loss_probability": 1.5}, {"byte_rate_max": -5}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError):
        FaultSettings(**wrong)
