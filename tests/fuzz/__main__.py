"""Fuzz the DLMS codec and both its ends for a while, from recorded APDUs on.

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

from tests.fuzz.dlms import TARGET_COUNT, run_one
from tests.fuzz.test_dlms import APDUS, aimed, changed_example

ROOT = Path(__file__).resolve().parent.parent.parent
INPUT_SIZE_MAX = 4096
INPUT_S_MAX = 10
MEMORY_MB_MAX = 2048


def guided(seconds: int, folder: Path) -> bool:
    """Run libFuzzer through atheris in a process of its own, which a crash ends."""
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, apdu in enumerate(APDUS):
        for target in range(TARGET_COUNT):
            (corpus / f"{number}-{target}").write_bytes(aimed(target, apdu))
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={INPUT_SIZE_MAX}",
        f"-timeout={INPUT_S_MAX}",
        f"-rss_limit_mb={MEMORY_MB_MAX}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    argv = [sys.executable, "-m", "tests.fuzz.guided", *options, str(corpus)]
    return subprocess.run(argv, cwd=ROOT, check=False).returncode == 0


def unguided(seconds: int, folder: Path) -> bool:
    """Change recorded APDUs at random in this process."""
    seed = random.SystemRandom().randrange(2**32)
    source = random.Random(seed)
    ends = time.monotonic() + seconds
    count = 0
    while time.monotonic() < ends:
        octets = changed_example(source)
        try:
            run_one(octets)
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
