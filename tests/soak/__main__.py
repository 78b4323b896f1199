"""`make soak`: what takes too long for every change. Fresh seeds each time; what fails prints how to repeat it.

python -m tests.soak [kills] [replays] [defects] [tls_matrix] [timing] [slow_meters] [key_campaign] [altered] [fuzz]
"""

import argparse
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
KILL_SEEDS = 4
FUZZ_S = 3600  # over all targets together


def run(*argv: str, **environment: str) -> bool:
    """Run one part; say how it ended."""
    sys.stderr.write(f"$ {' '.join(f'{name}={value}' for name, value in environment.items())} {' '.join(argv)}\n")
    finished = subprocess.run([sys.executable, *argv], cwd=ROOT, env={**os.environ, **environment}, check=False)
    return finished.returncode == 0


def kills() -> bool:
    """Whole systems under kill -9, with seeds that nobody chose."""
    seeds = ",".join(str(secrets.randbelow(10**6)) for _ in range(KILL_SEEDS))
    return run(
        "-m", "pytest", "-q", "tests/faults/system/test_kills.py", SOAK_SEEDS=seeds, SOAK_KILLS="10", SOAK_DAYS="300"
    )


def replays() -> bool:
    """Every measured file through a whole system, and deaths of the writer with seeds that nobody chose."""
    seeds = " ".join(str(secrets.randbelow(10**6)) for _ in range(KILL_SEEDS))
    shared = "tests/integration/system/test_shared_replays.py"
    killed = "tests/faults/readings/test_writer_killed.py"
    others = (
        *("tests/integration/system/test_up.py", "tests/integration/system/test_odd_replays.py"),
        "tests/integration/access/test_schema.py",
    )
    return run("-m", "pytest", "-q", shared, killed, *others, SOAK_REPLAYS="1", FRESH_SEEDS=seeds, SCHEMA_EXAMPLES="20")


def defects() -> bool:
    """Every security check under every seeded defect of its part: its own make it fail, no other does."""
    tokens = run("-m", "pytest", "-q", "tests/unit/trust/keystore/test_pkcs11_vault.py", SOAK_TOKENS="1")
    return run("-m", "pytest", "-q", "-n", "2", "tests/security", EVERY_DEFECT="1") and tokens


def tls_matrix() -> bool:
    """Every version, suite and group that openssl can offer, at every interface."""
    return run("-m", "tests.soak.tls_matrix")


def timing() -> bool:
    """Whether what is refused tells by its time where it was wrong."""
    return run("-m", "tests.soak.timing")


def slow_meters() -> bool:
    """10,000 sessions at once with meters that take 8 s and lose 2 %."""
    return run("-m", "tests.soak.slow_meters")


def key_campaign() -> bool:
    """New keys for 1,000 meters with losses at every step, the head-end killed twice."""
    return run("-m", "tests.soak.key_campaign")


def altered() -> bool:
    """Every value of every command of the GB set altered in turn: the independent check refuses each."""
    shared = Path(os.environ.get("METERWORKS_SHARED", ROOT.parent / "shared"))
    return run("-m", "tests.conformance.gbcs.altered", str(shared / "vectors" / "gb"))


def fuzz() -> bool:
    """Coverage-guided bytes at codec and server."""
    return run("-m", "tests.fuzz", "--seconds", str(FUZZ_S))


PARTS: dict[str, Callable[[], bool]] = {
    "kills": kills,
    "replays": replays,
    "defects": defects,
    "tls_matrix": tls_matrix,
    "timing": timing,
    "slow_meters": slow_meters,
    "key_campaign": key_campaign,
    "altered": altered,
    "fuzz": fuzz,
}


def main() -> int:
    """Run the named parts, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=f"of {', '.join(PARTS)}")
    results = {name: PARTS[name]() for name in parser.parse_args().parts or PARTS}
    for name, passed in results.items():
        sys.stdout.write(f"{name}: {'passed' if passed else 'FAILED'}\n")
    return 0 if all(results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
