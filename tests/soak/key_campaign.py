"""A rotation of all keys over a thousand emulated meters while connections break and the head-end is killed.

    python -m tests.soak.key_campaign [--meters 1000] [--certified 999] [--seed N]

The meters are real DLMS servers on loopback sockets of this process. At 6 % of all messages the connection breaks
before the meter has seen them, at 10 % of all answers the meter falls off the line having done what it was asked, and
some answers are lost without a sign. Twice the head-end is killed and started again. Afterwards no meter may be lost,
none may have two valid keys, no counter may be lower than it was, and progress must have been visible all the time.
Then a fleet of suites 0, 1 and 2 is given certificates and rotated in the same way, its master keys agreed.
"""

import argparse
import asyncio
import json
import secrets
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.integration.headend.certified_field import certified
from tests.integration.headend.key_field import make_field
from tests.integration.headend.test_key_campaign import campaign_under_losses, lowered
from tests.integration.headend.test_key_suite import suites_under_losses

from meterworks.registry import KeyKind

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


async def rotate_suites(meters: int, seed: int) -> bool:
    """Certify and rotate a fleet of all suites; say what came of it, and whether all is well."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        field = await make_field(Path(folder), settings={"sessions_max": SESSIONS, "answer_timeout_s": 5.0})
        certified(field)
        try:
            result = await suites_under_losses(field, meters, seed=seed, within_s=WITHIN_S)
            lost, two_valid = await field.lost(), await field.two_valid()
            hands = await field.registry.key_hands(field.ids)
        finally:
            field.certifier.pki.close()
            await field.close()
    origins = Counter(str(hand.active()[KeyKind.KEK].origin) for hand in hands.values())
    figures = {
        "meters": meters,
        "seed": seed,
        "certified": result["certified"],
        "jobs": result["jobs"],
        "master_keys": dict(origins),
        "lost": len(lost),
        "two_valid_keys": len(two_valid),
        "counters_lowered": len(lowered(result["counters"])),
        "s": round(time.perf_counter() - began, 1),
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    strong = sum(1 for suite in field.suites if suite)
    return (
        result["jobs"] == {"done": meters}
        and result["certified"] == {"done": strong}
        and origins["agreed"] == strong
        and not (lost or two_valid or lowered(result["counters"]))
        and result["changed"] == field.ids
    )


def main() -> int:
    """Run it; the seed is printed, so that a failure can be repeated."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.key_campaign", description=__doc__)
    parser.add_argument("--meters", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--certified", type=int, default=999, help="meters of suites 0, 1 and 2")
    asked = parser.parse_args()
    fine = asyncio.run(rotate(asked.meters, asked.seed))
    return 0 if asyncio.run(rotate_suites(asked.certified, asked.seed)) and fine else 1


if __name__ == "__main__":
    sys.exit(main())
