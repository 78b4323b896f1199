"""How far back a device is read: as far as it says that it remembers, never before its installation."""

from tests.integration.headend.field import DAY, STEP, expected_intervals, until

HEADROOM_S = 60


async def filled(field, *profiles):
    await until(lambda: field.missing(*profiles) == 0, what="an empty list of missing ranges")


async def test_a_device_that_remembers_more_than_its_catalogue_says_is_read_as_far_back(still_field):
    for device_id in (1, 2, 3):
        still_field.add_meter(device_id, days=500, entries_max={"load_import": 48 * 600, "load_export": 48 * 600})
    await still_field.start(sessions_max=2)
    await until(lambda: len(still_field.writer.channel(3, 22)) > 100, what="the second round of visits")
    await filled(still_field, "load_import", "load_export")
    now = still_field.clock.epoch_s() - HEADROOM_S
    for device_id, meter in still_field.meters.items():
        for channel in (12, 22):
            found = still_field.writer.channel(device_id, channel)
            assert found == expected_intervals(device_id, channel, meter.starts, now)
    assert still_field.writer.conflicts == 0


async def test_a_device_that_remembers_less_has_gaps_where_it_forgot(still_field):
    still_field.add_meter(1, days=60, entries_max={"load_import": 48 * 20}, record={"profiles": ("load_import",)})
    head_end = await still_field.start()
    await filled(still_field, "load_import")
    ledger = head_end.table.ledger((1, "load_import"))
    oldest = int(still_field.clock.epoch_s() - HEADROOM_S) // STEP * STEP - 20 * DAY
    assert ledger.absent[0][0] == still_field.meters[1].starts
    assert abs(ledger.absent[0][1] - oldest) <= STEP
    assert min(still_field.writer.channel(1, 12)) == ledger.absent[0][1]


async def test_after_a_restart_the_depth_is_known_at_once(still_field):
    still_field.add_meter(1, days=450, entries_max={"load_import": 48 * 600}, record={"profiles": ("load_import",)})
    await still_field.start()
    await filled(still_field, "load_import")
    await still_field.stop()
    asked = still_field.meters[1].answers["1.0.99.1.0.255", 8]
    still_field.add_meter(2, days=450, entries_max={"load_import": 48 * 600}, record={"profiles": ("load_import",)})
    head_end = await still_field.start()
    assert head_end.table.totals("load_import").expected_s > 890 * DAY
    await filled(still_field, "load_import")
    assert still_field.meters[1].answers["1.0.99.1.0.255", 8] == asked
    assert len(still_field.writer.channel(2, 12)) > 449 * 48
