"""Payloads of gas commands (GBZ), by the rows of `gbz_table`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from meterworks.catalogue.gb import UseCaseChoice
from meterworks.companions.errors import TransformError
from meterworks.companions.gb.request import Request
from meterworks.companions.gb.situation import Situation
from meterworks.companions.gb.transform.gbz_table import GbzRow, Scope, load_gbz_rows
from meterworks.protocols.gbcs import Component, GbzMessage

__all__ = ["GbzBuilder"]


@dataclass(frozen=True, slots=True)
class GbzBuilder:
    """Builds the payloads whose use cases have rows."""

    rows: Mapping[int, tuple[GbzRow, ...]]

    @classmethod
    def load(cls, additions: Sequence[Path] = ()) -> Self:
        """With the rows of the standard and those of makers' folders. Raises CatalogueError."""
        return cls(load_gbz_rows(additions))

    def payload_of(self, use_case: UseCaseChoice, request: Request, situation: Situation) -> bytes:
        """The payload of a request's command. Raises TransformError naming path, value and what is expected."""
        rows = self.rows.get(use_case.code)
        if rows is None:
            raise TransformError(
                f"{use_case.use_case} has no rows in gbz_commands.csv", use_case=use_case.use_case, path=""
            )
        scope = Scope(request.body, request.body, situation)
        components: list[Component] = []
        for row in rows:
            components.extend(row.components(scope, len(components)))
        return GbzMessage(tuple(components)).to_bytes()
