"""The arbitrator (class 68): several actors want actions, the weightiest wish of those who may is carried out.

Each actor has permissions (which actions it may ask for) and weights. An actor's newest wish stands until it makes
another. For each action the weights of all who want it and may are added up; the heaviest one runs its script. With no
weight at all nothing runs.  Source: COSEM interface classes, Arbitrator (class 68).
"""

from collections.abc import Sequence
from typing import Final

from meterworks.devices.access import Audience
from meterworks.devices.model import Entry, Place, deed, derived, entry, kept
from meterworks.devices.script import run_script
from meterworks.devices.view import MeterView
from meterworks.protocols.dlms import (
    ActionResult,
    BitString,
    ObisCode,
    PlainValue,
    decode_all,
    encode_array,
    encode_bit_string,
    encode_long_unsigned,
    encode_octet_string,
    encode_structure,
    encode_unsigned,
)
from meterworks.protocols.dlms.cosem import CLASSES

__all__ = ["arbitrator"]

ACTIONS, PERMISSIONS, WEIGHTINGS = 2, 3, 4
REQUESTS_KEY: Final = 0x100  # beside the attributes: the newest wish of each actor, one octet of action bits each
OUTCOME_KEY: Final = 0x101
ACTORS_MAX: Final = 8
ACTIONS_MAX: Final = 8  # bits of one octet


def arbitrator(obis_code: str, scripts: Sequence[tuple[str, int]], actors: int) -> Entry:
    """Give the row of a model: scripts (table, selector) as actions, which all actors may ask for with weight 1."""
    everything = bytes((0xFF << (ACTIONS_MAX - len(scripts)) & 0xFF,))
    return entry(
        obis_code, CLASSES[68, 0], Audience.MANAGERS,
        actions=kept(
            encode_array(
                encode_structure(encode_octet_string(ObisCode(table)), encode_long_unsigned(selector))
                for table, selector in scripts
            )
        ),
        permissions_table=kept(
            encode_array(encode_bit_string(BitString(len(scripts), everything)) for _ in range(actors))
        ),
        weightings_table=kept(
            encode_array(encode_array(encode_long_unsigned(1) for _ in scripts) for _ in range(actors))
        ),
        most_recent_requests_table=derived(_requests), last_outcome=derived(_outcome), request_action=deed(_request),
        reset=deed(_reset),
    )  # fmt: skip


def _value(view: MeterView, place: Place, number: int) -> PlainValue:
    encoded = view.objects[place.obis_code].attributes[number - 1].value(view)
    return [] if encoded is None else decode_all(encoded)


def _wishes(view: MeterView, place: Place) -> bytes:
    actors = min(len(_value(view, place, PERMISSIONS)), ACTORS_MAX)
    return (view.written((place.obis_code, REQUESTS_KEY)) or b"").ljust(actors, b"\0")[:actors]


def _requests(view: MeterView, place: Place, client_sap: int) -> bytes:
    del client_sap
    count = min(len(_value(view, place, ACTIONS)), ACTIONS_MAX)
    return encode_array(encode_bit_string(BitString(count, bytes((wish,)))) for wish in _wishes(view, place))


def _outcome(view: MeterView, place: Place, client_sap: int) -> bytes:
    """Number of the action carried out last, from 1; 0 for none."""
    del client_sap
    return encode_unsigned((view.written((place.obis_code, OUTCOME_KEY)) or b"\0")[0])


def _request(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    match parameter:
        case (int(actor), BitString() as wanted):
            pass
        case _:
            return ActionResult.TYPE_UNMATCHED
    wishes = bytearray(_wishes(view, place))
    if not 0 <= actor < len(wishes):
        return ActionResult.OTHER_REASON
    wishes[actor] = wanted.octets[0] if wanted.octets else 0
    view.write((place.obis_code, REQUESTS_KEY), bytes(wishes))
    chosen = _heaviest(view, place, wishes)
    view.write((place.obis_code, OUTCOME_KEY), bytes((0 if chosen is None else chosen + 1,)))
    if chosen is None:
        return ActionResult.SUCCESS
    table, selector = _value(view, place, ACTIONS)[chosen]
    return run_script(view, table, selector)


def _heaviest(view: MeterView, place: Place, wishes: bytes | bytearray) -> int | None:
    """Give the number of the action with most weight behind it, the first of several alike; None for no weight."""
    permissions, weightings = _value(view, place, PERMISSIONS), _value(view, place, WEIGHTINGS)
    weights = []
    for action in range(min(len(_value(view, place, ACTIONS)), ACTIONS_MAX)):
        bit = 0x80 >> action
        weights.append(
            sum(
                row[action]
                for wish, permission, row in zip(wishes, permissions, weightings, strict=False)
                if wish & bit and permission.octets and permission.octets[0] & bit and action < len(row)
            )
        )
    heaviest = max(weights, default=0)
    return weights.index(heaviest) if heaviest else None


def _reset(view: MeterView, place: Place, parameter: PlainValue) -> ActionResult:
    """Forget all wishes and the outcome."""
    del parameter
    for key in (REQUESTS_KEY, OUTCOME_KEY):
        view.state.overlay.remove(view.index, (place.obis_code, key))
    return ActionResult.SUCCESS
