"""Whatever way sets are cut into batches, and however often they come again, the table ends the same.

The judge is a slow model that knows only the three rules: it sees each set once, in order of first arrival.
"""

from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.readings import DecodedSet, Source
from meterworks.readings.hull import CommittedHull
from meterworks.readings.trim import Observations, join_sets, trim_observations

T = 1_700_006_400
OCTET = 0xFF
MERGED = 1024

rows = st.lists(
    st.tuples(
        st.sampled_from((12, 14)),
        st.integers(0, 3).map(lambda slot: T + 1800 * slot),
        st.integers(0, 2),
        st.sampled_from((0, 0, 0, 128, 256, 512)),
    ),
    max_size=6,
)
distinct_sets = st.lists(st.tuples(st.integers(1, 2), rows), min_size=1, max_size=6)


def decoded(device, content, sequence):
    columns = np.array(content, dtype=np.int64).reshape(-1, 4).T
    return DecodedSet(
        sequence=sequence, set_id=str(sequence), device=device, profile="p", range_start=0, range_end=0,
        received_us=0, source=Source.PULL, channel=columns[0].copy(), ts_s=columns[1].copy(),
        value=columns[2].copy(), flags=columns[3].copy(),
    )  # fmt: skip


def model(sets):
    """Versions per key, by the rules, one set after the other."""
    table = {}
    for device, content in sets:
        merged = {}
        for channel, ts, value, flags in content:
            key = (device, channel, ts)
            if key in merged:
                old_value, old_flags = merged[key]
                merged[key] = (old_value + value if channel == 12 else value, old_flags | flags | MERGED)
            else:
                merged[key] = (value, flags)
        for key, (value, flags) in merged.items():
            versions = table.setdefault(key, [])
            same = [f for v, f in versions if v == value and f & OCTET == flags & OCTET]
            if any(not (flags & ~OCTET) & ~f for f in same):
                continue
            for f in same:
                flags |= f & ~OCTET
            versions.append((value, flags))
    return {
        (*key, value, flags, number)
        for key, versions in table.items()
        for number, (value, flags) in enumerate(versions, start=1)
    }


class Table:
    """Committed rows in memory, asked as the writer asks the warehouse."""

    def __init__(self):
        self.hull = CommittedHull()
        self.rows = []

    def take(self, batch):
        observed = join_sets(batch)
        fresh = trim_observations(observed, self.hull.overlapping(observed), self._lookup)
        self.rows += zip(*(getattr(fresh, field.name).tolist() for field in fields(Observations)), strict=True)
        self.hull.extend(fresh)

    def _lookup(self, wanted):
        keys = set(zip(wanted.device.tolist(), wanted.channel.tolist(), wanted.ts_s.tolist(), strict=True))
        found = sorted((row for row in self.rows if row[:3] in keys), key=lambda row: (row[:3], row[6]))
        columns = np.array(found, dtype=np.int64).reshape(-1, 9).T
        return Observations(**{field.name: columns[n].copy() for n, field in enumerate(fields(Observations))})


@settings(max_examples=300, deadline=None)
@given(sets=distinct_sets, data=st.data())
def test_any_batching_and_repetition_ends_in_the_same_table(sets, data):
    # Arrival: each set once in order, and after its first arrival again at any later place.
    arrivals = list(range(len(sets)))
    for again in data.draw(st.lists(st.integers(0, len(sets) - 1), max_size=5)):
        place = data.draw(st.integers(arrivals.index(again) + 1, len(arrivals)))
        arrivals.insert(place, again)
    table = Table()
    batch = []
    for sequence, which in enumerate(arrivals, start=1):
        batch.append(decoded(*sets[which], sequence))
        if data.draw(st.booleans()):
            table.take(batch)
            batch = []
    if batch:
        table.take(batch)
    got = [(*row[:4], row[5], row[6]) for row in table.rows]
    assert len(got) == len(set(got))
    assert set(got) == model(sets)
