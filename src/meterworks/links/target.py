"""Where a meter is and what it speaks there, as one text or one value.

    tcp://host:4059   host:4059   udp://host:4059      the wrapper; the port may be left out
    tls://host:4059   dtls://host:4059                 the same over TLS 1.2 or 1.3, and over DTLS 1.2
    hdlc+tls://host:port                               HDLC over TLS
    hdlc+tcp://host:port?physical=17&address_size=4    HDLC over TCP, as serial servers have it
    serial:///dev/ttyUSB0?baud=9600&mode_e=1           HDLC on a serial line, here behind an optical port's sign-on

Settings behind the question mark, for all: client, server (logical addresses; by default those of the association),
network_id and meter (hexadecimal) for a meter behind a gateway. For HDLC: physical, address_size, information (octets),
window, timeout_s, retries. For serial lines: baud, data_bits, parity (E or N), mode_e, address (of the sign-on).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, TypeAlias, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from meterworks.errors import UsageError
from meterworks.links.errors import BadTarget
from meterworks.protocols.dlms import (
    PDU_SIZE_MAX,
    WRAPPER,
    ClientFraming,
    ClientSettings,
    GatewayFraming,
    GatewayPrefix,
    LineFormat,
)
from meterworks.protocols.dlms.hdlc import HdlcFraming, HdlcSettings
from meterworks.protocols.dlms.mode_e import SIGN_ON_LINE, ModeEFraming

__all__ = ["DEFAULT_LINE", "DLMS_PORT", "MeterTarget", "Transport"]

DLMS_PORT: Final = 4059
DATAGRAM_APDU_SIZE_MAX: Final = 65_507 - 8  # what one datagram of IPv4 holds
DEFAULT_LINE: Final = LineFormat(9600)


class Transport(Enum):
    """What carries the octets."""

    TCP = "tcp"
    UDP = "udp"
    SERIAL = "serial"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterTarget:
    """Where a meter is and what it speaks there.

    host and port: of TCP and UDP. device and line: of a serial port, its path and how it is set at first. client_sap,
    server_sap: logical addresses to use in place of those of the settings. text: the address as it was read.
    is_secured: TCP with TLS, UDP with DTLS.
    """

    transport: Transport = Transport.TCP
    is_secured: bool = False
    host: str = ""
    port: int = DLMS_PORT
    framing: ClientFraming = WRAPPER
    device: str = ""
    line: LineFormat = DEFAULT_LINE
    client_sap: int | None = None
    server_sap: int | None = None
    text: str = ""

    @classmethod
    def from_text(cls, text: str) -> "MeterTarget":
        """Read an address. Raises BadTarget."""
        try:
            return cls._read(text)
        except (ValueError, UsageError) as error:
            raise BadTarget(f"{text!r} is no address of a meter: {error}", text=text) from error

    @classmethod
    def _read(cls, text: str) -> "MeterTarget":
        parts = urlsplit(text if "://" in text else f"tcp://{text}")
        scheme = parts.scheme
        if scheme not in _SCHEMES:
            raise ValueError(f"{scheme} is not one of {', '.join(_SCHEMES)}")
        if not (parts.path.strip("/") if scheme == "serial" else parts.hostname):
            raise ValueError(f"it names no {'device' if scheme == 'serial' else 'host'}")
        facts = _facts(scheme, parts.query)
        kind = scheme.removeprefix("hdlc+")
        return cls(
            transport=Transport(_PLAIN.get(kind, kind)),
            is_secured=kind in _PLAIN,
            host=parts.hostname or "",
            port=DLMS_PORT if parts.port is None else parts.port,
            framing=_framing(scheme, facts),
            device=unquote(parts.path) if scheme == "serial" else "",
            line=_line(facts),
            client_sap=_optional(facts, "client"),
            server_sap=_optional(facts, "server"),
            text=text,
        )

    def settings_for(self, settings: ClientSettings) -> ClientSettings:
        """Give the settings of an association with the addresses that this target names and answers that it can carry.

        A meter may fill APDUs up to 65,535 octets, which neither a datagram nor a gateway's prefix leaves room for.
        """
        is_named = self.client_sap is not None or self.server_sap is not None
        if not is_named and 0 < settings.max_pdu <= self._apdu_size_max:
            return settings
        return replace(
            settings,
            client_sap=settings.client_sap if self.client_sap is None else self.client_sap,
            server_sap=settings.server_sap if self.server_sap is None else self.server_sap,
            max_pdu=min(settings.max_pdu or PDU_SIZE_MAX, self._apdu_size_max),
        )

    @property
    def _apdu_size_max(self) -> int:
        prefix = 0
        if isinstance(self.framing, GatewayFraming):
            prefix = len(GatewayPrefix(self.framing.network_id, self.framing.physical_address).to_bytes(0))
        return (DATAGRAM_APDU_SIZE_MAX if self.transport is Transport.UDP else PDU_SIZE_MAX) - prefix

    def __str__(self) -> str:
        """Give the address, for people."""
        if self.text:
            return self.text
        if self.transport is Transport.SERIAL:
            return f"serial://{self.device}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = _SECURED[self.transport] if self.is_secured else self.transport.value
        return f"{scheme}://{host}:{self.port}"


_Fact: TypeAlias = int | float | str | bytes | bool
_Facts: TypeAlias = dict[str, _Fact]
_Rows: TypeAlias = Mapping[str, Callable[[str], _Fact]]


def _octets(value: str) -> bytes:
    return bytes.fromhex(value)


def _truth(value: str) -> bool:
    if value not in ("0", "1"):
        raise ValueError(f"{value!r} is neither 0 nor 1")
    return value == "1"


_COMMON: Final[_Rows] = {
    "client": int,
    "server": int,
    "network_id": int,
    "meter": _octets,
}
_HDLC: Final[_Rows] = {
    "physical": int,
    "address_size": int,
    "information": int,
    "window": int,
    "timeout_s": float,
    "retries": int,
}
_SERIAL: Final[_Rows] = {"baud": int, "data_bits": int, "parity": str, "mode_e": _truth, "address": str}
_SCHEMES: Final[Mapping[str, _Rows]] = {
    "tcp": _COMMON,
    "udp": _COMMON,
    "tls": _COMMON,
    "dtls": _COMMON,
    "hdlc+tcp": {**_COMMON, **_HDLC, "mode_e": _truth, "address": str},
    "hdlc+tls": {**_COMMON, **_HDLC, "mode_e": _truth, "address": str},
    "serial": {**_COMMON, **_HDLC, **_SERIAL},
}

_PLAIN: Final[Mapping[str, str]] = {"tls": "tcp", "dtls": "udp"}
_SECURED: Final[Mapping[Transport, str]] = {Transport.TCP: "tls", Transport.UDP: "dtls"}


def _facts(scheme: str, query: str) -> _Facts:
    """Give the settings behind the question mark."""
    rows = _SCHEMES[scheme]
    facts: _Facts = {}
    for name, value in parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)):
        if name not in rows:
            raise ValueError(f"{name} is not a setting of {scheme}; {', '.join(rows)} are")
        facts[name] = rows[name](value)
    return facts


def _optional(facts: _Facts, name: str) -> int | None:
    return cast("int | None", facts.get(name))


def _framing(scheme: str, facts: _Facts) -> ClientFraming:
    """Give the layers between octets and APDUs, from the line upwards."""
    framing: ClientFraming = WRAPPER
    if scheme in ("hdlc+tcp", "hdlc+tls", "serial"):
        framing = HdlcFraming(_hdlc_settings(facts))
    if facts.get("mode_e"):
        framing = ModeEFraming(inner=framing, address=str(facts.get("address", "")))
    if "network_id" in facts or "meter" in facts:
        prefix = GatewayPrefix(_optional(facts, "network_id") or 0, cast(bytes, facts.get("meter", b"")))
        framing = GatewayFraming(framing, prefix.network_id, prefix.physical_address)
    return framing


def _hdlc_settings(facts: _Facts) -> HdlcSettings:
    settings = HdlcSettings(physical=_optional(facts, "physical"), address_size=_optional(facts, "address_size"))
    parameters = settings.parameters
    size, window = _optional(facts, "information"), _optional(facts, "window")
    if size is not None:
        parameters = replace(parameters, information_transmit_max=size, information_receive_max=size)
    if window is not None:
        parameters = replace(parameters, window_transmit=window, window_receive=window)
    settings = replace(settings, parameters=parameters)
    if "timeout_s" in facts:
        settings = replace(settings, response_timeout_s=cast(float, facts["timeout_s"]))
    if "retries" in facts:
        settings = replace(settings, retries_max=cast(int, facts["retries"]))
    return settings


def _line(facts: _Facts) -> LineFormat:
    """Give how the line is set at first."""
    if facts.get("mode_e"):
        return SIGN_ON_LINE
    bits, parity = facts.get("data_bits", 8), facts.get("parity", "N")
    if bits not in (7, 8) or parity not in ("E", "N"):
        raise ValueError(f"{bits!r} data bits and parity {parity!r}; 7 or 8, E or N are")
    return LineFormat(
        _optional(facts, "baud") or DEFAULT_LINE.baud,
        7 if bits == 7 else 8,
        "E" if parity == "E" else "N",
    )
