"""Sets of GB vectors, run step by step: every message and request, tokens, samples and signed documents."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from meterworks.assess.vectors.gb_message_step import MESSAGE_STEPS, use_case_of
from meterworks.assess.vectors.gb_other_step import other_verdicts
from meterworks.assess.vectors.gb_request_step import REQUEST_STEPS
from meterworks.assess.vectors.gb_result_step import RESULT_STEPS
from meterworks.assess.vectors.gb_set import GbMessage, GbRequest, GbSet, Step
from meterworks.assess.vectors.verdict import Verdict, verdict_of
from meterworks.errors import MeterworksError
from meterworks.protocols.gbcs import Message

__all__ = ["GB_STEPS", "gb_verdicts"]

T = TypeVar("T", GbMessage, GbRequest)
UNKNOWN: Final = "unreadable"

GB_STEPS: Final = tuple(step.name for steps in (MESSAGE_STEPS, REQUEST_STEPS, RESULT_STEPS) for step in steps)
"""The steps in the order of the table's columns."""


def gb_verdicts(folder: Path, base: Path) -> Iterator[Verdict]:
    """Run every step on everything in a set. base: what ids are told from.

    A verdict's kind is the step, its subject the use case (of a request that the carrier answers: its variant).
    """
    whole = GbSet(folder)
    for message in whole.messages:
        yield from _run(whole, message, (*MESSAGE_STEPS, *RESULT_STEPS), _subject_of_message(message), base)
    for request in whole.requests:
        yield from _run(whole, request, REQUEST_STEPS, _subject_of_request(whole, request), base)
    yield from other_verdicts(whole, base)


def _run(whole: GbSet, vector: T, steps: Sequence[Step[T]], subject: str, base: Path) -> Iterator[Verdict]:
    name = vector.path.relative_to(base).as_posix()
    for step in steps:
        if step.applies(whole, vector):
            yield verdict_of(name, step.name, partial(step.check, whole, vector), subject=subject)


def _subject_of_message(vector: GbMessage) -> str:
    try:
        return use_case_of(Message.from_bytes(vector.octets).message_code)
    except MeterworksError:
        return UNKNOWN


def _subject_of_request(whole: GbSet, vector: GbRequest) -> str:
    for form in ("COMMAND", "PRECOMMAND"):
        if (vector.stem, form) in whole.by_stem:
            return _subject_of_message(whole.by_stem[vector.stem, form])
    return vector.stem.split("_", 1)[0]
