"""TLS of emulated meters: each speaks with its own device certificate, as server and when it calls the head-end.

A meter comes with its maker's certificate, which the head-end does not accept. At its first contact, whoever opens it,
it gets the operator's, and the contact waits for that; from then on it shows no other.

Contexts are made when a meter is first addressed and kept in a bounded list, the one not used for longest goes first:
one takes some 40 kB and 2 ms of a processor (measured with P-256 and a short revocation list).
"""

import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from meterworks.links import TlsDemand, TlsDoor
from meterworks.trust.audit import AuditSink
from meterworks.trust.tls import (
    Guard,
    Interface,
    TlsContext,
    TlsFiles,
    TlsMemory,
    client_context,
    server_context,
)

__all__ = ["CONTEXTS_MAX", "MeterChannels", "MeterCredentials"]

CONTEXTS_MAX: Final = 4096  # of servers; those of callers come on top


class MeterCredentials(Protocol):
    """Whence a fleet has the certificates of its meters."""

    @property
    def trust(self) -> TlsFiles:
        """Anchors and revocation lists that all meters honour; certificate and key of it are not used."""

    def pair(self, index: int) -> tuple[bytes, bytes]:
        """Give the operator's certificate chain and the key of a meter by its number, in PEM. Raises TlsFilesError."""

    def is_personalised(self, index: int) -> bool:
        """Whether a meter has its operator's certificate; false also for a number that no meter has."""

    async def personalise(self, index: int) -> None:
        """Get a meter its operator's certificate, if it has none; asked twice at once, it is done once.

        Raises NotPersonalised.
        """


@dataclass(frozen=True, slots=True)
class _MeterCredential:
    """A pair in memory with anchors and lists in files: a `Credential`."""

    certificate: bytes
    key: bytes = field(repr=False)
    trust: TlsFiles

    @property
    def has_crl(self) -> bool:
        return self.trust.has_crl

    def stamp(self) -> tuple[object, ...]:
        return self.trust.stamp()

    def load_into(self, context: ssl.SSLContext) -> None:
        TlsMemory(self.certificate, self.key, self.trust.anchors_pem(), self.trust.crl_pem()).load_into(context)

    def anchors_pem(self) -> bytes:
        return self.trust.anchors_pem()

    def key_pem(self) -> bytes:
        return self.key

    def crl_pem(self) -> bytes:
        return self.trust.crl_pem()

    def certificate_pem(self) -> bytes:
        return self.certificate


class MeterChannels:
    """The TLS side of a fleet.

    index_at: gives the number of the meter that lives at a local host and port, or None. audit: told of refusals.
    """

    def __init__(
        self,
        credentials: MeterCredentials,
        index_at: Callable[[str, int], int | None],
        *,
        audit: AuditSink | None = None,
        contexts_max: int = CONTEXTS_MAX,
    ) -> None:
        self._credentials = credentials
        self._index_at = index_at
        self._contexts_max = contexts_max
        self._contexts: OrderedDict[tuple[Interface, int], TlsContext] = OrderedDict()
        trust = credentials.trust
        self._served = Guard(Interface.METER, is_server=True, credential=trust, audit=audit, actor="process:fleet")
        self._called = Guard(Interface.PUSH, is_server=False, credential=trust, audit=audit, actor="process:fleet")

    def __len__(self) -> int:
        """Contexts kept now."""
        return len(self._contexts)

    def door(self) -> TlsDoor:
        """Give the door of one listening socket."""
        return TlsDoor(self._context_at, self._served)

    async def demand(self, index: int) -> TlsDemand:
        """Give what a meter asks of the head-end that it calls. Raises TlsFilesError, NotPersonalised."""
        if not self._credentials.is_personalised(index):
            await self._credentials.personalise(index)
        return TlsDemand(context=self._context(Interface.PUSH, index), guard=self._called)

    def forget(self, index: int) -> None:
        """Drop what was made for a meter, whose certificate has changed."""
        for interface in (Interface.METER, Interface.PUSH):
            self._contexts.pop((interface, index), None)

    def _context_at(self, host: str, port: int) -> TlsContext | Awaitable[TlsContext] | None:
        index = self._index_at(host, port)
        if index is None:
            return None
        if self._credentials.is_personalised(index):
            return self._context(Interface.METER, index)
        return self._context_after_first_contact(index)

    async def _context_after_first_contact(self, index: int) -> TlsContext:
        await self._credentials.personalise(index)
        return self._context(Interface.METER, index)

    def _context(self, interface: Interface, index: int) -> TlsContext:
        key = (interface, index)
        known = self._contexts.get(key)
        if known is None:
            certificate, private = self._credentials.pair(index)
            credential = _MeterCredential(certificate, private, self._credentials.trust)
            make = server_context if interface is Interface.METER else client_context
            known = self._contexts[key] = make(credential, interface)
            if len(self._contexts) > self._contexts_max:
                self._contexts.popitem(last=False)
        self._contexts.move_to_end(key)
        return known
