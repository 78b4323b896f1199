"""Seeded defects of channels."""

import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.security.seeded import Defect, Plant, replaced

from meterworks.headend import channel
from meterworks.links import TlsDoor
from meterworks.trust.dtls import CookieJar, DtlsListener
from meterworks.trust.tls import POLICIES, Guard, Interface, TlsContext, TlsMemory, context, guard

__all__ = ["DEFECTS"]


NEW_GENERATION = context._new_generation
CHECK_PEER = guard.check_peer
REFRESH = TlsContext.refresh
GREET = DtlsListener._greet
NO_CHECK_TIME = 0x200000  # of OpenSSL's verification


def _row(**changes: Any) -> Plant:
    row = replace(POLICIES[Interface.METER], **changes)
    return lambda patch: patch.setitem(POLICIES, Interface.METER, row)  # type: ignore[arg-type]  # a dictionary below


def _renewed_by_age_only(self: TlsContext) -> bool:
    """Changed files are taken up when the tickets are old, and not before."""
    self._stamp = self.credential.stamp()
    return REFRESH(self)


def _generation(change: Callable[[ssl.SSLContext], None]) -> Plant:
    def make(face: TlsContext) -> Any:
        made = NEW_GENERATION(face)
        change(made)
        return made

    return replaced(context, "_new_generation", make)


def _ask_nobody(made: ssl.SSLContext) -> None:
    if made.verify_mode is ssl.CERT_REQUIRED and made.protocol is ssl.PROTOCOL_TLS_SERVER:
        made.verify_mode = ssl.CERT_OPTIONAL


def _ignore_time(made: ssl.SSLContext) -> None:
    made.verify_flags = ssl.VerifyFlags(int(made.verify_flags) | NO_CHECK_TIME)


def _any_role(peer: Any, roles: Any, identity: str | None = None) -> Any:
    return CHECK_PEER(peer, {*roles, peer.role}, identity)


def _any_identity(peer: Any, roles: Any, identity: str | None = None) -> Any:
    return CHECK_PEER(peer, roles)


def _loud(self: Any, *arguments: Any) -> Any:
    before = len(self._output)
    events = GREET(self, *arguments)
    self._output += self._output[before:] * 9
    return events


DEFECTS = (
    Defect("certificates are asked for, not demanded", "test_without_a_certificate_there_is_no_channel",
           _generation(_ask_nobody)),
    Defect("validity is not looked at", "test_a_certificate_that_does_not_hold_opens_nothing",
           _generation(_ignore_time)),
    Defect("lists in memory are not looked at", "test_a_revoked_certificate_opens_nothing",
           replaced(TlsMemory, "has_crl", property(lambda _self: False))),
    Defect("any role will do", "test_a_certificate_speaks_in_its_own_role_only",
           replaced(guard, "check_peer", _any_role)),
    Defect("any device will do", "test_a_device_answers_for_its_own_address_only",
           replaced(guard, "check_peer", _any_identity)),
    Defect("pushes come in any name", "test_a_device_pushes_in_its_own_name_only",
           replaced(channel.HeadendChannels, "check_sender", lambda *_: None)),
    Defect("live connections are left alone", "test_a_revoked_peer_loses_its_live_connection",
           replaced(Guard, "_read_lists", lambda _self: False)),
    Defect("connections have no end", "test_a_connection_does_not_outlive_its_time", _row(session_s_max=10**9)),
    Defect("changed files are not taken up", "test_no_session_is_resumed_past_a_new_list",
           replaced(TlsContext, "refresh", _renewed_by_age_only)),
    Defect("groups and suites are OpenSSL's own", "test_nothing_beside_the_policy_negotiates",
           replaced(context, "set_parameters", lambda *_, **__: True)),
    Defect("a suite with static keys is allowed", "test_every_suite_makes_its_keys_afresh",
           _row(suites_12=(*POLICIES[Interface.METER].suites_12, "AES128-GCM-SHA256"))),
    Defect("tickets do not age", "test_keys_of_tickets_do_not_get_old", _row(resumption_s_max=10**9)),
    Defect("handshakes pile up", "test_callers_who_stall_make_room_for_others",
           replaced(TlsDoor, "enter", lambda self, caller: self.pending.update({caller: None}))),
    Defect("any cookie is good", "test_an_address_that_has_not_answered_costs_nothing",
           replaced(CookieJar, "knows", lambda *_: True)),
    Defect("cookies are sent ten times", "test_no_stranger_is_answered_with_more_than_it_sent",
           replaced(DtlsListener, "_greet", _loud)),
)  # fmt: skip
