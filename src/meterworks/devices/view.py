"""One meter as its objects see it: who it is, its load, its row of the fleet's state, its own clock."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from meterworks.devices.client_login import ClientLogin
from meterworks.devices.errors import ModelError
from meterworks.devices.load import Instant, MeterLoad, Registers
from meterworks.devices.overlay import OverlayKey
from meterworks.devices.state import FleetState
from meterworks.devices.supply_gap import NO_GAPS, SupplyGaps, SwitchedLoad, without_current
from meterworks.devices.zone import ZoneTable, zone_table
from meterworks.protocols.dlms import SUITES, ActionResult, DataAccessResult, PlainValue, SecuritySuite
from meterworks.protocols.dlms.cosem import InterfaceClass

__all__ = [
    "CLOCK_ADJUSTED_NEW", "CLOCK_ADJUSTED_OLD", "LOG_POWER_QUALITY", "LOG_STANDARD", "LOG_TAMPER", "ConnectionMode",
    "MeterSpecification", "MeterView", "ServedAttribute", "ServedObject",
]  # fmt: skip

ConnectionMode = Literal["head-end", "device"]

LOG_STANDARD: Final = 0  # E of 0-0:99.98.E
LOG_TAMPER: Final = 1
LOG_POWER_QUALITY: Final = 4
CLOCK_ADJUSTED_OLD: Final = 4  # event codes of the standard log
CLOCK_ADJUSTED_NEW: Final = 5
CLOCK_EVENT_S: Final = 1.0  # a smaller shift is adjusting, not setting: it is not recorded
TAMPER_QUIET_S: Final = 60  # the same attack within this time is one event: no stranger can flush the log
ALARM_INSTANCE: Final = 1  # push set-up 0-0:25.9.1
GAPS_KEY: Final = (bytes((0, 0, 96, 3, 10, 255)), 0x100)  # beside the disconnect control's attributes
TITLE_SIZE: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSpecification:
    """Who a meter is and how it is reached. Keys have the size that the meter's security suite asks for."""

    system_title: bytes  # 8 octets: maker, then what is unique to it
    serial: str
    guek: bytes  # global unicast encryption key
    gak: bytes  # global authentication key
    address: str = "127.0.0.1:4059"  # host:port it answers on
    connection: ConnectionMode = "head-end"  # who opens the connection
    time_zone: str = "Europe/London"
    clock_drift_ppm: float = 0.0
    suite: SecuritySuite = SecuritySuite.SUITE_0
    kek: bytes | None = None  # master key, under which new keys are wrapped; None: the meter takes none
    gbek: bytes | None = None  # global broadcast encryption key
    metrology_firmware: str = "MWM-1.0.0"
    management_firmware: str = "MWC-1.0.0"
    style: str = "meterworks"  # which device model it is of, see `STYLES`
    short_names: bool = False  # whether it is addressed by short names
    logins: tuple[ClientLogin, ...] = ()  # clients that prove themselves in another way than by the keys

    def __post_init__(self) -> None:
        """Refuse sizes that no meter has."""
        if len(self.system_title) != TITLE_SIZE or not self.system_title.strip(b"\0"):
            raise ModelError(f"meter {self.serial}: a system title has {TITLE_SIZE} octets, not all zero")
        size = SUITES[self.suite].key_size
        if any(key is not None and len(key) != size for key in (self.guek, self.gak, self.kek, self.gbek)):
            raise ModelError(f"meter {self.serial}: keys of suite {int(self.suite)} have {size} octets")

    def __repr__(self) -> str:
        """Name the meter, never its keys."""
        return f"MeterSpecification({self.serial!r}, {self.system_title.hex()!r}, {self.address!r})"


class ServedObject(Protocol):
    """An object of the meter as its other objects see it."""

    @property
    def interface_class(self) -> InterfaceClass:
        """Its class."""

    @property
    def methods(self) -> Mapping[int, Callable[["MeterView", PlainValue], ActionResult | tuple[ActionResult, bytes]]]:
        """What it can do, by number."""

    @property
    def attributes(self) -> Sequence["ServedAttribute"]:
        """Its attributes, from 1."""


