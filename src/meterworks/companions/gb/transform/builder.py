"""Builders of payloads, one a way of writing them, behind one small protocol."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from meterworks.catalogue.gb import PayloadKind, UseCaseChoice
from meterworks.companions.gb.request import Request
from meterworks.companions.gb.situation import Situation
from meterworks.companions.gb.transform.asn1 import Asn1Builder
from meterworks.companions.gb.transform.dlms import DlmsBuilder
from meterworks.companions.gb.transform.gbz import GbzBuilder

__all__ = ["PayloadBuilder", "load_builders"]


class PayloadBuilder(Protocol):
    """What builds the payloads of one kind. A module with this function is one."""

    def payload_of(self, use_case: UseCaseChoice, request: Request, situation: Situation) -> bytes:
        """The payload of a request's command. Raises TransformError naming path, value and what is expected."""


def load_builders(additions: Sequence[Path] = ()) -> Mapping[PayloadKind, PayloadBuilder]:
    """The builders by kind. additions: folders of makers with rows of their own. Raises CatalogueError."""
    return MappingProxyType(
        {
            PayloadKind.DLMS: DlmsBuilder.load(additions),
            PayloadKind.GBZ: GbzBuilder.load(additions),
            PayloadKind.ASN1: Asn1Builder(),
        }
    )
