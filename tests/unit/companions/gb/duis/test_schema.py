"""The schema as a judge: the folder it comes from, and nothing beyond it."""

import pytest
from tests.unit.companions.gb.duis.sample import document

from meterworks.companions.errors import RequestError, SchemaError
from meterworks.companions.gb.duis import validate_schema

SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" {more} elementFormDefault="qualified"
 targetNamespace="http://www.dccinterface.co.uk/ServiceUserGateway">{include}
 <xs:element name="Request"><xs:complexType><xs:sequence>
  <xs:any maxOccurs="{count}" processContents="skip"/></xs:sequence>
  <xs:attribute name="schemaVersion"/></xs:complexType></xs:element></xs:schema>"""


def write(folder, name="DUIS.xsd", *, count=2, include="") -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(SCHEMA.format(count=count, include=include, more=""))


def test_a_document_is_judged_by_the_schema_of_a_folder(tmp_path):
    write(tmp_path / "some schema")
    validate_schema(document(), tmp_path / "some schema")
    with pytest.raises(RequestError, match="line 1, ") as refused:
        validate_schema(document(after="<more/>"), tmp_path / "some schema")
    assert refused.value.facts["line"] == 1


INCLUDING = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified"
 targetNamespace="http://www.dccinterface.co.uk/ServiceUserGateway"><xs:include schemaLocation="{}"/></xs:schema>"""


def test_a_part_in_the_same_folder_is_taken_in(tmp_path):
    write(tmp_path / "a", "part.xsd")
    (tmp_path / "a" / "DUIS.xsd").write_text(INCLUDING.format("part.xsd"))
    validate_schema(document(), tmp_path / "a")
    with pytest.raises(RequestError):
        validate_schema(b"<other/>", tmp_path / "a")


@pytest.mark.parametrize("place", ["../part.xsd", "b/part.xsd", "http://127.0.0.1:9/part.xsd", "file:///etc/passwd"])
def test_nothing_beyond_the_folder_is_taken_in(tmp_path, place):
    write(tmp_path, "part.xsd")
    write(tmp_path / "a")
    write(tmp_path / "a" / "b", "part.xsd")
    (tmp_path / "a" / "DUIS.xsd").write_text(INCLUDING.format(place))
    with pytest.raises((SchemaError, RequestError)):
        validate_schema(document(), tmp_path / "a")


def test_a_folder_without_a_schema_is_named(tmp_path):
    with pytest.raises(SchemaError, match=r"no DUIS\.xsd in") as refused:
        validate_schema(document(), tmp_path)
    assert refused.value.facts["path"] == str(tmp_path / "DUIS.xsd")
    (tmp_path / "DUIS.xsd").write_text("<nothing")
    with pytest.raises(SchemaError, match="no usable schema"):
        validate_schema(document(), tmp_path)


def test_a_document_is_read_within_the_same_bounds(tmp_path):
    write(tmp_path)
    with pytest.raises(RequestError, match="document type"):
        validate_schema(document(before="<!DOCTYPE a>"), tmp_path)
