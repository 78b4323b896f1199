"""The ASGI shell around every request: its number, its body's limit, its metrics, and the last resort for a defect."""

import asyncio
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meterworks.errors import MeterworksError
from meterworks.market.errors import BodyTimeout, BodyTooLarge
from meterworks.market.problem import ProblemResponse, problem_of
from meterworks.runtime import counter, get_logger, histogram
from meterworks.trust.audit import Outcome

__all__ = ["RequestShell"]

BODY_SIZE_MAX = 2**20
BODY_TIMEOUT_S = 30.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BODY_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_METHODS = _BODY_METHODS | {"GET", "HEAD", "OPTIONS"}

log = get_logger("market.api")
_requests = counter("api_requests_total", "HTTP requests answered", ["route", "method", "status"])
_durations = histogram("api_request_seconds", "Time from request to the end of its answer", ["route"])


class RequestShell:
    """Gives each request a number (`X-Request-ID`, the client's own if it is a plain one), limits and counts it."""

    def __init__(self, app: ASGIApp, *, body_size_max_by_path: Mapping[str, int]) -> None:
        self._app = app
        self._body_size_max_by_path = body_size_max_by_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        answer = _Answer(send, request_id, state)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                whole = await self._take_body(scope, receive) if scope["method"] in _BODY_METHODS else receive
                if whole is not None:
                    await self._app(scope, whole, answer.send)
            except MeterworksError as error:
                await answer.problem(problem_of(error, request_id), scope, receive)
            except Exception:  # the supervisor of a request: logs and counts what is a defect of ours
                log.exception("request failed", method=scope["method"], path=scope["path"][:200])
                response = ProblemResponse(
                    status=500, code="internal", detail="an error of ours; it has been logged", request_id=request_id
                )
                await answer.problem(response, scope, receive)
        _count(scope, answer.status, time.perf_counter() - began)
        if answer.status == 404 and "client" in state:
            self._not_found(scope, state["client"])

    def _not_found(self, scope: Scope, client: str) -> None:
        """What is not there costs more; a client that tries one number after another is told of."""
        market = getattr(scope["app"].state, "market", None)
        if market is not None and market.limits.not_found(client):
            log.warning("a client asks for one thing after another that is not there", client=client)
            market.acts.tell(
                "access.refused", by=client, on="api", outcome=Outcome.REFUSED, cause="tries one number after another"
            )

    async def _take_body(self, scope: Scope, receive: Receive) -> Receive | None:
        """Read the whole body within its limits before anything else is done; the application gets it from memory.

        None: the client left before its body was whole, and half a body must not be acted on.
        """
        size_max = self._body_size_max_by_path.get(scope["path"], BODY_SIZE_MAX)
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if declared.isdigit() and int(declared[:20]) > size_max:
            raise BodyTooLarge(f"the body may have at most {size_max} bytes here", size_max=size_max)
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while True:  # bounded by size_max and the timeout
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > size_max:
                        raise BodyTooLarge(f"the body may have at most {size_max} bytes here", size_max=size_max)
                    if not message.get("more_body", False):
                        break
        except TimeoutError as error:
            raise BodyTimeout(f"the body did not arrive within {BODY_TIMEOUT_S:.0f} s") from error
        pending: list[Message] = [{"type": "http.request", "body": b"".join(chunks), "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        return replay


class _Answer:
    """Watches what the application sends."""

    def __init__(self, send: Send, request_id: str, state: Mapping[str, Any]) -> None:
        self._send = send
        self._state = state
        self._request_id = request_id.encode()
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            extra = [(b"x-request-id", self._request_id), *self._state.get("limit_headers", ())]
            message["headers"] = [*message.get("headers", ()), *extra]
        await self._send(message)

    async def problem(self, response: ProblemResponse, scope: Scope, receive: Receive) -> None:
        if self.status == 0:  # once the answer has begun it can only be cut off
            await response(scope, receive, self.send)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            if _REQUEST_ID.fullmatch(text):
                return str(text)
    return uuid.uuid4().hex


def _count(scope: Mapping[str, Any], status: int, seconds: float) -> None:
    # A route's template and a known method, so that the number of series stays bounded.
    route = getattr(scope.get("route"), "path", "other")
    _requests.labels(route, scope["method"] if scope["method"] in _METHODS else "other", status).inc()
    _durations.labels(route).observe(seconds)
