"""The kinds of vectors, each told by the shape of a document and run by its check."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from meterworks.assess.vectors.apdu_vector import DATA_FIELDS, check_apdu_vector, check_blocks, check_data_vector
from meterworks.assess.vectors.association_vector import check_association, is_association
from meterworks.assess.vectors.foreign import FOREIGN, check_foreign
from meterworks.assess.vectors.hdlc_vector import check_address_vector, check_frame_vector
from meterworks.assess.vectors.hls_vector import check_handshake
from meterworks.assess.vectors.lookup import Lookup
from meterworks.assess.vectors.security_vector import check_of, check_security_vector
from meterworks.assess.vectors.telegram import check_conversation, check_telegram

__all__ = ["KINDS", "Kind"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of vector. fits: whether a document has its shape. check: run it; raises Mismatch, NotRun or an error."""

    name: str
    fits: Callable[[Any], bool]
    check: Callable[[Any, Lookup], None]


def _has(*names: str) -> Callable[[Any], bool]:
    return lambda content: isinstance(content, Mapping) and all(name in content for name in names)


def _is_telegram(content: Any) -> bool:
    return _has("bytes", "messages")(content) and isinstance(content["messages"], list)


def _is_conversation(content: Any) -> bool:
    if not _has("messages")(content) or not isinstance(content["messages"], list):
        return False
    return all(isinstance(message, Mapping) and "bytes" in message for message in content["messages"])


def _is_address(content: Any) -> bool:
    return _has("bytes")(content) and ("client" in content or "logical" in content)


def _is_frame(content: Any) -> bool:
    return _has("dest", "src", "control")(content) and ("bytes" in content or "raw" in content)


def _is_handshake(content: Any) -> bool:
    return _has("ctos", "stoc")(content) and ("mechanism" in content or "authentication_mechanism" in content)


def _is_security(content: Any) -> bool:
    return _has("kind")(content) and check_of(str(content["kind"])) is not None


def _is_data(content: Any) -> bool:
    return _has("decoded")(content) and any(isinstance(content.get(name), str) for name in DATA_FIELDS)


KINDS: Final = (
    *(Kind(name, fits, check_foreign(reason)) for name, fits, reason in FOREIGN),
    Kind("association", is_association, check_association),
    Kind("telegram", _is_telegram, check_telegram),
    Kind("conversation", _is_conversation, check_conversation),
    Kind("blocks", _has("blocks", "decoded"), check_blocks),
    Kind("apdu", _has("apdu", "decoded"), check_apdu_vector),
    Kind("security", _is_security, check_security_vector),
    Kind("hls", _is_handshake, check_handshake),
    Kind("hdlc", _is_frame, check_frame_vector),
    Kind("hdlc address", _is_address, check_address_vector),
    Kind("data", _is_data, check_data_vector),
)
