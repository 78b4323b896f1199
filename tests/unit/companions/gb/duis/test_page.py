"""The page on DUIS: its examples are what the code takes and gives, its numbers are the code's."""

import json
import re
from pathlib import Path

from meterworks.catalogue.gb import load_response_codes
from meterworks.companions.gb import (
    canonical_form,
    duis,
    read_document,
    read_request,
    request_from_json,
    request_to_json,
)
from meterworks.companions.gb.duis import load_table, write_document
from meterworks.companions.gb.duis.markup import DEPTH_MAX, MARKS_MAX, NAME_SPACES_MAX, SIZE_MAX

PAGE = (Path(__file__).parents[5] / "docs" / "duis.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL))


def test_the_two_examples_are_the_same_request():
    request = read_request(EXAMPLES["xml"].encode())
    assert request_to_json(request) == json.loads(EXAMPLES["json"])
    assert request_from_json(json.loads(EXAMPLES["json"])) == request


def test_the_example_comes_out_as_it_stands_on_the_page():
    xml = EXAMPLES["xml"].encode()
    assert canonical_form(write_document(read_document(xml))) == canonical_form(xml)


def test_the_numbers_of_the_page_are_those_of_the_code():
    assert f"{SIZE_MAX // 2**20} MiB" in PAGE
    assert f"{MARKS_MAX:,} `<` or {NAME_SPACES_MAX} declarations" in PAGE
    assert f"more than {DEPTH_MAX} levels" in PAGE
    codes = load_response_codes().values()
    assert f"the {len(codes)} response codes" in PAGE
    assert f"; {sum(bool(row.meaning) and not row.verified for row in codes)} more" in PAGE


def test_the_rows_of_the_page_are_rows_of_the_table():
    structures = load_table().structures
    assert [part.name for part in structures["TariffPrimaryElement"].elements] == [
        *("ExecutionDateTime", "ElecTariffElements", "GasTariffElements", "PriceElements"),
    ]
    assert structures["GasThreshold"].attributes["index"].name == "range_1_3"


def test_every_name_in_the_page_is_public():
    named = set(re.findall(r"`(\w+)\(", PAGE)) | set(re.findall(r"`([a-z]+_[a-z_]+)`", PAGE))
    assert named - {"key_lookup", "load_response_codes"} <= set(duis.__all__)
