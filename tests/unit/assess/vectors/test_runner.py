"""Files and documents are recognised by what is in them; what is broken fails alone, what is unknown is skipped."""

import gzip
import json
from pathlib import Path

import pytest

from meterworks.assess.vectors import Outcome, run_vectors
from meterworks.errors import UsageError

GET = {"apdu": "c002c100000001", "decoded": {"apdu": "get-request", "type": "next", "invoke_id": 1, "block_number": 1}}


def outcomes(folder: Path) -> dict[str, str]:
    return {verdict.id: verdict.outcome.value for verdict in run_vectors(folder).verdicts}


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize(
    "content",
    [
        {"note": "rows", "vectors": [GET]},
        [GET],
        GET,
        {"cases": {"a": GET}},
        [[GET]],
    ],
    ids=["object with a list", "list", "alone", "named", "nested"],
)
def test_a_row_is_found_wherever_it_stands(tmp_path: Path, content: object) -> None:
    written(tmp_path, "deep/er/any.thing", content)
    assert list(outcomes(tmp_path).values()) == ["passed"]


def test_a_file_may_be_named_in_place_of_a_folder(tmp_path: Path) -> None:
    assert list(outcomes(written(tmp_path, "a.json", [GET])).values()) == ["passed"]


def test_a_compressed_file_is_opened(tmp_path: Path) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(json.dumps([GET]).encode()))
    assert list(outcomes(tmp_path).values()) == ["passed"]


def test_a_row_is_named_by_file_and_place_or_by_its_own_id(tmp_path: Path) -> None:
    written(tmp_path, "a.json", {"vectors": [GET, GET | {"id": "mine"}]})
    assert list(outcomes(tmp_path)) == ["a.json/vectors#0", "a.json/vectors#mine"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", "{"), ("a.json", "words"), ("a.json", '["a"'), ("b.bin", '{"apdu": tru}')],
    ids=["cut off", "no JSON", "unclosed", "no value"],
)
def test_a_broken_file_is_one_failure(tmp_path: Path, name: str, content: str) -> None:
    written(tmp_path, name, content)
    written(tmp_path, "z.json", [GET])
    assert outcomes(tmp_path) == {name: "failed", "z.json#0": "passed"}


def test_a_broken_archive_is_one_failure(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    assert outcomes(tmp_path) == {"a.gz": "failed"}


@pytest.mark.parametrize(
    ("name", "content"),
    [("README.md", "# Words"), ("a.json", {"colour": "blue"}), ("a.xml", "<a/>"), ("a.json", [1, 2])],
    ids=["prose", "object", "xml", "numbers"],
)
def test_what_has_no_known_shape_is_skipped_with_a_reason(tmp_path: Path, name: str, content: object) -> None:
    written(tmp_path, name, content)
    verdict = run_vectors(tmp_path).verdicts[0]
    assert verdict.outcome is Outcome.SKIPPED
    assert verdict.reason


@pytest.mark.parametrize(
    "change",
    [
        {"apdu": "c002c1000000"},
        {"apdu": "zz"},
        {"apdu": 7},
        {"decoded": GET["decoded"] | {"block_number": 2}},  # type: ignore[operator]  # a mapping
        {"decoded": GET["decoded"] | {"apdu": "get-response"}},  # type: ignore[operator]  # a mapping
        {"decoded": GET["decoded"] | {"something_else": 17}},  # type: ignore[operator]  # a mapping
        {"decoded": "words"},
        {"decoded": None},
    ],
    ids=["cut off", "no hex", "no text", "other number", "other service", "unknown fact", "prose", "nothing"],
)
def test_a_wrong_row_fails_and_says_why(tmp_path: Path, change: dict[str, object]) -> None:
    written(tmp_path, "a.json", [GET | change])
    report = run_vectors(tmp_path)
    assert len(report.failures) == 1
    assert report.failures[0].reason


def test_keys_written_once_hold_for_every_row(tmp_path: Path) -> None:
    row = {
        "kind": "aes-gcm", "system_title": "4d4d4d0000bc614e", "invocation_counter": 19088743, "security_control": "30",
        "plain": "c0010000080000010000ff0200", "secured": "411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b",
    }  # fmt: skip
    keys = {"guek": bytes(range(16)).hex(), "gak": bytes(range(0xD0, 0xE0)).hex()}
    written(tmp_path, "a.json", keys | {"rows": [row]})
    assert list(outcomes(tmp_path).values()) == ["passed"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        run_vectors(tmp_path / "nowhere")


def test_the_report_counts_and_lists(tmp_path: Path) -> None:
    written(tmp_path, "a.json", [GET, GET | {"apdu": "c002"}])
    written(tmp_path, "b.md", "words")
    told = run_vectors(tmp_path).to_json()
    assert (told["passed"], told["failed"], told["skipped"]) == (1, 1, 1)
    assert told["failures"] == [{"id": "a.json#1", "reason": "1 octets expected at octet 2, 0 are there"}]


def test_hidden_files_are_left_alone(tmp_path: Path) -> None:
    written(tmp_path, ".git/a.json", [GET])
    assert outcomes(tmp_path) == {}
