"""Where a channel's certificate, key, anchors and revocation lists come from: files, or memory."""

import os
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from meterworks.trust.tls.errors import TlsFilesError

__all__ = ["Credential", "TlsFiles", "TlsMemory"]


class Credential(Protocol):
    """What a context is made from, again whenever `stamp` has changed."""

    @property
    def has_crl(self) -> bool:
        """Whether revocation is checked."""

    def stamp(self) -> tuple[object, ...]:
        """Give what differs when the credential does."""

    def load_into(self, context: ssl.SSLContext) -> None:
        """Load certificate, key, anchors and lists. Raises TlsFilesError."""

    def anchors_pem(self) -> bytes:
        """Give the anchors. Raises TlsFilesError."""

    def key_pem(self) -> bytes:
        """Give the private key, unencrypted; empty where there is none. Raises TlsFilesError."""

    def crl_pem(self) -> bytes:
        """Give the revocation lists, empty where there are none. Raises TlsFilesError."""

    def certificate_pem(self) -> bytes:
        """Give the own chain, the end entity's certificate first; empty where there is none. Raises TlsFilesError."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Files in PEM. They may be replaced at any time: whoever uses them takes up the new ones.

    certificate: the chain, own certificate first. key: mode 0600. anchors: roots that are trusted. crl: a list of each
    CA that issues certificates of peers, one after the other; without it revocation is not checked. certificate and key
    are None for a client that shows none.
    """

    certificate: Path | None
    key: Path | None
    anchors: Path
    crl: Path | None = None

    @property
    def has_crl(self) -> bool:
        """Whether revocation is checked."""
        return self.crl is not None

    def stamp(self) -> tuple[object, ...]:
        """Give times, sizes and file numbers; a file that is missing just now has none."""
        return tuple(_stamp_of(path) for path in (self.certificate, self.key, self.anchors, self.crl))

    def load_into(self, context: ssl.SSLContext) -> None:
        """Load all files. Raises TlsFilesError."""
        path = self.certificate
        try:
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
            path = self.anchors
            context.load_verify_locations(self.anchors)
            if self.crl is not None:
                path = self.crl
                context.load_verify_locations(self.crl)
        except (OSError, ssl.SSLError) as error:
            raise TlsFilesError(
                f"{path}: cannot be used for TLS ({error}): renew it with meterworks pki", path=str(path)
            ) from error

    def anchors_pem(self) -> bytes:
        """Give the anchors. Raises TlsFilesError."""
        return _read(self.anchors)

    def key_pem(self) -> bytes:
        """Give the key. Raises TlsFilesError."""
        return b"" if self.key is None else _read(self.key)

    def crl_pem(self) -> bytes:
        """Give the revocation lists. Raises TlsFilesError."""
        return b"" if self.crl is None else _read(self.crl)

    def certificate_pem(self) -> bytes:
        """Give the own chain. Raises TlsFilesError."""
        return b"" if self.certificate is None else _read(self.certificate)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsFilesError(f"{path}: cannot be read ({error})", path=str(path)) from error


def _stamp_of(path: Path | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


@dataclass(frozen=True, slots=True)
class TlsMemory:
    """PEM in memory, for many emulated meters in one process. Fields as in `TlsFiles`.

    OpenSSL reads keys from files only, so they pass through a file without a name that is gone at once (Linux).
    """

    certificate: bytes
    key: bytes = field(repr=False)
    anchors: bytes
    crl: bytes = b""

    @property
    def has_crl(self) -> bool:
        """Whether revocation is checked."""
        return bool(self.crl)

    def stamp(self) -> tuple[object, ...]:
        """Give nothing: memory does not change."""
        return ()

    def load_into(self, context: ssl.SSLContext) -> None:
        """Load all parts. Raises TlsFilesError."""
        try:
            with _NamelessFile(self.certificate + b"\n" + self.key) as path:
                context.load_cert_chain(path)
            with _NamelessFile(self.anchors + b"\n" + self.crl) as path:
                context.load_verify_locations(path)
        except (OSError, ssl.SSLError) as error:
            raise TlsFilesError(f"a certificate, key or list in memory cannot be used for TLS: {error}") from error

    def anchors_pem(self) -> bytes:
        """Give the anchors."""
        return self.anchors

    def key_pem(self) -> bytes:
        """Give the key."""
        return self.key

    def crl_pem(self) -> bytes:
        """Give the revocation lists."""
        return self.crl

    def certificate_pem(self) -> bytes:
        """Give the own chain."""
        return self.certificate


class _NamelessFile:
    """Octets as a file that has a path only while it is open."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._descriptor = -1

    def __enter__(self) -> str:
        self._descriptor = os.memfd_create("meterworks", os.MFD_CLOEXEC)
        os.write(self._descriptor, self._octets)
        return f"/proc/self/fd/{self._descriptor}"

    def __exit__(self, *_exc: object) -> None:
        os.close(self._descriptor)
