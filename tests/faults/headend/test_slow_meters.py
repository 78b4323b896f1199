"""The soak of slow meters, small enough for every run: same code, fewer meters, shorter sessions."""

from tests.integration.headend.field import DAY
from tests.soak.slow_meters import DAYS, Plan, slow_fleet, soak


async def test_slow_and_lossy_meters_are_read_and_persons_do_not_wait(tmp_path):
    plan = Plan(meters=100, session_s=0.5, loss=0.01, rounds=2, round_s_max=60.0, rate=10.0)
    starts = int(plan.clock().epoch_s()) // DAY * DAY - DAYS * DAY
    async with slow_fleet(plan, starts) as port:
        report = await soak(plan, port, starts, str(tmp_path))
    assert min(report.read_share) >= 0.995
    assert report.peak_sessions >= 40
    assert report.on_demand_p95_s < 10.0
