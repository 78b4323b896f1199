"""Run every benchmark in a process of its own, one after another, and print what was measured beside what was aimed at.

Each benchmark is a module that prints its results as one JSON object, the last thing on its standard output; nested
objects become dotted names. The aims stand in `benchmarks/aim.py`; docs/benchmarks.md tells what they mean.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.aim import Verdict, judge

BENCHMARKS = (
    *("decode", "apdu", "protection", "sessions", "fleet_memory", "warehouse", "api", "end_to_end"),
    *("keystore", "pki", "channels", "audit", "gbcs"),
)
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
    """One benchmark's figures by dotted name, or None when it failed (its own words are on standard error)."""
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
    found = re.search(r"^\{.*\}\s*\Z", finished.stdout, re.MULTILINE | re.DOTALL)
    if finished.returncode != 0 or found is None:
        sys.stderr.write(f"{name}: failed with exit code {finished.returncode}\n{finished.stdout[-2000:]}\n")
        return None
    return dict(flat("", json.loads(found.group())))


def report(results: Mapping[str, Mapping[str, object] | None]) -> str:
    """All figures of each benchmark, then the aims."""
    verdicts: list[Verdict] = []
    lines = []
    for name, figures in results.items():
        lines += ["", name]
        if figures is None:
            lines.append("  failed")
            continue
        lines += [f"  {figure:<62} {shown(value):>14}" for figure, value in figures.items()]
        verdicts += judge(name, figures)
    return "\n".join([*lines, "", *table(verdicts)])


def table(verdicts: Sequence[Verdict]) -> list[str]:
    """One row per aim: the figure, the limit, and how many times better than the limit it is."""
    lines = [f"{'aim':<50} {'measured':>12} {'limit':>14}  {'unit':<11} {'times limit':>11}"]
    for verdict in verdicts:
        aim = verdict.aim
        limit = f">= {shown(aim.at_least)}" if aim.at_least is not None else f"<= {shown(aim.at_most)}"
        lines.append(
            f"{f'{aim.benchmark}: {aim.text}':<50} {shown(verdict.value):>12} {limit:>14}  {aim.unit:<11}"
            f" {verdict.ratio:>11.2f}  {'met' if verdict.met else 'MISSED'}"
        )
    return lines


def load() -> str:
    """How busy the machine is just now: other work makes every figure but memory and bytes worse."""
    return f"{os.getloadavg()[0]:.1f}"


def main() -> int:
    """Run the named benchmarks, or all. The exit code tells of benchmarks that failed, not of aims that were missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", default=[], help=f"of {', '.join(BENCHMARKS)}")
    parser.add_argument("--json", type=Path, help="write the results to this file as well")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; known are {', '.join(BENCHMARKS)}")
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {platform.system()}"
    before = load()
    results = {name: run(name) for name in arguments.names or BENCHMARKS}
    date = time.strftime("%Y-%m-%d", time.gmtime())
    sys.stdout.write(f"\nMeasured {date} on {machine}; load before the first benchmark {before}\n{report(results)}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))
    return 1 if None in results.values() else 0


if __name__ == "__main__":
    sys.exit(main())
