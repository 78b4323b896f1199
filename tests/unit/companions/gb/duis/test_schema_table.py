"""Rows out of a schema: each use of XML Schema that DUIS makes, and what has no word in our table."""

import pytest

from meterworks.companions.errors import SchemaError
from meterworks.companions.gb.duis import compile_table, read_table

DUIS = """<?xml version="1.0"?><xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:sr="s" xmlns:ra="r"
 xmlns:ds="d" targetNamespace="s" elementFormDefault="qualified"><!-- note -->{}</xs:schema>"""
ROOTS = """<xs:element name="Request" type="sr:Request"/><xs:complexType name="Response"/>
 <xs:complexType name="Request"><xs:sequence>{}</xs:sequence></xs:complexType>"""


def compiled(tmp_path, content: str, types: str = "", mmc: str = "") -> tuple[dict[str, str], dict[str, str]]:
    """Rows of values and of structures by name."""
    (tmp_path / "DUIS.xsd").write_text(DUIS.format(ROOTS.format(content) + types))
    (tmp_path / "MMC.xsd").write_text(DUIS.format(mmc))
    values, structures = compile_table(tmp_path)
    read_table(values, structures)
    rows = [dict(line.partition(",")[::2] for line in text.splitlines()[1:]) for text in (values, structures)]
    return rows[0], rows[1]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('<xs:element name="A" type="xs:int"/>', "A=int"),
        ('<xs:element name="A" type="xs:int" minOccurs="0"/>', "A=int?"),
        ('<xs:element name="A" type="xs:int" minOccurs="0" maxOccurs="unbounded"/>', "A=int*"),
        ('<xs:element name="A" type="xs:int" maxOccurs="unbounded"/>', "A=int+"),
        ('<xs:element name="A" type="xs:int" minOccurs="3" maxOccurs="3"/>', "A=int{3..3}"),
        (
            '<xs:element name="A" type="xs:int"/><xs:choice><xs:element name="B" type="xs:int"/>'
            '<xs:sequence minOccurs="0"><xs:element name="C" type="xs:int"/><xs:element name="D" type="xs:int"/>'
            "</xs:sequence></xs:choice>",
            '"A=int, (B=int | (C=int, D=int)?)"',
        ),
        (
            '<xs:sequence minOccurs="5" maxOccurs="5"><xs:element name="A" type="xs:int"/></xs:sequence>',
            "A=int{5..5}",
        ),
        ('<xs:sequence minOccurs="0"><xs:element name="A" type="xs:int" minOccurs="0"/></xs:sequence>', "(A=int?)?"),
        ('<xs:element ref="ds:Signature" minOccurs="0"/>', "ds:Signature?"),
        ('<xs:element ref="ra:Data"/>', "ra:Data=ra:Kind"),
        ('<xs:element name="Kind" type="sr:Kind"/>', "Kind"),
        ('<xs:element name="A"><xs:complexType/></xs:element>', "A=Request.A"),
    ],
)
def test_contents(tmp_path, content, expected):
    types = '<xs:complexType name="Kind"/>'
    mmc = '<xs:element name="Data" type="ra:Kind"/><xs:complexType name="Kind"/>'
    assert compiled(tmp_path, content, types, mmc)[1]["Request"] == f",,{expected}"


def test_what_is_extended_comes_first(tmp_path):
    types = """<xs:complexType name="Kind"><xs:complexContent><xs:extension base="sr:Base"><xs:choice>
      <xs:element name="B" type="xs:int"/><xs:element name="C" type="xs:int"/></xs:choice>
      <xs:attribute name="b" type="xs:int"/></xs:extension></xs:complexContent></xs:complexType>
     <xs:complexType name="Base"><xs:sequence><xs:element name="A" type="xs:int"/></xs:sequence>
      <xs:attribute name="a" type="xs:int" use="required"/></xs:complexType>"""
    assert compiled(tmp_path, '<xs:element name="Kind" type="sr:Kind"/>', types)[1]["Kind"] == (
        ',a=int b=int?,"A=int, (B=int | C=int)"'
    )


def test_a_text_with_attributes(tmp_path):
    types = """<xs:complexType name="Kind"><xs:simpleContent><xs:extension base="xs:short">
      <xs:attribute name="index" use="required"><xs:simpleType><xs:restriction base="xs:positiveInteger">
      <xs:maxInclusive value="5"/></xs:restriction></xs:simpleType></xs:attribute></xs:extension></xs:simpleContent>
      </xs:complexType>"""
    values, structures = compiled(tmp_path, '<xs:element name="Kind" type="sr:Kind"/>', types)
    assert structures["Kind"] == "short,index=Kind.index,"
    assert values["Kind.index"] == "integer,1,5,,,,,,"
    assert values["short"] == "integer,-32768,32767,,,,,,"


