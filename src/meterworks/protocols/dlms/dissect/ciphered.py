"""Ciphered, signed and general-protection APDUs as nodes."""

from collections.abc import Callable
from typing import Final

from meterworks.protocols.dlms.dissect.name import APDU_NAMES
from meterworks.protocols.dlms.dissect.node import Node, Walk, upper
from meterworks.protocols.dlms.dissect.opening import Protected, is_signature_right, open_protected
from meterworks.protocols.dlms.dissect.part import pull_optional
from meterworks.protocols.dlms.dissect.session import Session
from meterworks.protocols.dlms.security import GeneralCiphering, GeneralSigning
from meterworks.protocols.dlms.tag import FORM_OF, CipherForm
from meterworks.protocols.errors import DecodeError

__all__ = ["pull_ciphered", "pull_general_ciphering", "pull_general_signing"]

Inside = Callable[[Walk], None]  # takes an APDU

_CONTROL_BITS: Final = ((0x10, "authenticated"), (0x20, "encrypted"), (0x40, "broadcast key"), (0x80, "compressed"))
_TAG_SIZE: Final = 12
_KEY_NAMES: Final = {0: "global unicast encryption key", 1: "global broadcast encryption key"}
_SCHEMES: Final = {1: "one-pass Diffie-Hellman", 2: "static unified"}


def _pull_security(outer: Walk, content: Node, length: int) -> tuple[int, int, bytes]:
    """Take SC, IC and body of so many octets as children of `content`."""
    if length > outer.left:
        raise DecodeError(f"protected part of {length} octets in {outer.left}", offset=outer.offset)
    walk = Walk(outer.data, content, offset=outer.offset, end=outer.offset + length)
    outer.offset = walk.end
    content.xml = upper(walk.data[walk.offset : walk.end])
    control = walk.unsigned("security-control", is_wire=True, as_hex=True)
    told = [text for bit, text in _CONTROL_BITS if control & bit]
    walk.node.children[-1].value = ", ".join([f"{control:02x}: suite {control & 0x0F}", *(told or ["unprotected"])])
    counter = walk.unsigned("invocation-counter", 4, is_wire=True)
    body = walk.data[walk.offset : walk.end]
    has_tag = bool(control & 0x10) and len(body) >= _TAG_SIZE
    walk.octets("payload", len(body) - (_TAG_SIZE if has_tag else 0), is_wire=True)
    if has_tag:
        walk.octets("authentication-tag", _TAG_SIZE, is_wire=True)
    return control, counter, body


def _show_inside(content: Node, message: Protected, titles: list[bytes], session: Session, inside: Inside) -> None:
    """Put the deciphered APDU below `content`, or say why there is none."""
    opened = open_protected(message, titles, session.ring, session.dedicated_key)
    if opened is None:
        content.value = "no key fits" if len(session.ring) and titles else _why_closed(session, titles)
        return
    checked = {True: "tag verified", None: "no tag was checked"}[opened.is_verified]
    node = Node("deciphered", f"{len(opened.plain)} octets, {checked}", size=len(opened.plain), is_wire=True)
    node.octets = opened.plain
    content.value = f"deciphered, {checked}"
    content.children.append(node)
    session.learn_title(opened.title)
    Walk(opened.plain, node).attempt(inside)


def _why_closed(session: Session, titles: list[bytes]) -> str:
    if not len(session.ring):
        return "closed: no keys given"
    return "closed: the sender's system title is not known" if not titles else "no key fits"


def pull_ciphered(walk: Walk, tag: int, session: Session, inside: Inside) -> None:
    """Take what follows the tag of a service-specific or general-glo/ded ciphered APDU."""
    plain_tag, form = FORM_OF[tag]
    title = b""
    content = walk.node
    start = walk.offset
    if plain_tag is None:
        title = walk.counted("system-title")
        letters = title[:3]
        if letters.isascii() and letters.isalpha():
            walk.node.children[-1].value = f"{title.hex()} ({letters.decode()})"
        start = walk.offset
    length = walk.count()
    if plain_tag is None:
        content = walk.add(Node("ciphered-content", "", start, min(walk.offset + length, walk.end) - start))
    control, counter, body = _pull_security(walk, content, length)
    message = Protected(
        control=control,
        counter=counter,
        body=body,
        is_dedicated=form in (CipherForm.DED, CipherForm.GENERAL_DED),
        first_octet=plain_tag,
    )
    _show_inside(content, message, session.titles_of(tag, title), session, inside)


def _pull_header(walk: Walk) -> None:
    for name in ("transaction-id", "originator-system-title", "recipient-system-title", "date-time"):
        walk.counted(name)
    walk.counted("other-information")


def _pull_key_info(walk: Walk) -> None:
    with walk.group("key-info"):
        choice = walk.raw(1)[0]
        if choice == 0:
            with walk.group("identified-key"):
                walk.unsigned("key-id")
                leaf = walk.node.children[-1]
                leaf.value = f"{_KEY_NAMES.get(int(leaf.xml or 0), 'unknown')} ({leaf.xml})"
        elif choice == 1:
            with walk.group("wrapped-key"):
                walk.unsigned("kek-id")
                walk.counted("key-ciphered-data")
        else:
            with walk.group("agreed-key"):
                octets = walk.counted("key-parameters")
                scheme = _SCHEMES.get(octets[0] if octets else 0, "unknown")
                walk.node.children[-1].value = f"{scheme} ({octets.hex()})"
                walk.counted("key-ciphered-data")


def pull_general_ciphering(walk: Walk, session: Session, inside: Inside) -> None:
    """Take what follows the tag of a general-ciphering APDU."""
    first = walk.offset - 1
    _pull_header(walk)
    pull_optional(walk, _pull_key_info)
    start = walk.offset
    length = walk.count()
    content = walk.add(Node("ciphered-content", "", start, min(walk.offset + length, walk.end) - start))
    control, counter, body = _pull_security(walk, content, length)
    parsed = GeneralCiphering.from_bytes(walk.data[first : walk.offset])
    message = Protected(control=control, counter=counter, body=body, header=parsed.header, key_info=parsed.key_info)
    titles = session.titles_of(walk.data[first], parsed.header.originator)
    _show_inside(content, message, titles, session, inside)


def pull_general_signing(walk: Walk, session: Session, inside: Inside) -> None:
    """Take what follows the tag of a general-signing APDU; the APDU inside is in the clear."""
    first = walk.offset - 1
    _pull_header(walk)
    with walk.group("content") as node:
        length = walk.count()
        if length > walk.left:
            raise DecodeError(f"content of {length} octets in {walk.left}", offset=walk.offset)
        inner = Walk(walk.data, node, offset=walk.offset, end=walk.offset + length)
        inner.attempt(inside)
        node.value = f"{length} octets: {APDU_NAMES.get(walk.data[walk.offset], 'unknown') if length else 'nothing'}"
        walk.offset += length
    walk.counted("signature")
    leaf = walk.node.children[-1]
    is_right = is_signature_right(GeneralSigning.from_bytes(walk.data[first : walk.offset]), session.ring)
    leaf.value += {True: " (verified)", False: " (false)", None: " (not checked: no public key)"}[is_right]
    if is_right is False:
        leaf.error = "the signature was made with another key, or the message was altered"
