"""A data folder with a certificate for each process, made without the product's own authorities."""

import shutil
from pathlib import Path

import pytest
from cryptography import x509
from tests.certificates import TestAuthority

from meterworks.system.configuration import Layout, load_configuration
from meterworks.system.privilege import IDENTITIES


@pytest.fixture(scope="session")
def issued(tmp_path_factory: pytest.TempPathFactory) -> tuple[TestAuthority, dict[str, x509.Certificate]]:
    """One certificate for each identity of a system, in files laid out as a system has them."""
    authority = TestAuthority(tmp_path_factory.mktemp("issued"))
    made = {}
    for name in IDENTITIES:
        given = authority.issue(name, uri=f"urn:meterworks:{name}:{name}")
        folder = authority.folder / "tls" / name
        folder.mkdir(parents=True)
        given.certificate.rename(folder / f"{name}.crt")
        given.key.rename(folder / f"{name}.key")
        made[name] = given.content
    public = authority.folder / "pki" / "public"
    public.mkdir(parents=True)
    shutil.copy(authority.anchors, public / "anchors.pem")
    (public / "crl.pem").write_bytes(authority.crl())
    return authority, made


@pytest.fixture
def layout(issued: tuple[TestAuthority, dict[str, x509.Certificate]], tmp_path: Path) -> Layout:
    """A layout on that folder; the revocation list may be replaced."""
    public = tmp_path / "var" / "pki" / "public"
    public.mkdir(parents=True)
    for name in ("anchors.pem", "crl.pem"):
        shutil.copy(issued[0].folder / "pki" / "public" / name, public)
    (tmp_path / "var" / "tls").symlink_to(issued[0].folder / "tls")
    return Layout(load_configuration(command_line={"system.data": tmp_path / "var"}).configuration)
