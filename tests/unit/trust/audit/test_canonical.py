"""One spelling of each value: what RFC 8785 writes is read, everything else is refused."""

import json
from datetime import UTC, datetime

import pytest

from meterworks.trust.audit import AuditFormatError
from meterworks.trust.audit.canonical import canonical, from_canonical, from_instant, instant


def test_all_characters_are_written_as_rfc_8785_writes_them():
    text = "".join(map(chr, [*range(0x100), 0x20AC, 0x2028, 0x1F600]))
    # The standard library's writer knows the same escapes: RFC 8785, 3.2.2.2.
    assert canonical({"t": text}).decode() == json.dumps({"t": text}, ensure_ascii=False, separators=(",", ":"))


def test_names_are_sorted_and_nothing_stands_between():
    value = {"b": 1, "a": [True, None, {"z": "x", "y": -5}]}
    assert canonical(value) == b'{"a":[true,null,{"y":-5,"z":"x"}],"b":1}'
    assert from_canonical(canonical(value)) == value


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"a": 1}', id="space"),
        pytest.param(b'{"b":1,"a":1}', id="order"),
        pytest.param(b'{"a":1,"a":1}', id="twice"),
        pytest.param(b'{"a":1.0}', id="fraction"),
        pytest.param(b'{"a":1e3}', id="exponent"),
        pytest.param(b'{"a":"\\u0041"}', id="long escape"),
        pytest.param(b'{"a":"\\/"}', id="odd escape"),
        pytest.param(b'{"a":9007199254740993}', id="large integer"),
        pytest.param(b'{"a":1}\n', id="line end"),
        pytest.param(b"[1]", id="list"),
        pytest.param(b'{"a":', id="cut"),
        pytest.param(b'{"a":"\xff"}', id="no UTF-8"),
    ],
)
def test_other_spellings_are_refused(data):
    with pytest.raises(AuditFormatError):
        from_canonical(data)


def test_an_instant_has_one_spelling():
    at = datetime(2026, 11, 21, 12, 0, 0, 5, UTC)
    assert instant(at) == "2026-11-21T12:00:00.000005Z"
    assert from_instant(instant(at)) == at


@pytest.mark.parametrize(
    "text", ["2026-11-21T12:00:00Z", "2026-11-21T12:00:00.000005+00:00", "2026-11-21 12:00:00.000005Z", "now", None, 5]
)
def test_other_spellings_of_an_instant_are_refused(text):
    with pytest.raises(AuditFormatError):
        from_instant(text)
