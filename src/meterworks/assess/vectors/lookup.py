"""What the vectors of a folder say about each other: keys that stand in one file and are needed in another."""

from collections.abc import Mapping
from typing import Any, Final

from meterworks.assess.vectors.verdict import Document

__all__ = ["Lookup"]

_KEYS: Final = ("guek", "gak", "secret", "client_system_title", "server_system_title")
_PUBLISHED: Final = {"guek": bytes(range(16)).hex(), "gak": bytes(range(0xD0, 0xE0)).hex()}


class Lookup:
    """Fields of whole documents by the name of their file or their id."""

    def __init__(self) -> None:
        self._documents: dict[str, dict[str, Any]] = {}

    def learn(self, stem: str, content: Any) -> None:
        """Keep the keys of a document."""
        if isinstance(content, Mapping):
            keys = {name: content[name] for name in _KEYS if content.get(name) is not None}
            if keys:
                self._documents[stem] = keys
                if isinstance(content.get("id"), str):
                    self._documents[content["id"]] = keys

    def completed(self, document: Document) -> dict[str, Any]:
        """Give a row with what it leaves out: from the document of the same name, else the published test keys."""
        name = document.get("id")
        own = {key: value for key, value in document.items() if value is not None}
        known = self._documents.get(name, {}) if isinstance(name, str) else {}
        return {**_PUBLISHED, **known, **own}
