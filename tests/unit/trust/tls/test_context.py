"""Contexts follow the policy table and their files, and resume sessions."""

import ssl

import pytest
from tests.tls_authority import SmallAuthority, authority, issued, write
from tests.unit.trust.tls.handshake import connect, end_of, shake

from meterworks.trust.pki import PeerRole
from meterworks.trust.tls import (
    Interface,
    PeerRefused,
    TlsFiles,
    TlsFilesError,
    client_context,
    require_peer,
    server_context,
    session_name,
)

TITLE = "4d57520000000002"


def meter_context(**options):
    return server_context(authority().memory(issued("device", TITLE)), Interface.METER, **options)


def headend_context(**options):
    return client_context(authority().memory(issued("headend", "headend-1")), Interface.METER, **options)


def test_both_ends_know_who_the_other_is():
    client, server = connect(headend_context(), meter_context())
    assert require_peer(client.wrapped, {PeerRole.DEVICE}, TITLE).identity == TITLE
    assert require_peer(server.wrapped, {PeerRole.HEADEND}).role is PeerRole.HEADEND
    assert client.wrapped.version() == "TLSv1.3"


def test_the_second_connection_resumes_and_still_knows_the_peer():
    client_side, server_side = headend_context(), meter_context()
    first, _ = connect(client_side, server_side)
    again, accepted = connect(client_side, server_side)
    assert (first.wrapped.session_reused, again.wrapped.session_reused) == (False, True)
    assert accepted.wrapped.session_reused
    assert require_peer(accepted.wrapped, {PeerRole.HEADEND}).identity == "headend-1"
    assert require_peer(again.wrapped, {PeerRole.DEVICE}, TITLE)


def test_a_session_with_one_server_is_not_offered_to_another():
    client_side, server_side = headend_context(), meter_context()
    connect(client_side, server_side, session_name("127.0.0.1", 1))
    again, _ = connect(client_side, server_side, session_name("127.0.0.1", 2))
    assert not again.wrapped.session_reused


def test_forgotten_sessions_are_not_resumed():
    client_side, server_side = headend_context(), meter_context()
    connect(client_side, server_side)
    client_side.forget_sessions()
    assert not connect(client_side, server_side)[0].wrapped.session_reused


def test_tickets_end_with_their_generation():
    moment = [0.0]
    client_side, server_side = headend_context(), meter_context(now=lambda: moment[0])
    connect(client_side, server_side)
    moment[0] = server_side.policy.resumption_s_max + 1
    again, _ = connect(client_side, server_side)
    assert not again.wrapped.session_reused
    assert server_side.generations == 2


def test_a_new_list_ends_resumption_and_refuses_the_revoked(tmp_path):
    own = SmallAuthority()
    headend, meter = own.issue("headend", "headend-1"), own.issue("device", TITLE)
    files = own.files(tmp_path, meter)
    client_side = client_context(own.memory(headend), Interface.METER)
    server_side = server_context(files, Interface.METER)
    connect(client_side, server_side)
    own.revoke(headend)
    write(tmp_path / "crl.pem", own.crl_pem())
    with pytest.raises(ssl.SSLError, match="revoked"):
        connect(client_side, server_side)


def test_a_renewed_certificate_is_taken_up(tmp_path):
    files = authority().files(tmp_path, issued("device", TITLE), has_crl=False)
    client_side, server_side = headend_context(), server_context(files, Interface.METER)
    connect(client_side, server_side)
    fresh = authority().issue("device", "4d57520000000003")
    write(tmp_path / "key.pem", fresh.key_pem)
    write(tmp_path / "certificate.pem", fresh.certificate_pem)
    client, _ = connect(client_side, server_side)
    assert require_peer(client.wrapped, {PeerRole.DEVICE}).identity == "4d57520000000003"


def test_files_in_the_middle_of_a_change_leave_the_old_generation(tmp_path):
    files = authority().files(tmp_path, issued("device", TITLE), has_crl=False)
    client_side, server_side = headend_context(), server_context(files, Interface.METER)
    write(tmp_path / "key.pem", authority().issue("device", TITLE).key_pem)  # belongs to another certificate
    client, _ = connect(client_side, server_side)
    assert require_peer(client.wrapped, {PeerRole.DEVICE}, TITLE)
    assert server_side.generations == 1


def test_without_a_list_for_its_issuer_a_peer_is_refused(tmp_path):
    files = authority().files(tmp_path, issued("device", TITLE))
    write(tmp_path / "crl.pem", SmallAuthority("another").crl_pem())
    with pytest.raises(ssl.SSLError, match="CRL"):
        connect(headend_context(), server_context(files, Interface.METER))


def test_files_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(TlsFilesError, match=r"missing\.pem"):
        server_context(TlsFiles(tmp_path / "missing.pem", None, tmp_path / "a.pem"), Interface.METER)


def test_a_peer_of_another_role_or_identity_is_refused():
    client, server = connect(headend_context(), meter_context())
    with pytest.raises(PeerRefused, match="role device, and hub is wanted"):
        require_peer(client.wrapped, {PeerRole.HUB})
    with pytest.raises(PeerRefused, match="4d57520000000009 is wanted"):
        require_peer(client.wrapped, {PeerRole.DEVICE}, "4d57520000000009")
    with pytest.raises(PeerRefused) as refused:
        require_peer(server.wrapped, {PeerRole.WEB})
    assert refused.value.facts["identity"] == "headend-1"


def test_a_client_of_the_web_shows_no_certificate():
    server_side = server_context(authority().memory(issued("web", "web")), Interface.WEB)
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    plain.check_hostname = False
    plain.load_verify_locations(cadata=authority().anchors_pem.decode())
    client, server = end_of(plain, server_side=False), end_of(server_side, server_side=True)
    shake(client, server)
    with pytest.raises(PeerRefused, match="no certificate"):
        require_peer(server.wrapped, {PeerRole.ORGANISATION})


def test_a_key_log_is_written_only_where_asked_for(tmp_path):
    path = tmp_path / "secrets.txt"
    connect(headend_context(), meter_context())
    assert not path.exists()
    connect(headend_context(key_log=path), meter_context())
    assert "CLIENT_TRAFFIC_SECRET_0" in path.read_text()
