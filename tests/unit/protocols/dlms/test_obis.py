"""OBIS codes."""

import pytest

from meterworks.protocols.dlms import ObisCode
from meterworks.protocols.errors import EncodeError


@pytest.mark.parametrize("text", ["1.0.1.8.0.255", "1-0:1.8.0.255", "1-0:1.8.0*255", "1-0:1.8.0", " 1.0.1.8.0 "])
def test_text_forms_name_the_same_object(text: str) -> None:
    code = ObisCode(text)
    assert code == bytes((1, 0, 1, 8, 0, 255))
    assert str(code) == "1.0.1.8.0.255"
    assert code.text == "1-0:1.8.0.255"
    assert repr(code) == "ObisCode('1.0.1.8.0.255')"


def test_octets_and_text_are_one_key() -> None:
    assert {ObisCode("0.0.1.0.0.255"): 1}[bytes((0, 0, 1, 0, 0, 255))] == 1  # type: ignore[index]


@pytest.mark.parametrize("bad", ["", "1.8", "256.0.1.8.0.255", "1.0.1.8.0.300", "a.b.c.d.e.f", b"", bytes(7)])
def test_what_is_no_code_is_refused(bad: str | bytes) -> None:
    with pytest.raises(EncodeError):
        ObisCode(bad)
