"""Logs and metrics of every process.

Logs are JSON lines: a constant sentence (`event`) plus fields, one file per process and the important ones on standard
error. A field that is named like a secret is replaced before anything is written, whoever logs it.

Metrics are Prometheus. A process alone keeps them in memory; under the supervisor, which sets PROMETHEUS_MULTIPROC_DIR
before it starts a child, each process keeps them in a file there and any process can show the sum of all.
"""

import contextlib
import logging
import logging.handlers
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import orjson
import structlog
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from meterworks.runtime.errors import SettingsError

__all__ = [
    "METRICS_FOLDER_VARIABLE",
    "LogLevel",
    "configure_logging",
    "counter",
    "forget_process_metrics",
    "gauge",
    "get_logger",
    "histogram",
    "prepare_metrics_folder",
    "render_metrics",
]

METRICS_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # read by prometheus_client when it is imported
LOG_FILE_SIZE_MAX = 64 * 2**20
LOG_FILES_KEPT = 3
LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
REDACTED = "[redacted]"

LogLevel = Literal["debug", "info", "warning", "error"]

_SECRET_NAME = re.compile(
    r"(^|[_\W])(key|keys|guek|gak|kek|gbek|password|passwd|passphrase|secret|token|pin|utrn|authorization|cookie)($|[_\W])",
    re.IGNORECASE,
)
_PUBLIC_NAME = re.compile(
    r"(key|token)_(id|count|name|ref|version)$", re.IGNORECASE
)  # they name a secret, they are none
_REDACTION_DEPTH_MAX = 6


def configure_logging(
    process: str, log_dir: Path | None, level: LogLevel = "info", *, console_level: LogLevel = "warning"
) -> None:
    """Write this process's log to `log_dir/<process>.log` as JSON lines; standard error gets `console_level` and worse.

    Everything logged through the standard library (uvicorn, SQLAlchemy ...) takes the same way. Without a folder only
    standard error is written. A file is rolled over at 64 MB, three old ones are kept.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _ProcessName(process),
            redact_secrets,
            structlog.processors.JSONRenderer(serializer=_to_json),
        ],
    )
    root = logging.getLogger()
    for handler in list(root.handlers):
        if getattr(handler, "meterworks", False):
            root.removeHandler(handler)
            handler.close()
    for handler in _handlers(process, log_dir, console_level):
        handler.setFormatter(formatter)
        handler.meterworks = True  # type: ignore[attr-defined]  # marks our own, so that a second call replaces them only
        root.addHandler(handler)
    root.setLevel(_number(level))
    for chatty in ("aiosqlite", "asyncio", "nats", "sqlalchemy.engine", "httpx"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, _number(level)))


def get_logger(name: str) -> FilteringBoundLogger:
    """The logger of a module: `get_logger("headend.session").info("association opened", device=17)`.

    Before `configure_logging` (as a library, in tests) only warnings and worse are shown, on standard error.
    """
    if not structlog.is_configured():
        _configure_quietly()
    logger: FilteringBoundLogger = structlog.get_logger(name)
    return logger


def redact_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the value of every field whose name says that it is a secret, in nested fields too."""
    return {
        name: REDACTED if _names_a_secret(name) else _redact_inside(value, _REDACTION_DEPTH_MAX)
        for name, value in event.items()
    }


def _names_a_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None and _PUBLIC_NAME.search(name) is None


def _redact_inside(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        if depth == 0:
            return REDACTED
        return {
            str(name): REDACTED if _names_a_secret(str(name)) else _redact_inside(inner, depth - 1)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return REDACTED if depth == 0 else [_redact_inside(inner, depth - 1) for inner in value]
    return value


class _ProcessName:
    """Adds which process speaks."""

    def __init__(self, process: str) -> None:
        self._process = process

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["process"] = self._process
        event["pid"] = os.getpid()
        return event


def _configure_quietly() -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            redact_secrets,
            structlog.processors.LogfmtRenderer(key_order=("level", "event"), bool_as_flag=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _handlers(process: str, log_dir: Path | None, console_level: LogLevel) -> Sequence[logging.Handler]:
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(_number(console_level))
    if log_dir is None:
        return [console]
    log_dir.mkdir(parents=True, exist_ok=True)
    file = logging.handlers.RotatingFileHandler(
        log_dir / f"{process}.log", maxBytes=LOG_FILE_SIZE_MAX, backupCount=LOG_FILES_KEPT, encoding="utf-8", delay=True
    )
    return [console, file]


def _number(level: LogLevel) -> int:
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise SettingsError(f"log level {level!r} is none of debug, info, warning, error", value=level)
    return number


def _to_json(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


Metric = TypeVar("Metric", bound=MetricWrapperBase)
_metrics: dict[str, MetricWrapperBase] = {}


def counter(name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
    """A count that only grows, summed over processes: `counter("headend_sessions_total", "...", ["outcome"])`.

    All metrics get the prefix `meterworks_`. Asking twice for a name gives the same metric.
    """
    return _metric(Counter, name, documentation, labels)


def gauge(
    name: str,
    documentation: str,
    labels: Sequence[str] = (),
    *,
    across: Literal["mostrecent", "livesum", "livemax", "liveall"] = "mostrecent",
) -> Gauge:
    """A value that goes up and down.

    across: what several processes make together: the value set last (one process owns it), or of those that are alive
    the sum, the maximum or one series each.
    """
    return _metric(Gauge, name, documentation, labels, multiprocess_mode=across)


def histogram(
    name: str, documentation: str, labels: Sequence[str] = (), *, buckets: Sequence[float] = LATENCY_BUCKETS_S
) -> Histogram:
    """A distribution, by default of durations in seconds from 1 ms to 1 minute, summed over processes."""
    return _metric(Histogram, name, documentation, labels, buckets=buckets)


def _metric(kind: type[Metric], name: str, documentation: str, labels: Sequence[str], **options: Any) -> Metric:
    known = _metrics.get(name)
    if known is None:
        known = _metrics[name] = kind(f"meterworks_{name}", documentation, labelnames=tuple(labels), **options)
    if not isinstance(known, kind) or tuple(known._labelnames) != tuple(labels):
        raise SettingsError(f"the metric {name!r} already exists with another type or other labels", name=name)
    return known


def render_metrics() -> bytes:
    """All metrics in Prometheus's text form: of this process, or under a supervisor of every process of the system."""
    folder = os.environ.get(METRICS_FOLDER_VARIABLE)
    if not folder:
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=folder)  # type: ignore[no-untyped-call]  # the library leaves it untyped
    return generate_latest(registry)


def prepare_metrics_folder(folder: Path) -> None:
    """Empty the folder before the first process of a system starts: what earlier runs counted is over."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        with contextlib.suppress(FileNotFoundError):
            file.unlink()


def forget_process_metrics(folder: Path, process_id: int) -> None:
    """Drop the live gauges of a process that has ended; its counts stay in the sums."""
    mark_process_dead(process_id, path=str(folder))  # type: ignore[no-untyped-call]  # the library leaves it untyped
