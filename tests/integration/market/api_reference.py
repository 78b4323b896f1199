"""Writes the tables of docs/api.md from the application itself: `python -m tests.integration.market.api_reference`.

A test compares the page with what this would write, so that the page cannot lag behind the API.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.integration.market.small_neighbourhood import lay_foundation, open_neighbourhood

from meterworks.catalogue import PERMISSIONS, Role
from meterworks.errors import MeterworksError
from meterworks.market import errors as market_errors
from meterworks.market import status_of
from meterworks.market.api import create_api

PAGE = Path(__file__).resolve().parents[3] / "docs" / "api.md"
_BLOCK = re.compile(r"(<!-- (\w+) begin -->\n).*?(<!-- \2 end -->)", re.DOTALL)


def _parameters(operation: Mapping[str, Any]) -> str:
    names = [
        f"`{parameter['name']}`{'' if parameter['required'] else '?'}"
        for parameter in operation.get("parameters", [])
        if parameter["in"] != "path"
    ]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    reference = body.get("$ref") or next((each["$ref"] for each in body.get("anyOf", []) if "$ref" in each), "")
    if reference:
        names.append(f"body: {reference.rsplit('/', 1)[1]}")
    return ", ".join(names)


def _routes(description: Mapping[str, Any]) -> Iterator[str]:
    yield "| request | what | parameters (`?`: may be left out) |"
    yield "|---|---|---|"
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            shown = path.removeprefix("/api/v1")
            yield f"| `{method.upper()} {shown}` | {operation['summary']} | {_parameters(operation)} |"


def _bodies(description: Mapping[str, Any]) -> Iterator[str]:
    yield "| body | field | type | |"
    yield "|---|---|---|---|"
    for name, schema in sorted(description["components"]["schemas"].items()):
        if not name.endswith(("Document", "Credentials")):
            continue
        for field, content in schema["properties"].items():
            kinds = [
                each.get("type") or each.get("$ref", "").rsplit("/", 1)[-1] for each in content.get("anyOf", [content])
            ]
            needed = "needed" if field in schema.get("required", []) else ""
            yield f"| {name} | `{field}` | {' or '.join(kind for kind in kinds if kind)} | {needed} |"


def _errors() -> Iterator[str]:
    yield "| code | status | meaning |"
    yield "|---|---|---|"
    for name in sorted(market_errors.__all__):
        kind = getattr(market_errors, name)
        if isinstance(kind, type) and issubclass(kind, MeterworksError):
            meaning = (kind.__doc__ or "").splitlines()[0]
            yield f"| `{kind.code}` | {status_of(kind.__new__(kind))} | {meaning} |"


def _roles() -> Iterator[str]:
    roles = list(Role)
    yield "| action | " + " | ".join(role.value.replace("_", " ") for role in roles) + " |"
    yield "|---|" + "---|" * len(roles)
    for action, permission in PERMISSIONS.items():
        reaches = [permission.reaches.get(role) for role in roles]
        yield f"| `{action}` | " + " | ".join("-" if reach is None else reach.value for reach in reaches) + " |"


def written(page: str, description: Mapping[str, Any]) -> str:
    """The page with its tables as they should be."""
    tables = {"routes": _routes(description), "bodies": _bodies(description), "errors": _errors(), "roles": _roles()}
    texts = {name: "\n".join(lines) + "\n" for name, lines in tables.items()}
    return _BLOCK.sub(lambda found: f"{found[1]}{texts[found[2]]}{found[3]}", page)


async def _description() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        first, second = Path(name) / "foundation", Path(name) / "own"
        first.mkdir()
        second.mkdir()
        foundation = await lay_foundation(first)
        neighbourhood = await open_neighbourhood(foundation, second)
        description = create_api(neighbourhood.services, neighbourhood.settings).openapi()
        await neighbourhood.close()
        foundation.warehouse.close()
        return description


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), asyncio.run(_description())), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name} is written\n")
