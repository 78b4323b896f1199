"""Random bodies of service requests, lawful by the schema's table: every option, every choice, so many times."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from meterworks.companions.gb import Element
from meterworks.companions.gb.duis.table import ElementPart, GroupPart, Structure, load_table
from meterworks.companions.gb.duis.value import ValueType

REPEATS_MAX = 4
WINDOW_DAYS_MAX = 300
CANCELLED = "3000-12-31T00:00:00.00Z"
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))


class RandomBody:
    """Makes bodies. without: beginnings of names that no body is to hold where there is another choice.

    certificates: what certificates are to be.
    """

    def __init__(self, chance: Random, *, without: tuple[str, ...], certificates: list[bytes]) -> None:
        self._chance, self._without, self._certificates = chance, without, certificates
        self._start = datetime(2001, 1, 1, tzinfo=UTC)

    def body(self, name: str) -> Element:
        """A body of a name."""
        return self._element(name, load_table().bodies[name], 1)

    def changed(self, body: Element) -> list[tuple[str, Element]]:
        """The body with one leaf changed, for each leaf that can be: its path, and the body."""
        return list(self._changed(body, load_table().bodies[body.name]))

    def _changed(self, element: Element, kind: Structure | ValueType) -> Iterator[tuple[str, Element]]:
        value = kind if isinstance(kind, ValueType) else kind.value
        if value is not None:
            texts = [text for _ in range(8) if (text := self._text(element.name, value)) != element.text]
            yield from [("", replace(element, text=texts[0]))] if texts else []
            return
        kinds = {part.name: part.type for part in kind.elements}
        for place, child in enumerate(element.children):
            for path, other in self._changed(child, kinds[child.name]):
                children = (*element.children[:place], other, *element.children[place + 1 :])
                yield f"{child.name}/{path}".rstrip("/"), replace(element, children=children)

    def _element(self, name: str, kind: Structure | ValueType, place: int) -> Element:
        if isinstance(kind, ValueType):
            return Element(name, self._text(name, kind))
        attributes = {key: str(place) for key in kind.attributes}
        text = "" if kind.value is None else self._text(name, kind.value)
        children = () if kind.content is None else tuple(self._part(kind.content))
        return Element(name, text, children, attributes)

    def _part(self, part: ElementPart | GroupPart) -> list[Element]:
        high = part.low + REPEATS_MAX if part.high is None else part.high
        count = self._chance.randint(part.low, min(high, max(part.low, REPEATS_MAX)))
        if isinstance(part, ElementPart):
            return [self._element(part.name, part.type, place) for place in range(1, count + 1)]
        return [element for _ in range(count) for element in self._once(part)]

    def _once(self, group: GroupPart) -> list[Element]:
        if not group.is_choice:
            return [element for part in group.parts for element in self._part(part)]
        wanted = [part for part in group.parts if not self._is_unwanted(part)]
        return self._part(self._chance.choice(wanted or group.parts))

    def _is_unwanted(self, part: ElementPart | GroupPart) -> bool:
        names = [part.name] if isinstance(part, ElementPart) else list(part.first)
        return all(name.startswith(self._without) for name in names)

    def _text(self, name: str, kind: ValueType) -> str:
        chance = self._chance
        if kind.choices:
            return chance.choice(kind.choices)
        match kind.kind:
            case "integer" | "decimal":
                return self._number(kind)
            case "boolean":
                return chance.choice(("true", "false"))
            case "date-time":
                return self._moment(name)
            case "time":
                return f"{chance.randrange(24):02}:{chance.randrange(60):02}:00.00Z"
            case "hex":
                return chance.randbytes(kind.longest or kind.shortest or 8).hex()
            case "eui":
                return chance.randbytes(8).hex("-").upper()
            case "base64":
                return b64encode(chance.choice(self._certificates)).decode()
        longest = kind.longest or 20
        letters = "0123456789" if kind.pattern and "0-9" in kind.pattern.pattern else PRINTABLE
        return "".join(chance.choices(letters, k=chance.randint(max(kind.shortest, 1), longest)))

    def _number(self, kind: ValueType) -> str:
        scale = kind.fraction or 0
        high = kind.high if kind.high is not None else Decimal(10) ** (kind.digits or 4) - 1
        low = kind.low if kind.low is not None else Decimal(0)
        bounds = [int(bound.scaleb(scale)) for bound in (low, high)]
        bounds[1] = min(bounds[1], 10 ** (kind.digits or 20) - 1, 2154 if "Year" in kind.name else bounds[1])
        chosen = self._chance.choice((*bounds, self._chance.randint(*bounds)))
        return str(Decimal(chosen).scaleb(-scale))

    def _moment(self, name: str) -> str:
        if name == "ExecutionDateTime" and self._chance.random() < 0.3:
            return CANCELLED
        later = timedelta(days=self._chance.randrange(WINDOW_DAYS_MAX), seconds=self._chance.randrange(86_400))
        if name == "EndDateTime":
            moment = self._start + later  # a window ends behind its start, within what logs hold
        else:
            moment = datetime(2001, 1, 1, tzinfo=UTC) + timedelta(days=self._chance.randrange(365 * 60)) + later
        if name == "StartDateTime":
            self._start = moment
        return moment.strftime("%Y-%m-%dT%H:%M:%S.00Z")
