"""What each response and alert of a GB set becomes as data, and comes back from: octet by octet.

Source: GBCS 7.2 (responses and alerts); fact sheet gb/GBCS.md sections 7 to 10.
"""

import json
from typing import Final

from meterworks.assess.vectors.gb_set import GbMessage, GbSet, Step
from meterworks.assess.vectors.verdict import expect
from meterworks.companions.gb.result import read_result, result_from_json, result_to_json, write_result
from meterworks.protocols.gbcs import Message

__all__ = ["RESULT_STEPS"]

_COMMANDS: Final = ("PRECOMMAND", "COMMAND")


def _is_answer(_: GbSet, vector: GbMessage) -> bool:
    return vector.form not in _COMMANDS


def _result(whole: GbSet, vector: GbMessage) -> None:
    octets = vector.octets
    secret = None if whole.keys is None else whole.keys.secret
    command = whole.by_stem.get((vector.stem, "COMMAND"))
    result = read_result(octets, command=None if command is None else Message.from_bytes(command.octets), secret=secret)
    expect("the message, from its result", write_result(result, secret=secret), octets)
    told = json.loads(json.dumps(result_to_json(result)))
    expect("the message, from the JSON of its result", write_result(result_from_json(told), secret=secret), octets)


RESULT_STEPS: Final = (Step("response→result", _result, _is_answer),)
