"""TLS keys: in files of mode 0600, short-lived, since Python's TLS reads its key from a file and from no token."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from meterworks.trust.keystore.file_vault import draw_private_key
from meterworks.trust.keystore.vault import CURVES, CurveName
from meterworks.trust.secret_file import replace_secret_file

__all__ = ["new_tls_key"]


def new_tls_key(path: Path, curve: CurveName = "P-256") -> ec.EllipticCurvePrivateKey:
    """Make a TLS key in a PEM file (PKCS#8) of mode 0600, in place of one that stood there; gives it for its request.

    Write the key of a renewal beside the one in use, and put certificate and key in place together.
    Raises KeyFileError where the folder cannot be written, EntropyError when the random source is ill.
    """
    private = draw_private_key(CURVES[curve])
    content = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    replace_secret_file(path, content, "the TLS key")
    return private
