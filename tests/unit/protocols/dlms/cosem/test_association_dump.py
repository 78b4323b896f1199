"""Reading association dumps: objects, rights in either form, and what is no dump."""

import pytest

from meterworks.protocols.dlms.cosem import READ_WRITE, read_association_dump
from meterworks.protocols.errors import DecodeError

HEAD = (
    '<ArrayOfGXDLMSDevice xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns="Gurux1"><GXDLMSDevice><Objects2>'
)
TAIL = "</Objects2></GXDLMSDevice></ArrayOfGXDLMSDevice>"


def dump(*objects):
    return HEAD + "".join(objects) + TAIL


def item(index, **fields):
    return f"<Item><Index>{index}</Index>{''.join(f'<{key}>{value}</{key}>' for key, value in fields.items())}</Item>"


def thing(kind, code, *, version=0, attributes="", methods="", more=""):
    return (
        f'<GXDLMSObject xsi:type="{kind}"><Version>{version}</Version><LogicalName>{code}</LogicalName>{more}'
        f"<Attributes>{attributes}</Attributes><Methods>{methods}</Methods></GXDLMSObject>"
    )


def test_an_object_is_read_with_class_version_names_and_rights():
    attributes = item(1, Access=1) + item(2) + item(3, Access=4) + item(4, Access3=0x27, Access=0)
    methods = item(1, MethodAccess=1) + item(2) + item(3, MethodAccess=2)
    (entry,) = read_association_dump(
        dump(thing("GXDLMSClock", "0.0.1.0.0.255", attributes=attributes, methods=methods,
                   more="<ShortName>11200</ShortName>"))
    )  # fmt: skip
    assert (entry.class_id, entry.version, str(entry.obis_code), entry.short_name) == (8, 0, "0.0.1.0.0.255", 11200)
    assert dict(entry.attributes) == {1: 1, 2: READ_WRITE, 3: 5, 4: 0x27}
    assert dict(entry.methods) == {1: 1, 2: 0, 3: 5}


def test_an_object_of_a_type_without_a_name_has_its_number():
    (entry,) = read_association_dump(dump(thing("GXDLMSObject", "0.0.1.0.0.255", more="<ObjectType>9000</ObjectType>")))
    assert entry.class_id == 9000
    assert entry.interface_class.generic


@pytest.mark.parametrize(
    "text",
    [
        "", "not xml", "<a/>", dump(), dump(thing("GXDLMSNobody", "0.0.1.0.0.255")), dump(thing("GXDLMSData", "clock")),
        dump(thing("GXDLMSData", "0.0.1.0.0.255", version="one")), HEAD,
        dump(thing("GXDLMSData", "0.0.1.0.0.255", attributes=item("x"))),
        dump(thing("GXDLMSData", "0.0.1.0.0.255", attributes=item(1, Access=9))),
        dump('<GXDLMSObject xsi:type="GXDLMSData"><Version>0</Version></GXDLMSObject>'), "\ud800",
    ],
    ids=range(12),
)  # fmt: skip
def test_what_is_no_dump_is_refused(text):
    with pytest.raises(DecodeError):
        read_association_dump(text)


def test_entities_that_grow_are_not_followed_for_ever():
    bomb = "".join(f'<!ENTITY l{number + 1} "{f"&l{number};" * 10}">' for number in range(9))
    with pytest.raises(DecodeError):
        read_association_dump(f'<!DOCTYPE a [<!ENTITY l0 "meter">{bomb}]><a>&l9;</a>')
