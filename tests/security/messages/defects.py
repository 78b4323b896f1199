"""Seeded defects of protected messages."""

import contextlib
from types import SimpleNamespace
from typing import Any

from tests.security.seeded import Defect, replaced

from meterworks.devices import access
from meterworks.devices.access import Audience, Client, Rights
from meterworks.errors import MeterworksError
from meterworks.headend import push
from meterworks.protocols.dlms import AssociationRequest, SecurityContext, client_association, server_association
from meterworks.protocols.dlms.security.context import split_ciphered
from meterworks.protocols.errors import CounterError

__all__ = ["DEFECTS"]


UNPROTECT = SecurityContext.unprotect
RECEIVE = client_association.ClientAssociation._receive
OPEN_INITIATE = client_association.ClientAssociation._open_initiate
CHECK_REQUEST = server_association.ServerAssociation._check_request
RECEIVE_PUSH = push.PushReceiver.receive
GET_RESPONSE = 0xC4


def _take_plain(self: Any, apdu: bytes) -> Any:
    """A plain answer is data, whatever was agreed."""
    kept = self._protection
    if apdu[0] == GET_RESPONSE:
        self._protection = 0
    try:
        return RECEIVE(self, apdu)
    finally:
        self._protection = kept


def _open_plain(self: Any, response: Any) -> Any:
    """A plain InitiateResponse opens a ciphered association."""
    kept = self._protection
    if (response.user_information or b"")[:1] == b"\x08":
        self._protection = 0
    try:
        return OPEN_INITIATE(self, response)
    finally:
        self._protection = kept


class _AnyCounter:
    def lowest(self) -> int:
        return 0

    def accept(self, _counter: int) -> bool:
        return True


def _with_any_counter(self: Any, apdu: bytes, least: int) -> Any:
    kept, self._counters = self._counters, (_AnyCounter(), _AnyCounter())
    try:
        return UNPROTECT(self, apdu, least)
    finally:
        self._counters = kept


def _lowest_is_good_again(self: Any, apdu: bytes, least: int) -> Any:
    """The last counter that was accepted is accepted once more, by a receiver that keeps it in memory."""
    counters = self._counters[0]
    counter = split_ciphered(apdu)[3 + 1]
    if type(counters).__name__ == "GrowingCounter" and counter == counters.lowest() - 1:
        return _with_any_counter(self, apdu, least)
    return UNPROTECT(self, apdu, least)


def _counter_first(self: Any, apdu: bytes, least: int) -> Any:
    """The counter is stored before anything is verified."""
    counters, counter = self._counters[0], split_ciphered(apdu)[4]
    if counter < counters.lowest() or not counters.accept(counter):
        raise CounterError("used already", lowest=counters.lowest())
    return _with_any_counter(self, apdu, least)


def _take_passwords(self: Any, request: AssociationRequest) -> Any:
    """Where a password comes, no proof of keys is asked for."""
    if request.mechanism == 1:
        facts = {name: getattr(request, name) for name in request.__slots__} | {"mechanism": 5}
        request = AssociationRequest(**facts)
    return CHECK_REQUEST(self, request)


def _in_any_name(self: Any, request: AssociationRequest, _settings: object) -> None:
    """Titles of callers are not looked at."""


async def _hold_unknown(self: Any, apdu: bytes, device: Any, peer: str) -> Any:
    """Who has no known name is kept waiting instead of being sent away."""
    if device is None:
        with contextlib.suppress(MeterworksError):  # it is noted all the same
            await RECEIVE_PUSH(self, apdu, device, peer)
        return SimpleNamespace(is_call=False)
    return await RECEIVE_PUSH(self, apdu, device, peer)


DEFECTS = (
    Defect("an unknown name is told apart", "test_an_unknown_name_is_refused_like_a_wrong_key",
           replaced(push.PushReceiver, "receive", _hold_unknown)),
    Defect("refusals name nobody", "test_the_refusal_names_to_us_whom_it_was_about",
           replaced(push.PushReceiver, "_refuse", lambda self, error, device, peer: None)),
    Defect("a client takes plain answers for data", "test_no_plaintext_twin_is_taken_for_a_reading",
           replaced(client_association.ClientAssociation, "_receive", _take_plain)),
    Defect("a plain initiate response opens", "test_no_association_opens_with_a_plaintext_twin",
           replaced(client_association.ClientAssociation, "_open_initiate", _open_plain)),
    Defect("protection is what the sender says", "test_what_is_protected_less_than_the_policy_asks_is_refused",
           replaced(SecurityContext, "unprotect", lambda self, apdu, _least: UNPROTECT(self, apdu, 0))),
    Defect("counters are not looked at", "test_no_command_is_carried_out_twice",
           replaced(SecurityContext, "unprotect", lambda self, apdu, least: (
               UNPROTECT if type(self._counters[0]).__name__ == "GrowingCounter" else _with_any_counter
           )(self, apdu, least))),
    Defect("an equal counter passes", "test_an_equal_counter_is_as_used_as_a_lower_one",
           replaced(SecurityContext, "unprotect", _lowest_is_good_again)),
    Defect("counters move before tags are checked", "test_a_forged_high_counter_does_not_silence_a_client",
           replaced(SecurityContext, "unprotect", _counter_first)),
    Defect("a password opens management", "test_management_opens_with_a_proof_of_keys_only",
           replaced(server_association.ServerAssociation, "_check_request", _take_passwords)),
    Defect("the public sees readings", "test_who_proves_nothing_sees_identity_and_time_only",
           lambda patch: patch.setitem(access._TABLE, (Client.PUBLIC, Audience.READERS), Rights.READ)),  # type: ignore[arg-type]  # a dictionary below
    Defect("a mirrored challenge is answered", "test_a_challenge_that_is_mirrored_is_not_answered",
           replaced(client_association, "hmac", SimpleNamespace(compare_digest=lambda _one, _other: False))),
    Defect("callers bear any title", "test_nobody_proves_itself_in_our_own_name",
           replaced(server_association.ServerAssociation, "_check_title", _in_any_name)),
)  # fmt: skip
