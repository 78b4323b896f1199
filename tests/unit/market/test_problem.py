"""Every error class of the project maps to a status, in one table."""

import importlib
import inspect
import pkgutil

import orjson
import pytest

import meterworks
from meterworks.errors import MeterworksError
from meterworks.market import errors
from meterworks.market.problem import STATUS_BY_ERROR, problem_of, status_of


def _error_classes() -> list[type[MeterworksError]]:
    found: set[type[MeterworksError]] = set()
    for module_info in pkgutil.walk_packages(meterworks.__path__, "meterworks.", onerror=lambda _: None):
        if module_info.name.endswith(".errors"):
            module = importlib.import_module(module_info.name)
            members = inspect.getmembers(module, inspect.isclass)
            found |= {member for _, member in members if issubclass(member, MeterworksError)}
    return sorted(found, key=lambda kind: kind.__qualname__)


@pytest.mark.parametrize("kind", _error_classes(), ids=lambda kind: kind.__qualname__)
def test_every_error_class_has_a_status_and_a_code(kind: type[MeterworksError]) -> None:
    assert 400 <= status_of(kind.__new__(kind)) <= 599
    assert kind.code == kind.code.lower()


def test_each_error_of_this_folder_has_a_row_of_its_own() -> None:
    own = {member for _, member in inspect.getmembers(errors, inspect.isclass) if member.__module__ == errors.__name__}
    assert own <= set(STATUS_BY_ERROR)


def test_a_problem_carries_code_request_and_retry() -> None:
    response = problem_of(errors.ReadTimeout("no answer from the meter"), "r-1")
    assert response.media_type == "application/problem+json"
    assert response.status_code == 504
    assert orjson.loads(response.body) == {
        "type": "about:blank",
        "title": "No answer in time",
        "status": 504,
        "detail": "no answer from the meter",
        "code": "read-timeout",
        "request_id": "r-1",
        "retry": "safe",
    }


def test_too_many_attempts_say_when_to_come_back() -> None:
    response = problem_of(errors.TooManyAttempts("later", retry_after_s=17), "r")
    assert response.status_code == 429
    assert response.headers["retry-after"] == "17"


def test_a_missing_token_is_told_which_scheme_to_use() -> None:
    assert problem_of(errors.NotAuthenticated("no"), "r").headers["www-authenticate"].startswith("Bearer")
