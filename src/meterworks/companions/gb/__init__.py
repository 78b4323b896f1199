"""GB: service requests become protected messages, messages become results, and what was built is checked."""

from meterworks.companions.gb.duis import read_request, write_request
from meterworks.companions.gb.element import Element
from meterworks.companions.gb.key_folder import KeyFolder, KeyFolderError
from meterworks.companions.gb.request import CommandVariant, Request, RequestId
from meterworks.companions.gb.situation import Situation

__all__ = [
    "CommandVariant",
    "Element",
    "KeyFolder",
    "KeyFolderError",
    "Request",
    "RequestId",
    "Situation",
    "read_request",
    "write_request",
]
