"""Fuzz targets for what DUIS reads from strangers: XML documents, their signatures, JSON, and their schema.

A target takes any octets and raises only where we are wrong; it tells whether they were taken or refused.
"""

import json
from collections.abc import Callable
from functools import cache

from tests.unit.companions.gb.duis.sample import ISSUER, KEYS, SIGNER, document, request

from meterworks.companions.gb.duis import (
    read_document,
    read_request,
    request_from_json,
    request_to_json,
    response_from_json,
    response_to_json,
    sign_document,
    sign_request,
    verify_document,
    write_document,
)
from meterworks.companions.gb.duis.response import Response
from meterworks.errors import MeterworksError

__all__ = ["DUIS_TARGETS", "example_of"]


def _outcome(work: Callable[..., object], *arguments: object) -> str:
    try:
        work(*arguments)
    except MeterworksError:
        return "refused"
    return "taken"


def _round_trip(octets: bytes) -> None:
    """A document that is taken comes out so that it is taken for the same."""
    found = read_document(octets)
    again = read_document(write_document(found))
    if again.root != found.root:
        raise AssertionError("a document came out as another")


def _json_round_trip(octets: bytes) -> None:
    try:
        form = json.loads(octets)
    except (ValueError, RecursionError):
        return
    read, write = (
        (response_from_json, response_to_json) if isinstance(form, dict) and "Response" in str(form) else _REQUEST
    )
    found = read(form)
    if read(write(found)) != found and write(read(write(found))) != write(found):
        raise AssertionError("a JSON form came back as another")


_REQUEST = (request_from_json, request_to_json)


def _verify(octets: bytes) -> None:
    """Whatever verifies says what was signed."""
    content = verify_document(octets, KEYS.get).content
    if isinstance(content, Response) or content != request():
        raise AssertionError("a document was taken that nobody signed")


def _fuzz_request(octets: bytes) -> str:
    return _outcome(read_request, octets)


def _fuzz_document(octets: bytes) -> str:
    return _outcome(_round_trip, octets)


def _fuzz_signature(octets: bytes) -> str:
    return _outcome(_verify, octets)


def _fuzz_signing(octets: bytes) -> str:
    return _outcome(sign_document, octets, SIGNER, ISSUER, 77)


def _fuzz_json(octets: bytes) -> str:
    return _outcome(_json_round_trip, octets)


@cache
def _examples() -> dict[str, bytes]:
    return {
        "_fuzz_request": document(),
        "_fuzz_document": document(
            "<!-- a -->\n<sr:ReadSchedule><sr:DSPScheduleID>1</sr:DSPScheduleID></sr:ReadSchedule>"
        ),
        "_fuzz_signature": sign_request(request(), SIGNER, ISSUER, 77),
        "_fuzz_signing": document(),
        "_fuzz_json": json.dumps(request_to_json(request())).encode(),
    }


def example_of(target: Callable[[bytes], str]) -> bytes:
    """The octets that a target takes as they are."""
    return _examples()[target.__name__]


DUIS_TARGETS = (_fuzz_request, _fuzz_document, _fuzz_signature, _fuzz_signing, _fuzz_json)
