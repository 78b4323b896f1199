"""The application: routes, gates, problem documents and the description clients are generated from."""

import gc
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import Response
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

import meterworks
from meterworks.errors import MeterworksError
from meterworks.market.api import (
    account,
    approval,
    audit,
    collection,
    consent,
    device,
    health,
    key,
    metering_point,
    metrics,
    organisation,
    privacy,
    reading,
    token,
)
from meterworks.market.api.gate import PUBLIC, Public, request_id_of
from meterworks.market.api.response import OrjsonResponse
from meterworks.market.api.shell import RequestShell
from meterworks.market.market import Market
from meterworks.market.problem import PROBLEM, ProblemResponse, problem_of
from meterworks.market.services import MarketServices, MarketSettings
from meterworks.registry import SHIPMENT_SIZE_MAX

__all__ = ["API_PREFIX", "create_api"]

API_PREFIX = "/api/v1"
# `reading` before `metering_point`, whose identifiers may hold slashes and so match whatever follows them.
_ROUTERS = (
    health,
    token,
    account,
    approval,
    device,
    reading,
    metering_point,
    organisation,
    consent,
    privacy,
    collection,
    key,
    audit,
)
_TAGS = (
    ("health", "Is the system well?"),
    ("tokens", "Log in and out. A token goes into the header `Authorization: Bearer ...`."),
    ("account", "One's own account: factors, fresh proof, API tokens, sessions."),
    ("users", "Accounts, for the operator."),
    ("approvals", "What needs two people: role grants, emergency accesses."),
    ("keys", "Keys of meters: versions and states, campaigns that change them. Never a key."),
    ("devices", "Meters: add, find, look at, read now."),
    ("metering points", "Places where energy is delivered and accounted for, whatever meter hangs there."),
    ("readings", "Series as JSON, CSV, Arrow stream or Parquet, by the Accept header."),
    ("organisations", "Market parties, consumers, and their dated rights to metering points."),
    ("consents", "What may be read why, and who agreed to what."),
    ("privacy", "A consumer's own data, holds, and what was deleted."),
    ("audit", "Who did what, for auditors, with proofs."),
    ("collection", "How collection is going: runs, sessions, missing ranges, rates."),
)


def create_api(services: MarketServices, settings: MarketSettings) -> FastAPI:
    """The market's application. It can be served as it is, or have pages added to it."""
    app = FastAPI(
        title="Meterworks market API",
        version=meterworks.__version__,
        description="Readings, devices and collection of a smart metering system.",
        openapi_url=None,  # served below, so that it passes the same gate as every route
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        redoc_url=None,
        separate_input_output_schemas=False,
        lifespan=_settled,
    )
    app.state.market = Market(services, settings)
    app.add_middleware(RequestShell, body_size_max_by_path={f"{API_PREFIX}/shipments": SHIPMENT_SIZE_MAX})
    _add_problem_handlers(app)
    for module in _ROUTERS:
        app.include_router(module.router, prefix=API_PREFIX)
    app.include_router(metrics.router)

    @app.get(f"{API_PREFIX}/openapi.json", dependencies=[PUBLIC], include_in_schema=False)
    async def description() -> Response:
        return OrjsonResponse(app.openapi())

    app.openapi = lambda: _description(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


@asynccontextmanager
async def _settled(_: FastAPI) -> AsyncIterator[None]:
    """What was made at the start lives as long as the process: the garbage collector need not look at it again.

    A full collection over it takes tens of milliseconds, which some request would have to wait for.
    """
    gc.collect()
    gc.freeze()
    yield


# --- problems -----------------------------------------------------------------------------------------------------


def _add_problem_handlers(app: FastAPI) -> None:
    @app.exception_handler(MeterworksError)
    async def known(request: Request, error: MeterworksError) -> Response:
        return problem_of(error, request_id_of(request))

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        found = [
            {"at": ".".join(str(place) for place in entry["loc"])[:200], "message": str(entry["msg"])[:300]}
            for entry in error.errors()[:20]
        ]
        return ProblemResponse(
            status=422,
            code="request-malformed",
            detail="; ".join(f"{entry['at']}: {entry['message']}" for entry in found),
            request_id=request_id_of(request),
            extensions={"errors": found},
        )

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        code = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "request-malformed")
        return ProblemResponse(
            status=error.status_code,
            code=code,
            detail=str(error.detail),
            request_id=request_id_of(request),
            headers=error.headers,
        )


# --- description --------------------------------------------------------------------------------------------------


def _is_public(route: RouteContext) -> bool:
    return any(isinstance(dependency.call, Public) for dependency in route.dependant.dependencies)


def _description(app: FastAPI) -> dict[str, Any]:
    """OpenAPI with the bearer scheme and the problem document on every route."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=[{"name": name, "description": text} for name, text in _TAGS],
            separate_input_output_schemas=False,
        )
        components = schema.setdefault("components", {})
        components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        schemas = components.setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):  # our problems have another form
            schemas.pop(unused, None)
        schemas |= {"Problem": _PROBLEM_SCHEMA, "Series": _SERIES_SCHEMA}
        schema["security"] = [{"bearer": []}]
        _describe_operations(schema["paths"], app.routes)
        app.openapi_schema = schema
    return app.openapi_schema


def _describe_operations(paths: Mapping[str, Any], routes: Sequence[BaseRoute]) -> None:
    problem = {
        "description": "A problem, with its stable code",
        "content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for route in iter_route_contexts(routes):
        if not isinstance(route.original_route, APIRoute) or not route.include_in_schema:
            continue
        for method in route.methods or ():
            operation = paths[str(route.path_format)][method.lower()]
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = problem
            if _is_public(route):
                operation["security"] = []


_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "Problem document, RFC 9457",
    "required": ["type", "title", "status", "detail", "code", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What, where and what to do"},
        "code": {"type": "string", "description": "Stable, for machines"},
        "request_id": {"type": "string", "description": "Also in the X-Request-ID header and in our logs"},
        "retry": {"type": "string", "enum": ["safe", "unknown"], "description": "Absent: do not try again"},
    },
}

_TIME_SCHEMA = {"type": "string", "format": "date-time", "description": "RFC 3339, UTC"}
_SERIES_SCHEMA = {
    "type": "object",
    "description": "Readings by channel, oldest first. value x 10^scaler is in unit.",
    "properties": {
        "metering_point": {"type": "string"},
        "device": {"type": "integer"},
        "from": _TIME_SCHEMA,
        "to": _TIME_SCHEMA,
        "as_of": {"anyOf": [_TIME_SCHEMA, {"type": "null"}]},
        "resolution": {"type": "string", "enum": ["interval", "day", "month"]},
        "tz": {"type": "string"},
        "series": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "channel": {"type": "string"},
                    "channel_id": {"type": "integer"},
                    "unit": {"type": "string"},
                    "scaler": {"type": "integer"},
                    "interval_s": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                    "kind": {"type": "string", "enum": ["interval", "register", "instant"]},
                    "readings": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "description": "quality, flags and version at resolution interval; end, local_date, count "
                            "and expected at resolution day and month",
                            "properties": {
                                "start": _TIME_SCHEMA,
                                "end": _TIME_SCHEMA,
                                "local_date": {"type": "string", "format": "date"},
                                "value": {"type": "integer"},
                                "quality": {"type": "string"},
                                "flags": {"type": "integer"},
                                "version": {"type": "integer"},
                                "count": {"type": "integer"},
                                "expected": {"type": "integer"},
                            },
                        },
                    },
                },
            },
        },
        "next": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "Cursor of the next page"},
    },
}
