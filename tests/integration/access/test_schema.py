"""Requests drawn from the API's own OpenAPI document by schemathesis: no operation answers with a server error."""

import os
from collections.abc import Callable, Iterator

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case
from tests.integration.access.test_matrix import foundation
from tests.integration.market.small_neighbourhood import Foundation
from tests.integration.market.test_hostile import Arena

__all__ = ["foundation"]

EXAMPLES = int(os.environ.get("SCHEMA_EXAMPLES", "2"))  # of each operation; make soak draws more
AWAY = (503, 504)  # nobody plays the head-end here
LOGS_OUT = ("/tokens/current", "/account/tokens", "/account/password")  # their own tests have them
USERS = ("olivia", "sam", "rea")


@pytest.fixture(scope="module")
def arena(foundation: Foundation, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    made = Arena(foundation, tmp_path_factory.mktemp("schema"))
    yield made
    made.close()


def operations(app: FastAPI) -> list[APIOperation]:
    schema = schemathesis.openapi.from_dict(app.openapi())
    return [result.ok() for result in schema.get_all_operations()]


def ask(arena: Arena, case: Case, user: str) -> int:
    """Send a drawn request as somebody; gives the status."""
    asked = case.as_transport_kwargs(base_url="http://m.example")
    headers = {str(name): str(value) for name, value in dict(asked.get("headers") or {}).items()}
    headers["Authorization"] = arena.headers[user]
    body = {"json": asked["json"]} if asked.get("json") is not None else {}
    if isinstance(asked.get("data"), str | bytes):
        body = {"content": asked["data"]}
    answer = arena.ask(
        asked["method"],
        asked["url"],
        params=asked.get("params"),
        headers={name: value.encode("latin-1", "replace") for name, value in headers.items()},
        **body,
    )
    return answer.status_code


def drawn(arena: Arena, operation: APIOperation, failures: list[str]) -> Callable[[], None]:
    """A test that draws requests of an operation and keeps the server errors."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def draw(case: Case) -> None:
        for user in USERS:
            status = ask(arena, case, user)
            if status >= 500 and status not in AWAY:
                failures.append(f"{operation.method.upper()} {operation.path} as {user}: {status}")

    return draw


def test_no_operation_answers_a_drawn_request_with_a_server_error(arena: Arena) -> None:
    found = operations(arena.app)
    assert len(found) > 60
    failures: list[str] = []
    for operation in found:
        if not operation.path.endswith(LOGS_OUT):
            drawn(arena, operation, failures)()
    assert failures == []
