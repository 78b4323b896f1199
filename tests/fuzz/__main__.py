"""Fuzz every decoder for a while, from examples on: DLMS and both its ends, certificates, GB messages and documents.

    python -m tests.fuzz [--seconds N]

With atheris (extra `fuzz`) coverage guides the bytes; without it they are changed at random, which finds less. Octets
that break something are kept in a file that is named.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from tests.fuzz.target import changed, corpus, run_any

ROOT = Path(__file__).resolve().parent.parent.parent
INPUT_SIZE_MAX = 4096
INPUT_S_MAX = 10
MEMORY_MB_MAX = 2048


def guided(seconds: int, folder: Path) -> bool:
    """Run libFuzzer through atheris in a process of its own, which a crash ends."""
    begin = folder / "corpus"
    begin.mkdir()
    for number, octets in enumerate(corpus()):
        (begin / str(number)).write_bytes(octets)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={INPUT_SIZE_MAX}",
        f"-timeout={INPUT_S_MAX}",
        f"-rss_limit_mb={MEMORY_MB_MAX}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    argv = [sys.executable, "-m", "tests.fuzz.guided", *options, str(begin)]
    return subprocess.run(argv, cwd=ROOT, check=False).returncode == 0


def unguided(seconds: int, folder: Path) -> bool:
    """Change examples at random in this process."""
    seed = random.SystemRandom().randrange(2**32)
    source = random.Random(seed)
    ends = time.monotonic() + seconds
    count = 0
    while time.monotonic() < ends:
        octets = changed(source)
        try:
            run_any(octets)
        except Exception:
            (folder / "broke").write_bytes(octets)
            sys.stderr.write(f"seed {seed}, input {count}: octets in {folder / 'broke'}\n")
            raise
        count += 1
    sys.stdout.write(f"{count} inputs, seed {seed}; install atheris (extra fuzz) to have them guided by coverage\n")
    return True


def main() -> int:
    """Fuzz, and say whether nothing broke."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60, help="how long")
    seconds = parser.parse_args().seconds
    folder = Path(tempfile.mkdtemp(prefix="meterworks-fuzz-"))
    passed = (guided if find_spec("atheris") else unguided)(seconds, folder)
    sys.stdout.write(f"{'nothing broke' if passed else 'BROKEN'}; see {folder}\n")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
