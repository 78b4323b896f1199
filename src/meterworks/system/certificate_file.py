"""Where the certificates of a system's processes lie in its data folder. Light: commands without a system load it."""

from pathlib import Path

from meterworks.trust.tls import TlsFiles

__all__ = ["process_files", "public_folder"]


def public_folder(data: Path) -> Path:
    """Anchors and revocation lists of a system."""
    return data / "pki" / "public"


def process_files(data: Path, name: str) -> TlsFiles:
    """Certificate, key, anchors and revocation lists of one of a system's processes."""
    folder, public = data / "tls" / name, public_folder(data)
    return TlsFiles(folder / f"{name}.crt", folder / f"{name}.key", public / "anchors.pem", public / "crl.pem")
