"""Every vector of the shared folders, through the runner behind `meterworks conformance vectors`."""

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.dlms.conftest import SHARED, VECTORS

from meterworks.assess.vectors import Outcome, Verdict, run_vectors

COUNTS = {  # as the folder's own README counts them
    "apdu": 47, "security": 19, "hls": 8, "hdlc": 26, "telegram": 22, "conversation": 20, "blocks": 1,
    "hdlc address": 6, "association": 20,
}  # fmt: skip
FOREIGN = ("mbus", "wmbus", "sml", "p1", "greenbutton")


@cache
def verdicts() -> tuple[Verdict, ...]:
    return run_vectors(VECTORS).verdicts if VECTORS.is_dir() else ()


@pytest.mark.parametrize("verdict", verdicts(), ids=lambda verdict: f"{verdict.kind}-{verdict.id}")
def test_vector(verdict: Verdict) -> None:
    if verdict.outcome is Outcome.SKIPPED:
        assert verdict.id.endswith("README.md")
    else:
        assert (verdict.outcome, verdict.reason) == (Outcome.PASSED, "")


def test_no_vector_is_overlooked(dlms_vectors: Path) -> None:
    assert dlms_vectors.is_dir()
    found = {kind: sum(row.kind == kind for row in verdicts()) for kind in COUNTS}
    assert found == COUNTS


@pytest.mark.parametrize("folder", FOREIGN)
def test_folder_of_a_later_protocol_is_recognised_and_skipped(folder: str, dlms_vectors: Path) -> None:
    report = run_vectors(dlms_vectors.parent / folder)
    assert report.failures == ()
    assert report.count(Outcome.PASSED) == 0
    assert folder in report.kinds
    assert all(verdict.reason for verdict in report.verdicts)


# --- a check is itself checked: a changed fact must be found ---------------------------------------------------------

CHANGES: list[tuple[str, tuple[Any, ...], Any]] = [
    ("apdu.json", ("vectors", 0, "decoded", "class_id"), 8),
    ("apdu.json", ("vectors", 0, "decoded", "access_selection", "parameters", "structure", 1, "octet-string"), "00"),
    ("apdu.json", ("vectors", 1, "decoded", "block_number"), 20),
    ("apdu.json", ("vectors", 1, "decoded", "raw_data"), "0600"),
    ("security.json", ("vectors", 0, "secured"), "00" * 25),
    ("security.json", ("vectors", 0, "invocation_counter"), 19088744),
    ("security.json", ("vectors", 2, "glo_get_request"), "c81e300123456800"),
    ("security.json", ("vectors", 4, "challenge"), "503677524a323147"),
    ("security.json", ("vectors", 6, "wrapped"), "00" * 24),
    ("security.json", ("vectors", 8, "message"), "00"),
    ("security.json", ("vectors", 12, "derived_key"), "00" * 16),
    ("security.json", ("vectors", 12, "ephemeral_private"), "01" * 32),
    ("security.json", ("vectors", 15, "other_info"), "00" * 31),
    ("security.json", ("vectors", 17, "ciphertext"), "00"),
    ("hls.json", ("vectors", 0, "f_stoc"), "00" * 16),
    ("hls.json", ("vectors", 1, "f_ctos"), "00" * 20),
    ("hls.json", ("vectors", 2, "stoc"), "00" * 16),
    ("hls.json", ("vectors", 4, "client_system_title"), "00" * 8),
    ("hdlc.json", ("vectors", 0, "control"), "93"),
    ("hdlc.json", ("vectors", 0, "dest"), "63"),
    ("hdlc.json", ("vectors", 0, "segmented"), True),
    ("hdlc.json", ("vectors", 0, "information"), ""),
    ("hdlc.json", ("vectors", 0, "fcs_ok"), False),
    ("hdlc.json", ("addresses", 2, "physical"), 18),
    ("hdlc.json", ("addresses", 4, "bytes"), "0223"),
    ("push/espdlms-hdlc_landis_gyr_e450.json", ("gak",), "00" * 16),
    ("push/espdlms-hdlc_landis_gyr_e450.json", ("gbt", 0, 1, "block"), 3),
    ("push/espdlms-hdlc_landis_gyr_e450.json", ("messages", 0, "plain_apdu"), "0f"),
    ("push/espdlms-hdlc_landis_gyr_e450.json", ("messages", 0, "ciphering", "tag_verified"), False),
    ("push/espdlms-mbus_netz_noe_p1.json", ("messages", 0, "ciphering", "length"), 249),
    ("push/espdlms-mbus_netz_noe_p1.json", ("frames", 0, "dtsap"), 104),
    ("push/espdlms-mbus_netz_noe_p1.json", ("frames", 1, "checksum_ok"), False),
    ("push/espdlms-raw_energomera.json", ("messages", 0, "decoded", "body"), {"structure": []}),
    ("push/amshan-kaifa-no_list_1.json", ("messages", 0, "decoded", "date_time_fields", "hour"), 22),
    ("push/amshan-kaifa-no_list_1.json", ("transport",), "hdlc"),
    ("conversations/gx-wrapper-lls-ciphered.json", ("messages", 2, "plain"), "c0"),
    ("conversations/gx-wrapper-lls-ciphered.json", ("messages", 2, "tag_verified"), False),
    ("conversations/gx-wrapper-lls-ciphered.json", ("messages", 0, "wrapper", "destination"), 2),
    ("conversations/gx-hdlc-hls5-gmac-ciphered.json", ("challenges", "f_ctos"), "1000000000" + "00" * 12),
    ("conversations/gx-hdlc-hls5-gmac-ciphered.json", ("messages", 2, "frame", "control"), "12"),
    ("conversations/gx-hdlc-hls5-gmac-ciphered.json", ("guek",), "00" * 16),
    ("conversations/jdlms-kamstrup-object-list-blocks.json", ("trailing",), "00"),
    ("conversations/jdlms-kamstrup-object-list-blocks.json", ("decoded", "array"), []),
]


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    document = copy.deepcopy(document)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


def change_names() -> Iterator[str]:
    for name, path, _ in CHANGES:
        yield f"{Path(name).stem}-{'.'.join(map(str, path))}"


@pytest.mark.parametrize(("name", "path", "value"), CHANGES, ids=change_names())
def test_a_changed_fact_fails(name: str, path: tuple[Any, ...], value: Any, dlms_vectors: Path, tmp_path: Path) -> None:
    document = json.loads((dlms_vectors / name).read_text())
    (tmp_path / f"{Path(name).stem}.json").write_text(json.dumps(changed(document, path, value)))
    failures = run_vectors(tmp_path).failures
    assert len(failures) == 1
    assert failures[0].reason


def test_an_association_dump_without_names_fails(dlms_vectors: Path, tmp_path: Path) -> None:
    assert dlms_vectors.is_dir()
    (tmp_path / "a.gxc").write_text("<GXDLMSDevice><GXDLMSObject type='x'/></GXDLMSDevice>")
    assert len(run_vectors(tmp_path).failures) == 1


def test_vectors_may_lie_anywhere_under_any_name(dlms_vectors: Path, tmp_path: Path) -> None:
    folder = tmp_path / "some" / "where"
    folder.mkdir(parents=True)
    for number, path in enumerate(sorted(dlms_vectors.rglob("*.json"))[:8]):
        (folder / f"file{number}").write_bytes(path.read_bytes())
    report = run_vectors(tmp_path)
    assert report.failures == ()
    assert report.count(Outcome.PASSED) == 47 + 7


def test_shared_folder_is_where_the_tests_look(shared_folder: Path) -> None:
    assert shared_folder == SHARED.resolve()
