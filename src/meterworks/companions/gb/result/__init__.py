"""The way back: what GB devices answer and tell, as data and as JSON, and the data as the very messages again."""

from meterworks.companions.gb.result.annotation import annotate, is_gb_message, message_to_json
from meterworks.companions.gb.result.json_form import alert_name, result_from_json, result_to_json
from meterworks.companions.gb.result.message import read_result, result_of, write_result
from meterworks.companions.gb.result.outcome import Instruction, InstructionState, follow_instructions
from meterworks.companions.gb.result.quantity import Quantity, quantities_of
from meterworks.companions.gb.result.result import (
    AlertHead,
    GasFrame,
    Item,
    PayloadFrame,
    PayloadKind,
    Result,
    Sealed,
    SecretOf,
)

__all__ = [
    "AlertHead",
    "GasFrame",
    "Instruction",
    "InstructionState",
    "Item",
    "PayloadFrame",
    "PayloadKind",
    "Quantity",
    "Result",
    "Sealed",
    "SecretOf",
    "alert_name",
    "annotate",
    "follow_instructions",
    "is_gb_message",
    "message_to_json",
    "quantities_of",
    "read_result",
    "result_from_json",
    "result_of",
    "result_to_json",
    "write_result",
]
