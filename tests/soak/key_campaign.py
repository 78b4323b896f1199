"""A rotation of all keys over a thousand emulated meters while connections break and the head-end is killed.

    python -m tests.soak.key_campaign [--meters 1000] [--seed N]

The meters are real DLMS servers on loopback sockets of this process. At 6 % of all messages the connection breaks
before the meter has seen them, at 10 % of all answers the meter falls off the line having done what it was asked, and
some answers are lost without a sign. Twice the head-end is killed and started again. Afterwards no meter may be lost,
none may have two valid keys, no counter may be lower than it was, and progress must have been visible all the time.
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
from pathlib import Path

from tests.integration.headend.key_field import make_field
from tests.integration.headend.test_key_campaign import campaign_under_losses, lowered

WITHIN_S = 1800.0
SESSIONS = 64


async def rotate(meters: int, seed: int) -> bool:
    """Run one campaign; say what came of it, and whether all is well."""
    with tempfile.TemporaryDirectory() as folder:
        field = await make_field(Path(folder), settings={"sessions_max": SESSIONS, "answer_timeout_s": 5.0})
        try:
            result = await campaign_under_losses(field, meters, seed=seed, within_s=WITHIN_S)
        finally:
            await field.close()
    figures = {
        "meters": meters,
        "seed": seed,
        "jobs": result["jobs"],
        "lost": len(result["lost"]),
        "two_valid_keys": len(result["two_valid"]),
        "counters_lowered": len(lowered(result["counters"])),
        "sessions_broken_off": result["attempts"],
        "s": round(result["s"], 1),
        "cpu_s": round(result["cpu_s"], 1),
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    grows = result["seen"] == sorted(result["seen"]) and len(set(result["seen"])) > 1
    return (
        result["jobs"] == {"done": meters}
        and not (result["lost"] or result["two_valid"] or lowered(result["counters"]))
        and result["changed"] == meters
        and grows
    )


def main() -> int:
    """Run it; the seed is printed, so that a failure can be repeated."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.key_campaign", description=__doc__)
    parser.add_argument("--meters", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    asked = parser.parse_args()
    return 0 if asyncio.run(rotate(asked.meters, asked.seed)) else 1


if __name__ == "__main__":
    sys.exit(main())
