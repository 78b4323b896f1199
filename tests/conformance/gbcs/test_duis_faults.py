"""Faults put into documents of the reference set: our table and the schema say the same of each."""

import copy
import random

import pytest
from lxml import etree
from tests.conformance.gbcs.duis_set import documents, schema_of

from meterworks.companions.errors import RequestError
from meterworks.companions.gb.duis import read_document, validate_schema
from meterworks.companions.gb.duis.markup import DUIS

FAULTS_PER_DOCUMENT = 4
EUI = "00-DB-12-34-56-78-90-A0"
TEXTS = (
    *("", " ", "0", "1", "-1", "+5", "007", "3.5", ".5", "5.", "1e3", "65535", "65536", "-32768", "-32769", "5 5"),
    *("4294967295", "4294967296", "9223372036854775808", "9" * 30, "true", "TRUE", "abc", "ABCDEF", "zz", " 5 "),
    *("2030-01-31", "2030-02-30", "2028-02-29", "0000-01-01", "-2030-01-01Z", "12345-01-01", "02030-01-01", "2030-1-1"),
    *("2030-01-31T10:00:00", "2030-01-31T24:00:00Z", "2030-01-31T25:00:00Z", "2030-01-31T10:00:00+14:30"),
    *("10:00:00", "24:00:00", "10:00", "10:00:60", "QUJD", "QUJ", "QU JD", "QUJD=", "QQ==", "QR==", "Q==="),
    *("é", "x" * 40, "x" * 300, "1" * 13, "1" * 20, EUI, f"{EUI},{EUI.lower()}", f"{EUI},", f"{EUI}:{EUI}:01"),
    *("8f66", "8F66", "GBP", "gbp", " GBP", "Monday", "1.12345", "1.123456", "429496729.5", "429496729.6", "2.05"),
)


class Spoiler:
    """Puts one fault, or what may be one, into a parsed document."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def spoil(self, root: etree._Element) -> str:
        """Change something, and say what kind of change it was."""
        elements = [one for one in root.iter() if isinstance(one.tag, str) and one.tag.startswith(f"{{{DUIS}}}")]
        kinds = (
            self.text,
            self.text,
            self.missing,
            self.doubled,
            self.moved,
            self.foreign,
            self.attribute,
            self.renamed,
        )
        kind = self._chance.choice(kinds)
        kind(elements)
        return kind.__name__

    def text(self, elements) -> None:
        self._chance.choice([one for one in elements if not len(one)]).text = self._chance.choice(TEXTS)

    def missing(self, elements) -> None:
        one = self._chance.choice(elements[1:])
        one.getparent().remove(one)

    def doubled(self, elements) -> None:
        one = self._chance.choice(elements[1:])
        one.addnext(copy.deepcopy(one))

    def moved(self, elements) -> None:
        one = self._chance.choice(elements[1:])
        one.getparent().insert(self._chance.randrange(len(one.getparent())), one)

    def foreign(self, elements) -> None:
        self._chance.choice(elements).insert(0, copy.deepcopy(self._chance.choice(elements[1:])))

    def attribute(self, elements) -> None:
        one = self._chance.choice([one for one in elements if one.attrib])
        name = self._chance.choice([*one.attrib, "extra"])
        if name in one.attrib and self._chance.random() < 0.3:
            del one.attrib[name]
        else:
            one.set(name, self._chance.choice(TEXTS))

    def renamed(self, elements) -> None:
        self._chance.choice(elements).tag = self._chance.choice(elements).tag


def is_taken(read, *arguments) -> bool:
    try:
        read(*arguments)
    except RequestError as error:
        assert {"path", "line"} <= set(error.facts)
        return False
    return True


def is_base64_with_signs_of_others(root: etree._Element) -> bool:
    """Whether a text is such that the library's schema passes over characters that are not of base64."""
    return any(one.text in TEXTS and not (one.text or "").isalnum() for one in root.iter() if isinstance(one.tag, str))


@pytest.mark.parametrize("seed", range(2))
def test_our_table_and_the_schema_say_the_same_of_a_document_with_a_fault(shared_folder, seed):
    schema = schema_of(shared_folder)
    spoiler = Spoiler(seed)
    refused: dict[str, int] = {}
    taken = 0
    for name, xml in documents(shared_folder, "duis", "duis_signed").items():
        for _ in range(FAULTS_PER_DOCUMENT // 2):
            root = etree.fromstring(xml)
            kind = spoiler.spoil(root)
            spoiled: bytes = etree.tostring(root, encoding="UTF-8")
            by_schema, by_table = is_taken(validate_schema, spoiled, schema), is_taken(read_document, spoiled)
            if by_schema != by_table:
                assert by_schema, f"{name}: {kind} is refused by the schema and not by our table"
                assert is_base64_with_signs_of_others(root), (
                    f"{name}: {kind} is refused by our table and not by the schema"
                )
            taken += by_table
            refused[kind] = refused.get(kind, 0) + (not by_table)
    assert taken > 10
    assert all(refused[kind] > 5 for kind in ("text", "missing", "doubled", "moved", "foreign", "attribute", "renamed"))
