"""APDUs with their meaning: read, compared, written back, and dissected without an error."""

from typing import Any

from meterworks.assess.vectors.compare import check_meaning
from meterworks.assess.vectors.data_meaning import value_meaning
from meterworks.assess.vectors.field import key_ring, octets, octets_of
from meterworks.assess.vectors.lookup import Lookup
from meterworks.assess.vectors.meaning import meaning_of
from meterworks.assess.vectors.verdict import Document, Mismatch, expect
from meterworks.protocols import dlms
from meterworks.protocols.dlms.dissect import KeyRing, dissect

__all__ = ["check_apdu", "check_apdu_vector", "check_blocks", "check_data_vector", "check_dissection"]


def check_apdu(apdu: bytes, decoded: Any, name: str = "decoded") -> None:
    """Read an APDU, compare its meaning, write it back. Raises Mismatch or the error of the decoder."""
    message = dlms.decode_apdu(apdu)
    check_meaning(name, meaning_of(message), decoded)
    written = message.to_bytes()
    # Some senders leave out what may not be left out at the end; we read that and write the whole.
    if not (written.startswith(apdu) and dlms.decode_apdu(written) == message):
        expect("octets written back", written, apdu)


def check_dissection(octets: bytes) -> None:
    """Raise Mismatch where the dissector meets an error."""
    errors = dissect(octets).errors
    if errors:
        raise Mismatch(f"the dissector does not understand octet {errors[0].offset}: {errors[0].error}")


def check_apdu_vector(document: Document, _lookup: Lookup) -> None:
    """A row of an APDU and its meaning; of a ciphered one also what is inside, where the row has the keys."""
    apdu = octets_of(document["apdu"])
    check_apdu(apdu, document["decoded"])
    check_dissection(apdu)
    plain = octets(document, "plain", "plain_apdu")
    if plain is not None:
        check_inside(apdu, key_ring(document), plain, document.get("plain_decoded"))


def check_inside(apdu: bytes, ring: KeyRing, plain: bytes, decoded: Any) -> None:
    """Open a ciphered APDU and compare what is inside."""
    inside = dissect(apdu, keys=ring).find("deciphered")
    if inside is None:
        raise Mismatch("the message does not open with the keys given")
    expect("deciphered", inside.octets, plain)
    if decoded is not None:
        check_meaning("plain_decoded", meaning_of(dlms.decode_apdu(plain)), decoded)


def check_data_vector(document: Document, _lookup: Lookup) -> None:
    """A row of A-XDR data and its meaning."""
    name = next(name for name in DATA_FIELDS if name in document)
    encoded = octets_of(document[name])
    check_meaning("decoded", value_meaning(encoded), document["decoded"])
    value, _ = dlms.decode_typed(encoded)
    expect("octets written back", dlms.encode(value), encoded)
    expect("plain value", dlms.end_of(encoded), len(encoded))


DATA_FIELDS = ("data", "axdr", "a-xdr", "encoded", "value", "bytes")


def check_blocks(document: Document, _lookup: Lookup) -> None:
    """The octets of consecutive data blocks, and the value that they are together."""
    joined = b"".join(octets_of(block) for block in document["blocks"])
    trailing = octets_of(document.get("trailing") or "")
    value, end = dlms.decode_typed(joined)
    expect("octets after the value", joined[end:], trailing)
    check_meaning("decoded", value_meaning(joined[:end]), document["decoded"])
    # A sender may write a length in more octets than it takes; we write the shortest.
    expect("value written back and read again", dlms.decode_typed(dlms.encode(value))[0], value)