class ServedAttribute(Protocol):
    """An attribute of the meter as its other objects see it."""

    @property
    def writable(self) -> bool:
        """Whether it can be written."""

    def value(self, view: "MeterView", client_sap: int = 0) -> bytes | None:
        """Give the encoded value, or None where there is none."""

    def write(self, view: "MeterView", value: bytes) -> DataAccessResult:
        """Write encoded octets."""


class MeterView:
    """What the objects of one meter read and change. Cheap: everything large is shared or computed."""

    __slots__ = (
        "_as_of_s",
        "_epoch_s",
        "_instant",
        "_registers",
        "caught_up_s",
        "forget_push",
        "gaps",
        "index",
        "load",
        "looked_s",
        "object_lists",
        "objects",
        "push",
        "script_depth",
        "specification",
        "state",
        "unswitched_load",
        "users",
        "zone",
    )

    def __init__(
        self, index: int, specification: MeterSpecification, load: MeterLoad, state: FleetState, *,
        epoch_s: Callable[[], float], object_lists: Mapping[int, bytes], push: Callable[[int, int], None] | None = None,
    ) -> None:  # fmt: skip
        """index: the meter's row in `state`. epoch_s: the system's time. object_lists: of its model, by client SAP.

        push: asks for a push at once (meter's index, instance of the push setup); None where there is no head-end.
        """
        self.index = index
        self.specification = specification
        self.load = load  # as registered, behind the meter's own switch
        self.unswitched_load = load  # what would flow with the switch closed
        self.gaps = NO_GAPS  # when the switch was open
        self.looked_s: int | None = None  # until when all that is due has happened, see `watch`
        self.caught_up_s: int | None = None  # the second of the last look
        self.state = state
        self.object_lists = object_lists
        self.objects: Mapping[bytes, ServedObject] = {}  # of its model, once it is a meter
        self.push = push
        self.forget_push: Callable[[int, int], None] | None = None  # drops what `push` was asked for
        self.zone: ZoneTable = zone_table(specification.time_zone)
        self._epoch_s = epoch_s
        self._as_of_s: float | None = None
        self.users: dict[int, int] = {}  # client user who opened the association last, by client SAP
        self.script_depth = 0  # how many scripts are running one out of the other
        self._registers: tuple[int, Registers] | None = None  # of the second it names
        self._instant: tuple[int, Instant] | None = None
        self._recall_gaps()

    # -- what clients wrote -------------------------------------------------------------------------------------------

    def written(self, key: OverlayKey) -> bytes | None:
        """Give the encoded value that a client wrote to (object, attribute) of this meter, or None: the model's."""
        return self.state.overlay.get(self.index, key)

    def write(self, key: OverlayKey, value: bytes) -> None:
        """Keep an encoded value under (object, attribute), across restarts. Raises FleetStateError: no room."""
        self.state.overlay.set(self.index, key, value)

    # -- clock --------------------------------------------------------------------------------------------------------

    def system_epoch_s(self) -> float:
        """Give the system's time, which the meter itself does not know."""
        return self._epoch_s()

    def start_clock(self) -> None:
        """Let a meter's clock run for the first time: exact now, drifting from now on. Later calls do nothing."""
        row = self.state.rows[self.index]
        if not row["clock_set_epoch_s"]:
            row["clock_set_epoch_s"] = self._epoch_s()
            row["clock_drift_ppm"] = self.specification.clock_drift_ppm

    def clock_error_s(self) -> float:
        """Give the meter's clock minus the system's: the offset at the last set, plus drift since."""
        row = self.state.rows[self.index]
        since_s = self._epoch_s() - float(row["clock_set_epoch_s"])
        return float(row["clock_offset_s"]) + since_s * float(row["clock_drift_ppm"]) * 1e-6

    def now_epoch_s(self) -> float:
        """Give the time the meter believes it is."""
        return self._epoch_s() + self.clock_error_s() if self._as_of_s is None else self._as_of_s

    @contextmanager
    def as_of(self, epoch_s: float) -> Iterator[None]:
        """Let the meter be at another instant for a while: what its objects say then is what they said at that time."""
        before, self._as_of_s = self._as_of_s, epoch_s
        try:
            yield
        finally:
            self._as_of_s = before

    def set_clock(self, epoch_s: float) -> None:
        """Set the meter's clock and record old and new time when they differ by a second or more."""
        old_s = self.now_epoch_s()
        system_s = self._epoch_s()
        row = self.state.rows[self.index]
        row["clock_offset_s"] = epoch_s - system_s
        row["clock_set_epoch_s"] = system_s
        if self.gaps.is_open:
            self._keep_gaps(self.gaps.clock_set(int(old_s), int(epoch_s)))
        if abs(epoch_s - old_s) >= CLOCK_EVENT_S:
            self.state.record_event(self.index, int(old_s), LOG_STANDARD, CLOCK_ADJUSTED_OLD)
            self.state.record_event(self.index, int(epoch_s), LOG_STANDARD, CLOCK_ADJUSTED_NEW)

    # -- metering -----------------------------------------------------------------------------------------------------

    def registers(self) -> Registers:
        """Give the cumulative registers now; asked again within the same second, the same object."""
        now_s = int(self.now_epoch_s())
        if self._registers is None or self._registers[0] != now_s:
            self._registers = (now_s, self.load.registers_at(self.history_end(now_s)))
        return self._registers[1]

    def instant(self) -> Instant:
        """Give voltages, currents and powers now; with the supply switched off there is voltage but no current.

        Asked again within the same second, the same object: values read together belong together.
        """
        now_s = int(self.now_epoch_s())
        if self._instant is None or self._instant[0] != now_s:
            self._instant = (now_s, self.load.instant(now_s))
        instant = self._instant[1]
        return instant if self.state.rows[self.index]["output_connected"] else without_current(instant)

    # -- supply switch ------------------------------------------------------------------------------------------------

    def switch_supply(self, *, connected: bool, at_s: int | None = None) -> None:
        """Close or open the switch at an instant of the meter's time, now for None: registers go on or stand still.

        The stretch of time is kept before the state: a process killed between the two has switched.
        """
        moment_s = int(self.now_epoch_s()) if at_s is None else at_s
        self._keep_gaps(self.gaps.closed(moment_s) if connected else self.gaps.opened(moment_s))
        self.state.rows["output_connected"][self.index] = connected

    def _keep_gaps(self, gaps: SupplyGaps) -> None:
        if gaps is not self.gaps:
            gaps = gaps.bounded(self.unswitched_load)
            self.write(GAPS_KEY, gaps.to_bytes())
            self._use_gaps(gaps)

    def _recall_gaps(self) -> None:
        """Take over what an earlier process kept; of the switch and its stretches, these are written first."""
        kept = self.written(GAPS_KEY)
        row = self.state.rows[self.index]
        if kept is None:
            if not row["output_connected"]:  # switched off before stretches were kept: registers stand from now on
                self._keep_gaps(NO_GAPS.opened(int(self.now_epoch_s())))
            return
        self._use_gaps(SupplyGaps.from_bytes(kept))
        if bool(row["output_connected"]) == self.gaps.is_open:
            row["output_connected"] = row["control_state"] = not self.gaps.is_open  # as after a remote order

    def _use_gaps(self, gaps: SupplyGaps) -> None:
        self.gaps = gaps
        self.load = SwitchedLoad(self.unswitched_load, gaps)
        self._registers = self._instant = None

    def history_end(self, now_s: int) -> int:
        """Give the instant up to which there is a history: now, or the end of the load."""
        ends_s = self.load.ends_epoch_s
        return now_s if ends_s is None else min(now_s, ends_s)

    def record(self, log: int, code: int, *, at_s: int | None = None) -> None:
        """Record an event of the management part at the meter's time; one of the tamper log is pushed as an alarm.

        at_s: when it happened, where that was not now.
        """
        quiet_s = TAMPER_QUIET_S if log == LOG_TAMPER else 0
        moment_s = int(self.now_epoch_s()) if at_s is None else at_s
        recorded = self.state.record_event(self.index, moment_s, log, code, quiet_s=quiet_s)
        if recorded and log == LOG_TAMPER and self.push is not None:
            self.push(self.index, ALARM_INSTANCE)
