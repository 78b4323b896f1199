"""Every fuzz target there is behind one: the first octet chooses which."""

import random
from collections.abc import Callable, Iterator

from tests.fuzz import dlms, duis, gbcs, pki
from tests.fuzz.test_dlms import APDUS, aimed, changed_example

CHANGES_MAX = 3
DOCUMENT_TARGETS: tuple[Callable[[bytes], str], ...] = (*pki.PKI_TARGETS, *gbcs.GB_TARGETS, *duis.DUIS_TARGETS)
"""Those that take whole documents or messages, not octets of a conversation."""


def examples_of(target: Callable[[bytes], str]) -> tuple[bytes, ...]:
    """Octets that a document target takes as they are."""
    module = next(module for module in (pki, gbcs, duis) if module.__name__ == target.__module__)
    found: bytes | tuple[bytes, ...] = module.example_of(target)
    return (found,) if isinstance(found, bytes) else found


def run_any(octets: bytes) -> str:
    """Try octets on one of the targets; give `taken` or `refused`."""
    if not octets:
        return "refused"
    place = octets[0] - (256 - len(DOCUMENT_TARGETS))
    return dlms.run_one(octets) if place < 0 else DOCUMENT_TARGETS[place](octets[1:])


def corpus() -> Iterator[bytes]:
    """Octets to begin with: every example, aimed at what it is for."""
    for apdu in APDUS:
        yield from (aimed(target, apdu) for target in range(dlms.TARGET_COUNT))
    for place, target in enumerate(DOCUMENT_TARGETS):
        first = bytes((256 - len(DOCUMENT_TARGETS) + place,))
        yield from (first + example for example in examples_of(target))


def changed(source: random.Random) -> bytes:
    """Give an example with a few octets changed or cut off, still aimed at what it is for."""
    if source.random() < dlms.TARGET_COUNT / (dlms.TARGET_COUNT + len(DOCUMENT_TARGETS)):
        return changed_example(source)
    place = source.randrange(len(DOCUMENT_TARGETS))
    octets = bytearray(source.choice(examples_of(DOCUMENT_TARGETS[place])))
    for _ in range(source.randrange(CHANGES_MAX + 1)):
        octets[source.randrange(len(octets))] = source.randrange(256)
    del octets[source.choice((len(octets), source.randrange(len(octets)))) :]
    return bytes((256 - len(DOCUMENT_TARGETS) + place,)) + octets
