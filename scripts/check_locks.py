"""Refuse a lock that names an address or a file, or that does not cover the project's own dependencies."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"requirements.lock": (), "requirements-dev.lock": ("dev",)}


def name_of(requirement: str) -> str:
    """The normalised name a requirement line begins with."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", match.group(0)).lower() if match else ""


def problems() -> list[str]:
    """One line per fault found in the locks."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = []
    for lock, extras in LOCKS.items():
        lines = [line.strip() for line in (ROOT / lock).read_text().splitlines() if line.strip()]
        found += [f"{lock}: names an address: {line}" for line in lines if re.search(r"://|@ |^-|file:", line)]
        found += [f"{lock}: is not an exact pin: {line}" for line in lines if "==" not in line]
        locked = {name_of(line) for line in lines}
        wanted = project["dependencies"] + [r for extra in extras for r in project["optional-dependencies"][extra]]
        found += [f"{lock}: lacks {name_of(r)}: run `make lock`" for r in wanted if name_of(r) not in locked]
    return found


if __name__ == "__main__":
    faults = problems()
    sys.stderr.writelines(f"{fault}\n" for fault in faults)
    sys.exit(1 if faults else 0)
