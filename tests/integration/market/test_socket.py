"""The API on a real socket: garbage, floods and slow clients neither crash nor hang it, nor leave anything behind."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator

import httpx
import psutil
import pytest
import uvicorn
from fastapi import FastAPI
from tests.integration.market.small_neighbourhood import PASSWORD

SEED = 20261121
BYTES_IN_GARBAGE_MAX = 4000


@pytest.fixture
async def port(api: FastAPI) -> AsyncIterator[int]:
    """The port of the application, served in this loop."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(api, log_config=None, http="httptools", timeout_keep_alive=2, timeout_graceful_shutdown=30)
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined,unused-ignore]  # the test's own signals
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110  # the server tells only by a flag
        await asyncio.sleep(0.01)
    yield int(listener.getsockname()[1])
    server.should_exit = True
    await serving
    listener.close()


async def _send(port: int, data: bytes, *, read: bool = True) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        writer.write(data)
        await writer.drain()
        if read:
            async with asyncio.timeout(1.0):
                answer = await reader.read(65_536)
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return answer


async def _is_well(port: int) -> bool:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        return (await client.get("/api/v1/health")).status_code == 200


def _mutated(chance: random.Random) -> bytes:
    request = bytearray(
        b"POST /api/v1/tokens HTTP/1.1\r\nHost: m.example\r\nContent-Type: application/json\r\n"
        b'Content-Length: 39\r\n\r\n{"user":"olivia","password":"whatever"}'
    )
    for _ in range(chance.randrange(1, 8)):
        place = chance.randrange(len(request))
        match chance.randrange(3):
            case 0:
                request[place] = chance.randrange(256)
            case 1:
                del request[place : place + chance.randrange(1, 30)]
            case _:
                request[place:place] = chance.randbytes(chance.randrange(1, 30))
    return bytes(request)


async def test_random_and_mutated_bytes_leave_it_well(port: int) -> None:
    chance = random.Random(SEED)
    for _ in range(30):
        await _send(port, chance.randbytes(chance.randrange(1, BYTES_IN_GARBAGE_MAX)), read=False)
    for _ in range(30):
        answer = await _send(port, _mutated(chance), read=chance.random() < 0.3)
        assert not answer.startswith(b"HTTP/1.1 5"), answer
    assert await _is_well(port)


@pytest.mark.parametrize(
    "data",
    [
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 500_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
        b"POST /api/v1/tokens HTTP/1.1\r\nHost: m\r\nContent-Length: 99999999999999\r\n\r\n",
        b"POST /api/v1/tokens HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFF\r\nabc",
        b"POST /api/v1/tokens HTTP/1.1\r\nHost: m\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # somebody speaks TLS
        b"\x00" * 10_000,
        b"GET http://[::1 HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: m\r\n\r\n",
    ],
    ids=["long path", "long header", "many headers", "huge length", "huge chunk", "negative length", "TLS", "zeros",
         "bad target", "asterisk"],
)  # fmt: skip
async def test_unlawful_requests_are_refused_without_taking_memory(port: int, data: bytes) -> None:
    before = psutil.Process().memory_info().rss
    for _ in range(5):
        answer = await _send(port, data)
        assert not answer.startswith(b"HTTP/1.1 5"), answer[:200]
    assert psutil.Process().memory_info().rss - before < 50_000_000
    assert await _is_well(port)


async def test_clients_that_say_nothing_do_not_keep_others_waiting(port: int) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
    half = [await asyncio.open_connection("127.0.0.1", port) for _ in range(50)]
    for _, writer in half:
        writer.write(b"POST /api/v1/tokens HTTP/1.1\r\nHost: m\r\nContent-Length: 100\r\n\r\nhalf")
    async with asyncio.timeout(5):
        assert await _is_well(port)
    for _, writer in silent + half:
        writer.close()
    for _, writer in silent + half:
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    assert await _is_well(port)


async def test_many_readers_at_once_all_get_their_answer(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=60) as client:
        issued = await client.post("/tokens", json={"user": "olivia", "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {issued.json()['token']}"
        paths = ["/devices/1/readings", "/metering-points/MP0002/readings", "/devices", "/load", "/health", "/events"]
        answers = await asyncio.gather(*(client.get(paths[number % len(paths)]) for number in range(120)))
        assert {answer.status_code for answer in answers} == {200}
        bodies = {answer.request.url.path: set() for answer in answers}
        for answer in answers:
            bodies[answer.request.url.path].add(answer.content)
        assert all(len(found) == 1 for path, found in bodies.items() if "health" not in path), "answers were mixed up"


async def test_readers_who_leave_in_the_middle_leave_nothing_behind(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=60) as client:
        issued = await client.post("/tokens", json={"user": "olivia", "password": PASSWORD})
    token = issued.json()["token"].encode()
    request = (
        b"GET /api/v1/devices/1/readings?channel=12&from=2025-11-01T00:00:00Z HTTP/1.1\r\nHost: m\r\n"
        b"Authorization: Bearer " + token + b"\r\n\r\n"
    )
    before = len(asyncio.all_tasks())
    await asyncio.gather(*(_send(port, request, read=False) for _ in range(40)))
    assert await _is_well(port)
    async with asyncio.timeout(60):
        while len(asyncio.all_tasks()) > before + 5:  # noqa: ASYNC110  # tasks end without telling
            await asyncio.sleep(0.05)
