"""Data as XML and back: every type, what is refused, and what a hostile document may not do."""

import pytest

from meterworks.protocols.dlms import decode_typed, encode
from meterworks.protocols.dlms.dissect import data_from_xml, data_to_xml
from meterworks.protocols.errors import EncodeError

OCTETS = [
    "00", "0300", "0301", "0405a8", "0400", "05fffffffe", "06fffffffe", "0900", "0903ff00ff", "0a05776f726c64",
    "0a03203c26", "0c03e282ac", "0dff", "0f80", "108000", "11ff", "12ffff", "14ffffffffffffffff",
    "15ffffffffffffffff", "1607", "173fc00000", "18bff8000000000000", "1907e50603040e091700ffc400", "1a07e50603ff",
    "1affff5003ff", "1b0e0917ff", "1cff", "1dffff", "1effffffff", "1fff", "20ffff", "21ffffffff", "ff", "0100", "0200",
    "020211050a0141", "0102020111010201 1102".replace(" ", ""), "0201010201000200",
    "130202121106000105000206", "130100021104 01020304".replace(" ", ""),
    "1302020100021109" "04" "01020141",  # structures of an array of two numbers and an octet-string
]  # fmt: skip


@pytest.mark.parametrize("octets", OCTETS)
def test_xml_of_a_value_gives_the_octets_back(octets: str) -> None:
    value, end = decode_typed(bytes.fromhex(octets))
    assert end == len(octets) // 2
    assert encode(data_from_xml(data_to_xml(value))).hex() == octets


def test_xml_is_written_as_messages_write_it() -> None:
    value, _ = decode_typed(bytes.fromhex("020211050902ab01"))
    lines = data_to_xml(value).splitlines()
    assert lines == [
        '<x:structure xmlns:x="http://www.dlms.com/COSEMpdu">',
        "  <x:unsigned>5</x:unsigned>",
        "  <x:octet-string>AB01</x:octet-string>",
        "</x:structure>",
    ]


@pytest.mark.parametrize(
    ("xml", "octets"),
    [
        ("<unsigned>5</unsigned>", "1105"),
        ("<unsigned> 5 </unsigned>", "1105"),
        ('<structure Qty="02"><boolean>True</boolean><boolean>0</boolean></structure>', "020203010300"),
        ("<octet-string/>", "0900"),
        ("<visible-string> a </visible-string>", "0a03206120"),
        ("<a:integer xmlns:a='other'>-1</a:integer>", "0fff"),
        ("<!-- one --><null-data/>", "00"),
    ],
)
def test_what_others_may_write_is_read(xml: str, octets: str) -> None:
    assert encode(data_from_xml(xml)).hex() == octets


@pytest.mark.parametrize(
    "xml",
    [
        "", "words", "<unsigned>", "<unsigned>x</unsigned>", "<unsigned>256</unsigned>", "<unsigned/>", "<nothing/>",
        "<boolean>perhaps</boolean>", "<octet-string>0</octet-string>", "<bit-string>012</bit-string>",
        "<float32>00</float32>", "<float64>zz</float64>", "<date-time>00</date-time>", "<compact-array/>",
        "<compact-array><contents-description/><array-contents/></compact-array>",
        "<compact-array><contents-description><nothing/></contents-description><array-contents/></compact-array>",
        "<compact-array><contents-description><array/></contents-description><array-contents/></compact-array>",
        "<compact-array><contents-description><array><number-of-elements>70000</number-of-elements><type-description>"
        "<unsigned/></type-description></array></contents-description><array-contents/></compact-array>",
        "<structure>" * 40 + "</structure>" * 40,
        '<!DOCTYPE a [<!ENTITY e "x">]><visible-string>&e;</visible-string>',
    ],
)  # fmt: skip
def test_xml_that_is_no_data_is_refused(xml: str) -> None:
    with pytest.raises(EncodeError):
        data_from_xml(xml)
