"""kill -9 of head-end, writer, bus and meters while they collect: the table of readings is the same as without.

The file that is replayed is the judge: every half-hour of every home once, with its value, all of one version. Killed
moments come from a seed; `make soak` runs fresh ones.
"""

import os
import random
import time

import pytest
from tests.replay_file import write_replay_file
from tests.running import running_system
from tests.system_checks import differences, filled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
VICTIMS = ("headend", "writer", "nats", "fleet")
SEEDS = [int(seed) for seed in os.environ.get("SOAK_SEEDS", "11").split(",")]
KILLS = int(os.environ.get("SOAK_KILLS", "4"))
DAYS = int(os.environ.get("SOAK_DAYS", "120"))


@pytest.mark.parametrize("seed", SEEDS)
def test_kills_at_random_moments_change_nothing(tmp_path, seed):
    chance = random.Random(seed)
    table = write_replay_file(tmp_path / "homes.parquet", homes=24, days=DAYS, seed=seed)
    # Slow answers stretch the collection, so that the kills fall into it.
    options = ["--replay", str(tmp_path / "homes.parquet"), "--set", "fleet.answer_delay_s=0.15"]
    with running_system(tmp_path / "var", *options, "--set", "headend.sessions_max=4") as system:
        kills = [(victim, chance.uniform(0.2, 2.0)) for victim in chance.sample(VICTIMS * 3, KILLS)]
        for victim, wait_s in kills:
            time.sleep(wait_s)
            system.kill(victim)
        system.wait(lambda: system.healthy() and filled(system), "filled after the kills", limit_s=200)
        found = differences(system, table, table.column_names[1:])
    assert found == [], f"seed {seed}: {kills}"
