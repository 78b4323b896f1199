"""The shell around every request: its number, its body's limits, its metrics, and what a defect looks like outside."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
import pytest
from prometheus_client import REGISTRY

from meterworks.errors import UnreachableError
from meterworks.market.api import shell
from meterworks.market.api.shell import RequestShell

Messages = list[dict[str, Any]]
App = Callable[[Any, Any, Any], Awaitable[None]]


async def _answer(_scope: Any, _receive: Any, send: Any, body: bytes = b"hello") -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": body})


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    await _answer(scope, receive, send, body)


async def _ask(
    app: App,
    *,
    method: str = "GET",
    headers: Sequence[tuple[bytes, bytes]] = (),
    chunks: Sequence[bytes] = (b"",),
    gone: bool = False,
    limits: dict[str, int] | None = None,
) -> Messages:
    pending: Messages = [
        {"type": "http.request", "body": chunk, "more_body": place < len(chunks) - 1 or gone}
        for place, chunk in enumerate(chunks)
    ]
    pending.append({"type": "http.disconnect"})
    sent: Messages = []

    async def receive() -> dict[str, Any]:
        return pending.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": "/x", "headers": list(headers)}
    await RequestShell(app, body_size_max_by_path=limits or {})(scope, receive, send)  # type: ignore[arg-type]
    return sent


def _headers(sent: Messages) -> dict[bytes, bytes]:
    return dict(sent[0]["headers"])


def _problem(sent: Messages) -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(sent[1]["body"])
    return document


async def test_an_answer_passes_through_with_the_requests_number() -> None:
    sent = await _ask(_answer)
    assert sent[1]["body"] == b"hello"
    assert _headers(sent)[b"x-own"] == b"1"
    assert len(_headers(sent)[b"x-request-id"]) == 32


@pytest.mark.parametrize(
    ("given", "kept"), [(b"abc-1_2.3", True), (b"", False), (b"a b", False), (b"x" * 65, False), (b"\xe4", False)]
)
async def test_a_plain_request_number_of_the_client_is_kept(given: bytes, kept: bool) -> None:
    sent = await _ask(_answer, headers=[(b"x-request-id", given)])
    assert (_headers(sent)[b"x-request-id"] == given) == kept


async def test_a_body_arrives_whole_however_it_was_cut() -> None:
    sent = await _ask(_echo, method="POST", chunks=[b"ab", b"", b"cd", b"e"])
    assert sent[1]["body"] == b"abcde"


@pytest.mark.parametrize("declared", [b"11", b"99999999999999999999999"])
async def test_a_body_declared_too_large_is_refused_unread(declared: bytes) -> None:
    sent = await _ask(_echo, method="POST", headers=[(b"content-length", declared)], chunks=[b"x"], limits={"/x": 10})
    assert (sent[0]["status"], _problem(sent)["code"]) == (413, "body-too-large")


async def test_a_body_that_grows_too_large_is_refused_and_one_at_the_limit_is_not() -> None:
    at_limit = await _ask(_echo, method="POST", chunks=[b"12345", b"67890"], limits={"/x": 10})
    assert at_limit[1]["body"] == b"1234567890"
    beyond = await _ask(_echo, method="POST", chunks=[b"12345", b"678901"], limits={"/x": 10})
    assert beyond[0]["status"] == 413


async def test_half_a_body_is_never_acted_on() -> None:
    called = False

    async def act(scope: Any, receive: Any, send: Any) -> None:
        nonlocal called
        called = True

    assert await _ask(act, method="POST", chunks=[b"half"], gone=True) == []
    assert not called


async def test_a_body_that_never_ends_runs_out_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "BODY_TIMEOUT_S", 0.02)
    sent: Messages = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/x", "headers": []}
    await RequestShell(_echo, body_size_max_by_path={})(scope, receive, send)  # type: ignore[arg-type]
    assert (sent[0]["status"], _problem(sent)["code"]) == (408, "body-timeout")


async def test_a_known_error_is_told_and_a_defect_is_not_explained(capsys: pytest.CaptureFixture[str]) -> None:
    async def known(*_: Any) -> None:
        raise UnreachableError("the store is away")

    async def defect(*_: Any) -> None:
        raise ZeroDivisionError("secret detail")

    told = await _ask(known)
    assert (told[0]["status"], _problem(told)["detail"]) == (503, "the store is away")
    failed = await _ask(defect)
    assert (failed[0]["status"], _problem(failed)["code"]) == (500, "internal")
    assert "secret detail" not in failed[1]["body"].decode()
    logged = capsys.readouterr()
    assert "secret detail" in logged.err + logged.out, "it is in our log, wherever that goes"


async def test_an_answer_that_has_begun_cannot_become_another() -> None:
    async def breaks(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise UnreachableError("in the middle")

    sent = await _ask(breaks)
    assert [message["type"] for message in sent] == ["http.response.start"]


async def test_sockets_and_lifespans_pass_by() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    wrapped = RequestShell(app, body_size_max_by_path={})
    for kind in ("websocket", "lifespan"):
        await wrapped({"type": kind}, None, None)  # type: ignore[arg-type]
    assert seen == ["websocket", "lifespan"]


async def test_metrics_name_templates_and_known_methods_only() -> None:
    def count() -> float:
        name = "meterworks_api_requests_total"
        return REGISTRY.get_sample_value(name, {"route": "other", "method": "other", "status": "200"}) or 0.0

    before = count()
    await _ask(_answer, method="BREW")
    assert count() == before + 1
