"""Run every benchmark in a process of its own, one after another, and print one table of what was measured.

Each benchmark is a module that prints its results as one JSON object on the last line of its standard output:
`{"name": value, ...}`; nested objects become dotted names. Nothing here judges: `docs/benchmarks.md` states the aims.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

BENCHMARKS = ("decode", "sessions", "fleet_memory", "warehouse", "api", "end_to_end")
ROOT = Path(__file__).resolve().parent.parent
LIMIT_S = 1200


def flat(prefix: str, value: object) -> Iterator[tuple[str, object]]:
    """A nested result as (dotted name, value) pairs."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from flat(f"{prefix}.{name}" if prefix else str(name), inner)
    else:
        yield prefix, value


def shown(value: object) -> str:
    """A figure with four significant digits."""
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def run(name: str) -> dict[str, object] | None:
    """One benchmark's results, or None when it failed (its own words are on standard error)."""
    started = time.monotonic()
    sys.stderr.write(f"{name} ...\n")
    finished = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    sys.stderr.write(f"{name}: {time.monotonic() - started:.0f} s\n")
    lines = [line for line in finished.stdout.splitlines() if line.startswith("{")]
    if finished.returncode != 0 or not lines:
        sys.stderr.write(f"{name}: failed with exit code {finished.returncode}\n{finished.stdout[-2000:]}\n")
        return None
    return dict(json.loads(lines[-1]))


def main() -> int:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", default=[], help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--json", type=Path, help="write the results to this file as well")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; known are {', '.join(BENCHMARKS)}")
    results = {name: run(name) for name in arguments.names or BENCHMARKS}
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {platform.system()}"
    sys.stdout.write(f"\nMeasured {time.strftime('%Y-%m-%d', time.gmtime())} on {machine}\n")
    for name, result in results.items():
        sys.stdout.write(f"\n{name}\n")
        for key, value in flat("", result or {"failed": True}):
            sys.stdout.write(f"  {key:<58} {shown(value)}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))
    return 1 if None in results.values() else 0


if __name__ == "__main__":
    sys.exit(main())
