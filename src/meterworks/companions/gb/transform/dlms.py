"""Payloads of DLMS commands: access requests to electricity meters and hubs, from the plans of their use cases.

Source: GBCS 7.3 (DLMS payloads); IEC 62056-5-3, 7.3.7 (ACCESS); fact sheet gb/GBCS.md section 7.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from meterworks.catalogue.gb import (
    PayloadKind,
    UseCaseChoice,
    load_use_case_choices,
    load_use_case_items,
    load_use_cases,
)
from meterworks.companions.errors import TransformError
from meterworks.companions.gb.request import Request
from meterworks.companions.gb.situation import Situation
from meterworks.companions.gb.transform.dlms_binding import load_bindings
from meterworks.companions.gb.transform.dlms_plan import ObjectPlan, compile_use_case
from meterworks.companions.gb.transform.dlms_scope import Scope
from meterworks.companions.gb.transform.header import header_of
from meterworks.protocols.dlms import encode_length

__all__ = ["DlmsBuilder"]

_ACCESS_REQUEST: Final = b"\xd9\x20"  # confirmed is not asked for, priority is normal: GBCS knows one form
_NO_DATE_TIME: Final = b"\x00"
_ID_MASK: Final = 0xFF_FFFF


@dataclass(frozen=True, slots=True)
class DlmsBuilder:
    """Builds the payloads whose use cases have plans, by message code."""

    plans: Mapping[int, tuple[ObjectPlan, ...]]

    @classmethod
    def load(cls, additions: Sequence[Path] = ()) -> Self:
        """With the rows of the standard and those of makers' folders. Raises CatalogueError."""
        cases, items = load_use_cases(additions), load_use_case_items(additions)
        bindings = load_bindings(additions)
        choices: Iterable[UseCaseChoice] = (
            choice for row in load_use_case_choices(additions).values() for choice in row
        )
        wanted = {choice.code: choice.use_case for choice in choices if choice.payload is PayloadKind.DLMS}
        return cls(
            {
                code: compile_use_case(cases[code], items[name], bindings)
                for code, name in wanted.items()
                if name in items
            }
        )

    def payload_of(self, use_case: UseCaseChoice, request: Request, situation: Situation) -> bytes:
        """The payload of a request's command. Raises TransformError naming path, value and what is expected."""
        plan = self.plans.get(use_case.code)
        if plan is None:
            raise TransformError(
                f"{use_case.use_case} has no rows: nothing says what its commands hold",
                path=request.body.name, value=use_case.use_case, expected="rows in use_case_items.csv",
            )  # fmt: skip
        _, counter, other = header_of(use_case, request, situation)
        party = other.supplementary_party or request.request_id.originator
        scope = Scope(request.body, request, situation, counter=counter, party=party)
        objects = [one for one in plan if one.is_present is None or one.is_present(scope)]
        if not objects:
            raise TransformError(
                f"{request.body.name} asks for none of what it could",
                path=request.body.name,
                value="",
                expected="one at least",
            )
        count = encode_length(len(objects))
        return b"".join(
            (
                _ACCESS_REQUEST, (counter & _ID_MASK).to_bytes(3, "big"), _NO_DATE_TIME,
                count, *(one.specification(scope) for one in objects),
                count, *(one.value(scope) for one in objects),
            )
        )  # fmt: skip
