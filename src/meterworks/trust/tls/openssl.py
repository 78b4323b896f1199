"""What Python's `ssl` cannot set on a context: groups, signature algorithms, suites of TLS 1.3, ticket lifetime.

`ssl.SSLContext` gives no access to them before Python 3.15. They are set through the very OpenSSL that `_ssl` is linked
with, on the `SSL_CTX` that a context holds right behind its object header (CPython 3.11 to 3.14). Before anything is
set, the options read through that pointer are compared with those that `ssl` shows. Where this way is not open (another
Python, an OpenSSL without exported symbols) the context is narrowed instead: TLS 1.2 and P-256 alone, whose suites
`ssl` can set, so that what is accepted is always a part of the policy.
"""

import _ssl
import ctypes
import ssl
import sys
from functools import cache
from typing import Final

__all__ = ["can_set_all", "set_parameters"]

PYTHON_FIRST: Final = (3, 11)
PYTHON_LAST: Final = (3, 14)
_SET_GROUPS_LIST: Final = 92  # SSL_CTRL_SET_GROUPS_LIST and so on, of openssl/ssl.h
_SET_SIGNATURES_LIST: Final = 98
_SET_CLIENT_SIGNATURES_LIST: Final = 102


@cache
def _library() -> ctypes.CDLL | None:
    """Give the OpenSSL that the `ssl` module uses, or None where it cannot be reached."""
    known = sys.implementation.name == "cpython" and PYTHON_FIRST <= sys.version_info[:2] <= PYTHON_LAST
    if not known or getattr(_ssl, "__file__", None) is None:
        return None
    try:
        library = ctypes.CDLL(_ssl.__file__)
        library.SSL_CTX_get_options.argtypes = [ctypes.c_void_p]
        library.SSL_CTX_get_options.restype = ctypes.c_uint64
        library.SSL_CTX_ctrl.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
        library.SSL_CTX_ctrl.restype = ctypes.c_long
        library.SSL_CTX_set_ciphersuites.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        library.SSL_CTX_set_timeout.argtypes = [ctypes.c_void_p, ctypes.c_long]
        library.SSL_CTX_set_timeout.restype = ctypes.c_long
    except (OSError, AttributeError):
        return None
    return library


def _pointer(library: ctypes.CDLL, context: ssl.SSLContext) -> int | None:
    """Give the address of the SSL_CTX of a context, or None where it is not what it should be."""
    address = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    if not address or library.SSL_CTX_get_options(address) != int(context.options):
        return None
    return address


def can_set_all() -> bool:
    """Whether a policy can be set in full here; see the module."""
    library = _library()
    return library is not None and _pointer(library, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) is not None


def set_parameters(
    context: ssl.SSLContext,
    *,
    groups: tuple[str, ...],
    signature_algorithms: tuple[str, ...],
    suites_13: tuple[str, ...],
    ticket_s: float,
) -> bool:
    """Set them on a context; groups that this OpenSSL does not know are left out.

    Gives False where the context was narrowed instead. Raises ssl.SSLError where OpenSSL does not know the rest.
    """
    library = _library()
    address = None if library is None else _pointer(library, context)
    if library is None or address is None:
        context.set_ecdh_curve("prime256v1")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return False
    known = [name for name in groups if library.SSL_CTX_ctrl(address, _SET_GROUPS_LIST, 0, name.encode())]
    done = library.SSL_CTX_ctrl(address, _SET_GROUPS_LIST, 0, ":".join(known).encode())
    for command in (_SET_SIGNATURES_LIST, _SET_CLIENT_SIGNATURES_LIST):
        done &= library.SSL_CTX_ctrl(address, command, 0, ":".join(signature_algorithms).encode())
    if suites_13:
        done &= library.SSL_CTX_set_ciphersuites(address, ":".join(suites_13).encode())
    library.SSL_CTX_set_timeout(address, max(1, int(ticket_s)))
    if not done:
        raise ssl.SSLError("OpenSSL does not know the groups, suites or signature algorithms of the policy")
    return True
