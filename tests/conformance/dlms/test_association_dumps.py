"""Association dumps of real meters: every object has a row of our class table, or is generic and named here."""

import gzip
from collections import Counter

import pytest

from meterworks.protocols.dlms.cosem import CLASSES, describe, interface_class, read_association_dump

FOLDER = "vectors/dlms/associations"

#: Classes and versions in the dumps that we have no row for. Empty: nothing in them is unknown to us.
GENERIC: set[tuple[int, int]] = set()


def entries_of(path):
    return read_association_dump(gzip.decompress(path.read_bytes()).decode("utf-8-sig"))


@pytest.fixture(scope="module")
def dumps(shared_folder):
    return {path.name: entries_of(path) for path in sorted((shared_folder / FOLDER).glob("*.gz"))}


def test_every_object_of_every_dump_has_a_row_or_is_generic(dumps):
    assert len(dumps) == 20
    met = Counter((entry.class_id, entry.version) for entries in dumps.values() for entry in entries)
    assert sum(met.values()) == 4680
    assert set(met) - set(CLASSES) == GENERIC


def test_attributes_and_methods_of_the_dumps_are_those_of_the_rows(dumps):
    faults = set()
    for entries in dumps.values():
        for entry in entries:
            row = interface_class(entry.class_id, entry.version)
            if max(entry.attributes, default=1) > len(row.attributes):
                faults.add((row.name, row.version, "attribute", max(entry.attributes)))
            if max(entry.methods, default=0) > len(row.methods):
                faults.add((row.name, row.version, "method", max(entry.methods)))
    assert faults == set()


def test_short_names_of_one_meter_do_not_overlap_by_our_offsets(dumps):
    for name, entries in dumps.items():
        owners: dict[int, str] = {}
        for entry in entries:
            if entry.short_name is None:
                continue
            row = entry.interface_class
            used = [row.attribute_short_name(entry.short_name, attribute.number) for attribute in row.attributes]
            if row.method_offset is not None:
                used += [row.method_short_name(entry.short_name, method.number) for method in row.methods]
            for short_name in used:
                own = f"{row.name} {entry.obis_code}"
                assert owners.setdefault(short_name, own) == own, (name, hex(short_name))


def test_every_object_of_every_dump_has_a_name_in_words(dumps):
    nameless = {
        str(entry.obis_code): describe(entry.obis_code)
        for entries in dumps.values()
        for entry in entries
        if describe(entry.obis_code).startswith("object ")
    }
    assert len(nameless) < 30, nameless


def test_rights_that_the_writer_leaves_out_are_its_default(dumps):
    disconnect = next(
        entry for entry in dumps["MetCom__MCS301__Management.gxc.gz"] if str(entry.obis_code) == "0.0.96.3.10.255"
    )
    assert disconnect.attribute_rights(2) == 1
    assert disconnect.attribute_rights(4) == 3
    assert disconnect.method_rights(1).executable
