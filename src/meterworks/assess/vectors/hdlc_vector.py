"""Single HDLC frames and addresses: read, compared, written back; a wrong check sum must be found."""

from typing import Any

from meterworks.assess.vectors.field import needed, octets_of
from meterworks.assess.vectors.lookup import Lookup
from meterworks.assess.vectors.verdict import Document, Mismatch, expect
from meterworks.errors import PeerError
from meterworks.protocols.dlms.dissect import Node, dissect
from meterworks.protocols.dlms.hdlc import HdlcAddress, HdlcFrame, HdlcReader

__all__ = ["check_address_vector", "check_frame", "check_frame_vector"]


def check_frame(octets: bytes, stated: Document) -> None:
    """Compare a frame with what is stated: addresses, control, segmentation, information, check sums."""
    if stated.get("fcs_ok") is False or stated.get("hcs_ok") is False:
        _check_broken(octets, stated)
        return
    frame = HdlcFrame.from_bytes(octets)
    expect("destination", frame.destination.to_bytes(), octets_of(stated["dest"]))
    expect("source", frame.source.to_bytes(), octets_of(stated["src"]))
    expect("control", frame.control, int(stated["control"], 16))
    expect("segmented", frame.segmented, stated["segmented"])
    expect("information", frame.information, octets_of(stated["information"]))
    expect("octets written back", frame.to_bytes(), octets)
    if stated.get("hcs_ok") is None:
        expect("whether there is a header check", bool(frame.information), False)


def _check_broken(octets: bytes, stated: Document) -> None:
    """A frame with a wrong sum: refused by the strict reader, shown with its error by the dissector."""
    reader = HdlcReader()
    reader.feed(octets)
    if any(frame.to_bytes() == octets for frame in iter(reader.next_frame, None)):
        raise Mismatch("a frame with a wrong check sum was taken")
    tree = dissect(octets)
    for name, field in (("HCS", "hcs_ok"), ("FCS", "fcs_ok")):
        found = tree.find(name)
        if stated.get(field) is not None:
            expect(f"{name} is right", found is not None and not found.error, stated[field])
    _check_parts(tree, octets, stated)


def _check_parts(tree: Node, octets: bytes, stated: Document) -> None:
    for name, field in (("destination", "dest"), ("source", "src"), ("control", "control")):
        node = tree.find(name)
        if node is None:
            raise Mismatch(f"the dissector finds no {name}")
        expect(name, octets[node.offset : node.offset + node.size], octets_of(stated[field]))
    link, information = tree.find("hdlc"), tree.find("information")
    expect("segmented", link is not None and "segmented" in link.value, stated["segmented"])
    found = b"" if information is None else octets[information.offset : information.offset + information.size]
    expect("information", found, octets_of(stated["information"]))


def check_frame_vector(document: Document, _lookup: Lookup) -> None:
    """A row of a frame and its parts."""
    check_frame(needed(document, "bytes", "raw"), document)


def check_address_vector(document: Document, _lookup: Lookup) -> None:
    """A row of an address and what it names."""
    octets = octets_of(document["bytes"])
    try:
        address = HdlcAddress.from_bytes(octets)
    except PeerError as error:
        raise Mismatch(f"address {octets.hex()}: {error}") from error
    numbers: dict[str, Any] = {"client": address.upper, "logical": address.upper, "physical": address.lower}
    for name, ours in numbers.items():
        if document.get(name) is not None:
            expect(name, ours, document[name])
    expect("size", address.size, document.get("length", len(octets)))
    expect("octets written back", address.to_bytes(), octets)
    if "all-station" in str(document.get("what", "")):
        expect("meant for all", address.is_broadcast, True)
