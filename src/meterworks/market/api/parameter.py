"""Parameters that several routes share, with their limits."""

from typing import Annotated

from fastapi import Path, Query

__all__ = ["After", "DeviceNumber", "FromText", "Limit", "MeteringPointId", "PurposeText", "ToText"]

_NUMBER_MAX = 2**63 - 1

DeviceNumber = Annotated[int, Path(ge=1, le=_NUMBER_MAX, description="The device's number")]
MeteringPointId = Annotated[str, Path(min_length=1, max_length=128, description="The metering point's identifier")]
Limit = Annotated[int, Query(ge=1, le=1000, description="Entries of one page")]
After = Annotated[str | None, Query(max_length=256, description="`next` of the page before")]
FromText = Annotated[
    str | None, Query(alias="from", max_length=40, description="Start, included: RFC 3339 with offset")
]
ToText = Annotated[str | None, Query(alias="to", max_length=40, description="End, excluded: RFC 3339 with offset")]
PurposeText = Annotated[
    str | None,
    Query(max_length=64, description="Why the data is read, see `GET /purposes`; the consumer sees it"),
]
