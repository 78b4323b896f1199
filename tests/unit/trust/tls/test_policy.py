"""The table of interfaces makes sense as a whole."""

import ssl

import pytest
from tests.tls_authority import authority, issued

from meterworks.trust.pki import PeerRole
from meterworks.trust.tls import (
    POLICIES,
    CertificateDemand,
    Interface,
    client_context,
    openssl,
    server_context,
)


def test_each_interface_has_a_row():
    assert set(POLICIES) == set(Interface)


@pytest.mark.parametrize("interface", Interface)
def test_a_row_allows_nothing_old(interface):
    policy = POLICIES[interface]
    assert set(policy.versions) <= {"TLSv1.2", "TLSv1.3", "DTLSv1.2"}
    assert all(name.startswith("ECDHE-ECDSA-AES") and name.endswith(("GCM-SHA256", "GCM-SHA384", "CCM"))
               for name in policy.suites_12)  # fmt: skip
    assert all("SHA1" not in name for name in policy.signature_algorithms)
    assert policy.session_s_max + policy.resumption_s_max <= 48 * 3600
    assert policy.server_roles.isdisjoint(policy.client_roles) or interface is not Interface.METER
    assert bool(policy.client_roles) == (policy.client_certificate is not CertificateDemand.NONE)


def test_no_hub_speaks_as_a_head_end():
    assert PeerRole.HUB not in POLICIES[Interface.METER].client_roles
    assert POLICIES[Interface.PUSH].server_roles == {PeerRole.HEADEND}


def test_a_context_offers_the_suites_of_its_row_and_no_other():
    context = server_context(authority().memory(issued("device", "4d57520000000002")), Interface.METER)
    policy = POLICIES[Interface.METER]
    assert {each["name"] for each in context.current.get_ciphers()} == {*policy.suites_12, *policy.suites_13}
    assert context.current.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.current.options & ssl.OP_NO_RENEGOTIATION
    assert openssl.can_set_all()


def test_where_openssl_cannot_be_reached_a_context_is_narrowed(monkeypatch):
    monkeypatch.setattr(openssl, "_library", lambda: None)
    context = client_context(authority().memory(issued("headend", "headend-1")), Interface.METER)
    assert context.current.maximum_version is ssl.TLSVersion.TLSv1_2
    assert not openssl.can_set_all()


def test_a_pointer_that_is_none_of_ours_is_not_used(monkeypatch):
    class Elsewhere:
        def SSL_CTX_get_options(self, _address):  # the name is OpenSSL's
            return 1

    monkeypatch.setattr(openssl, "_library", Elsewhere)
    assert not openssl.can_set_all()