EUI = "-".join(["[A-Fa-f0-9]{2}"] * 8)


@pytest.mark.parametrize(
    ("base", "facets", "row"),
    [
        ("xs:string", {"minLength": 1, "maxLength": 8, "pattern": "[ -~]+"}, "text,,,,,1,8,[ -~]+,"),
        ("xs:string", {"length": 4}, "text,,,,,4,4,,"),
        ("xs:integer", {"totalDigits": 20}, "integer,,,20,,,,,"),
        ("xs:unsignedShort", {"minExclusive": 1, "maxExclusive": 9}, "integer,2,8,,,,,,"),
        ("xs:decimal", {"minExclusive": 1.5, "maxExclusive": 2.5, "fractionDigits": 1}, "decimal,1.6,2.4,,1,,,,"),
        ("xs:decimal", {"minInclusive": "0.0000", "maxInclusive": "6.5535"}, "decimal,0.0000,6.5535,,,,,,"),
        ("xs:hexBinary", {"enumeration": "8F66"}, "hex,,,,,,,,8F66"),
        ("xs:token", {"pattern": EUI}, "eui,,,,,,,,"),
        ("xs:string", {"pattern": f"({EUI},)*({EUI})", "minLength": 23}, "eui-list,,,,,23,,,"),
        ("xs:token", {"pattern": f"{EUI}:{EUI}:(0|1844674407370955161[0-5])"}, "request-id,,,,,,,,"),
        ("sr:Base", {"maxLength": 5}, "text,,,,,2,5,,"),
    ],
)
def test_bounds_of_values(tmp_path, base, facets, row):
    written = "".join(f'<xs:{name} value="{value}"/>' for name, value in facets.items())
    types = (
        f'<xs:simpleType name="V"><xs:restriction base="{base}">{written}</xs:restriction></xs:simpleType>'
        '<xs:simpleType name="Base"><xs:restriction base="xs:string"><xs:minLength value="2"/></xs:restriction>'
        "</xs:simpleType>"
    )
    assert compiled(tmp_path, '<xs:element name="V" type="sr:V"/>', types)[0]["V"] == row


def test_choices_keep_their_order(tmp_path):
    types = """<xs:simpleType name="V"><xs:restriction base="xs:string"><xs:enumeration value="b c"/>
      <xs:enumeration value="a"/></xs:restriction></xs:simpleType>"""
    assert compiled(tmp_path, '<xs:element name="V" type="sr:V"/>', types)[0]["V"] == "text,,,,,,,,b c|a"


def test_equal_types_without_a_name_are_one_row(tmp_path):
    inline = (
        '<xs:element name="{}"><xs:simpleType><xs:restriction base="xs:string"><xs:maxLength value="3"/>'
        "</xs:restriction></xs:simpleType></xs:element>"
    )
    values, structures = compiled(tmp_path, inline.format("A") + inline.format("B"))
    assert structures["Request"] == ',,"A=Request.A, B=Request.A"'
    assert list(values) == ["Request.A"]


@pytest.mark.parametrize(
    ("content", "types", "fault"),
    [
        ("<xs:any/>", "", "any"),
        ('<xs:element name="A" type="xs:duration"/>', "", "duration"),
        (
            '<xs:element name="A" type="sr:V"/>',
            '<xs:simpleType name="V"><xs:list itemType="xs:int"/></xs:simpleType>',
            "only restrictions",
        ),
        (
            '<xs:element name="A" type="sr:V"/>',
            '<xs:simpleType name="V"><xs:restriction base="xs:string"><xs:whiteSpace value="collapse"/>'
            "</xs:restriction></xs:simpleType>",
            "whiteSpace",
        ),
    ],
)
def test_what_has_no_word_in_the_table_is_refused(tmp_path, content, types, fault):
    with pytest.raises(SchemaError, match=fault):
        compiled(tmp_path, content, types)


def test_a_folder_without_a_schema_is_refused(tmp_path):
    with pytest.raises(SchemaError, match=r"DUIS\.xsd cannot be read"):
        compile_table(tmp_path)
    (tmp_path / "DUIS.xsd").write_text("<nothing")
    with pytest.raises(SchemaError, match="cannot be read"):
        compile_table(tmp_path)
