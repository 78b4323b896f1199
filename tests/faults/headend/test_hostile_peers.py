"""Peers that hang, break off, or talk nonsense: the session ends, is logged, and nobody else waits for it."""

import asyncio
from itertools import pairwise

import pytest
from tests.integration.headend.field import device_record, until

from meterworks.headend import HeadendQueries
from meterworks.protocols.dlms import DataAccessResult

ONE = {"profiles": ("load_import",)}
TIMES = {"connect_timeout_s": 0.5, "answer_timeout_s": 0.5}


class Peer:
    """A TCP server that behaves as it is told."""

    def __init__(self, behaviour):
        self.behaviour = behaviour
        self.met = 0
        self.open = set()

    async def start(self):
        self.server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        return self.server.sockets[0].getsockname()[1]

    async def _meet(self, reader, writer):
        self.met += 1
        self.open.add(writer)
        try:
            await self.behaviour(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self.open.discard(writer)

    async def close(self):
        self.server.close()
        for writer in list(self.open):
            writer.transport.abort()
        await self.server.wait_closed()


async def says_nothing(reader, writer):
    await reader.read(-1)


async def hangs_up(reader, writer):
    await reader.read(8)


async def talks_garbage(reader, writer):
    await reader.read(8)
    writer.write(bytes(range(256)) * 10)
    await writer.drain()
    await reader.read(-1)


async def announces_more_than_comes(reader, writer):
    await reader.read(8)
    writer.write(b"\x00\x01\x00\x01\x00\x02\xff\xff" + b"\x61" * 100)
    await writer.drain()
    await reader.read(-1)


async def drips(reader, writer):
    await reader.read(8)
    for octet in b"\x00\x01\x00\x01\x00\x02\x00\x40" + b"\x61" * 64:
        writer.write(bytes([octet]))
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.fixture
async def peer_at(meters_field):
    peers = []

    async def start(behaviour):
        peer = Peer(behaviour)
        port = await peer.start()
        peers.append(peer)
        starts = int(meters_field.clock.epoch_s()) - 200_000
        meters_field.directory.records[66] = device_record(66, "127.0.0.1", port, starts=starts, **ONE)
        return peer

    yield start
    for peer in peers:
        await peer.close()


@pytest.mark.parametrize("behaviour", [says_nothing, hangs_up, talks_garbage, announces_more_than_comes, drips])
async def test_a_bad_peer_costs_its_own_session_only(meters_field, peer_at, behaviour):
    peer = await peer_at(behaviour)
    for device_id in (1, 2, 3):
        meters_field.add_meter(device_id, record=ONE)
    await meters_field.start(sessions_max=2, **TIMES)
    await until(lambda: all(len(meters_field.writer.channel(each, 12)) > 100 for each in (1, 2, 3)), what="the others")
    await until(lambda: meters_field.memory(66).failures == 1, what="the failure")
    assert peer.met >= 1
    assert meters_field.memory(66).last_error is not None
    await until(lambda: meters_field.head_end.slots.open_sessions == 0, what="free slots")
    await until(lambda: not peer.open, what="closed connections")
    await meters_field.stop()
    log = await HeadendQueries(meters_field.database).sessions(66)
    assert [(line.session.outcome, line.session.rows) for line in log] == [("failed", 0)]


async def test_a_session_that_never_ends_loses_its_lease(meters_field):
    meter = meters_field.add_meter(1, record=ONE)
    busy = meter.get

    meter.get = lambda sap, address, selection: (
        DataAccessResult.TEMPORARY_FAILURE
        if str(address.obis_code) == "1.0.99.1.0.255" and address.attribute == 2
        else busy(sap, address, selection)
    )
    await meters_field.start(session_s_max=0.5)
    await until(lambda: meters_field.memory(1).failures == 1, what="the end of the lease")
    assert meters_field.memory(1).last_error == "lease-lost"


async def test_a_connection_cut_in_the_middle_of_a_long_answer_keeps_what_came_before(meters_field):
    meter = meters_field.add_meter(1, days=30, record=ONE)
    plain, cut = meter.get, {"after": 2, "armed": True}

    def cutting(sap, address, selection):
        if str(address.obis_code) == "1.0.99.1.0.255" and address.attribute == 2 and cut["armed"]:
            cut["after"] -= 1
            if cut["after"] < 0:
                cut["armed"] = False
                for member in tuple(meters_field.server._connections.members):
                    member.abort()
        return plain(sap, address, selection)

    meter.get = cutting
    await meters_field.start(set_rows_max=200)
    await until(lambda: meters_field.memory(1).failures == 1, what="the cut")
    await until(lambda: len(meters_field.writer.sets) >= 2, what="the sets before the cut")
    assert meters_field.missing("load_import") > 0
    meters_field.head_end.collector.visit_soon(1, 0.0)
    await until(lambda: meters_field.missing("load_import") == 0, what="the rest")
    spans = sorted(one[2:4] for one in meters_field.writer.sets)
    assert all(first[1] == second[0] for first, second in pairwise(spans))
