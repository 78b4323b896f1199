"""Every version, suite, group and signature algorithm that OpenSSL can offer, on every interface of the policy table.

Most offers are tried in memory; a sample of each interface goes through a socket to the openssl command, so that the
judge of our in-memory judge is another program. The whole matrix is `tests/soak/tls_matrix.py`.
"""

import asyncio
import shutil
import ssl

import pytest
from tests.security.channels.matrix import (
    OWN_ROLE,
    PEER_ROLE,
    Offer,
    is_allowed,
    negotiates,
    row_of_each,
    wrong_verdicts,
)
from tests.tls_authority import authority, issued
from tests.unit.trust.tls.handshake import connect

from meterworks.trust.tls import POLICIES, CertificateDemand, Interface, client_context, server_context

OPENSSL = shutil.which("openssl")
IN_TCP = [interface for interface in Interface if interface is not Interface.DATAGRAM]


def listener_context(interface):
    return server_context(authority().memory(issued(OWN_ROLE[interface], "listener")), interface)


@pytest.mark.parametrize("interface", [Interface.METER, Interface.BUS, Interface.EST])
def test_only_what_the_table_allows_negotiates(interface):
    context = listener_context(interface)
    assert wrong_verdicts(context, POLICIES[interface], row_of_each(), PEER_ROLE[interface]) == []


@pytest.mark.parametrize("interface", IN_TCP)
def test_each_interface_takes_its_best_and_nothing_old(interface):
    context, role = listener_context(interface), PEER_ROLE[interface]
    assert negotiates(context, Offer(version="TLSv1.3", suite="TLS_AES_256_GCM_SHA384"), role, POLICIES[interface])
    assert negotiates(context, Offer(), role, POLICIES[interface]) == is_allowed(POLICIES[interface], Offer())
    assert not negotiates(context, Offer(version="TLSv1.1", suite="ECDHE-ECDSA-AES128-SHA"), role, POLICIES[interface])


async def said_by_openssl(port, folder, *options):
    """Let openssl shake hands, and give what it says of it."""
    judge = await asyncio.create_subprocess_exec(
        str(OPENSSL), "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(folder / "anchors.pem"), "-brief",
        *options, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(60):
        said, _ = await judge.communicate()
    return said.decode(errors="replace")


@pytest.mark.skipif(OPENSSL is None, reason="needs the openssl command")
@pytest.mark.parametrize("interface", IN_TCP)
async def test_openssl_sees_the_same(interface, tmp_path):
    """What is refused, and what is agreed on, seen by s_client."""
    held = []

    async def greet(_reader, writer):
        held.append(writer)
        writer.write(b"come in")

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=listener_context(interface))
    port = server.sockets[0].getsockname()[1]
    authority().files(tmp_path, issued(PEER_ROLE[interface], "scanner"), has_crl=False)
    shown = ("-cert", str(tmp_path / "certificate.pem"), "-key", str(tmp_path / "key.pem"))
    agreed, weak = await asyncio.gather(
        said_by_openssl(port, tmp_path, *shown, "-groups", "X25519:P-256"),
        said_by_openssl(port, tmp_path, *shown, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0"),
    )
    assert "Protocol version: TLSv1.3" in agreed
    assert "Verification: OK" in agreed
    assert "ECDH, prime256v1" in agreed
    assert "Protocol version" not in weak
    for writer in held:
        writer.transport.abort()
    server.close()
    await server.wait_closed()


@pytest.mark.skipif(OPENSSL is None, reason="needs the openssl command")
async def test_openssl_is_heard_by_none_without_a_certificate(tmp_path):
    came = []

    async def greet(_reader, writer):
        came.append(writer)

    required = [each for each in IN_TCP if POLICIES[each].client_certificate is CertificateDemand.REQUIRED]
    servers = [
        await asyncio.start_server(greet, "127.0.0.1", 0, ssl=listener_context(interface)) for interface in required
    ]
    authority().files(tmp_path, issued("headend", "scanner"), has_crl=False)
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    await asyncio.gather(*(said_by_openssl(port, tmp_path) for port in ports))
    assert came == []
    for server in servers:
        server.close()


def test_a_client_of_ours_gives_way_to_no_old_server():
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().memory(issued("device", "4d57520000000002")).load_into(old)
    old.set_ciphers("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    ours = client_context(authority().memory(issued("headend", "headend-1")), Interface.METER)
    with pytest.raises(ssl.SSLError):
        connect(ours, old)
