"""From service requests to GBCS messages: tables choose the use case, name the sender and build the payload."""

from meterworks.companions.gb.transform.builder import PayloadBuilder
from meterworks.companions.gb.transform.evidence import with_evidence
from meterworks.companions.gb.transform.frame import Rulebook, choose, load_rulebook, signer_of, transform

__all__ = ["PayloadBuilder", "Rulebook", "choose", "load_rulebook", "signer_of", "transform", "with_evidence"]
