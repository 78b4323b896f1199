"""A run against a server on the network: from an address and a credential to a report."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from meterworks.assess.conformance.credential import Credential
from meterworks.assess.conformance.hdlc_wire import HdlcWire, LinkAddress
from meterworks.assess.conformance.row import Result
from meterworks.assess.conformance.session import Counters
from meterworks.assess.conformance.suite import Report, run_rows, selected_rows
from meterworks.assess.conformance.tester import Tester
from meterworks.assess.conformance.wire import Trace, Wire, WrapperWire, connect
from meterworks.errors import UsageError
from meterworks.links import MeterTarget, Transport
from meterworks.protocols.dlms import PUBLIC_CLIENT
from meterworks.protocols.dlms.hdlc import HdlcFraming

__all__ = ["SuiteSettings", "names_of", "run_suite"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteSettings:
    """What is tested, as whom, and how far.

    target: as `MeterTarget` reads it; over TCP, wrapper or HDLC. select: ids, groups or patterns; none for all.
    first_counter: our first invocation counter; a server that wants a higher one is heeded. timeout_s: wait for an
    answer. quiet_s: silence after which a frame counts as unanswered. writes: leave to change the meter.
    """

    target: str
    credential: Credential
    select: tuple[str, ...] = ()
    first_counter: int = 1
    timeout_s: float = 5.0
    quiet_s: float = 0.3
    writes: bool = False
    public_client: int | None = PUBLIC_CLIENT

    def public(self) -> Credential | None:
        """Give the client that needs no secret."""
        if self.public_client is None:
            return None
        return Credential(client_sap=self.public_client, server_sap=self.credential.server_sap)


def run_suite(settings: SuiteSettings, *, progress: Callable[[Result], None] | None = None) -> Report:
    """Run the tests and give the report. Raises UnreachableError, or UsageError for what cannot be run.

    progress: is told each result as it comes.
    """
    rows = selected_rows(settings.select)
    target = MeterTarget.from_text(settings.target)
    tester = Tester(
        _opener(target, settings.timeout_s),
        settings.credential,
        settings.public(),
        counters=Counters(settings.first_counter),
        timeout_s=settings.timeout_s,
        quiet_s=settings.quiet_s,
        writes=settings.writes,
        over_hdlc=isinstance(target.framing, HdlcFraming),
    )
    connect(target.host, target.port, settings.timeout_s).close()
    return run_rows(tester, rows, target=str(target), progress=progress)


def _opener(target: MeterTarget, timeout_s: float) -> Callable[[Trace, int, int], Wire]:
    if target.transport is not Transport.TCP:
        raise UsageError(f"{target}: the suite runs over TCP, with the wrapper (tcp://) or HDLC (hdlc+tcp://)")
    framing = target.framing

    def over_wrapper(trace: Trace, client_sap: int, server_sap: int) -> Wire:
        link = connect(target.host, target.port, timeout_s)
        return WrapperWire(link, trace, client_sap=client_sap, server_sap=server_sap, timeout_s=timeout_s)

    if not isinstance(framing, HdlcFraming):
        return over_wrapper
    place = LinkAddress(logical=1, physical=framing.settings.physical, size=framing.settings.address_size)

    def over_hdlc(trace: Trace, client_sap: int, server_sap: int) -> Wire:
        link = connect(target.host, target.port, timeout_s)
        server = replace(place, logical=server_sap)
        return HdlcWire(link, trace, client_sap=client_sap, server=server, timeout_s=timeout_s)

    return over_hdlc


def names_of(patterns: Sequence[str]) -> tuple[str, ...]:
    """Split patterns that were given with commas."""
    return tuple(name for pattern in patterns for name in pattern.replace(",", " ").split())
