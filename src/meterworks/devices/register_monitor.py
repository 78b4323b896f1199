"""Register monitors (class 21): scripts that run when a monitored value passes a threshold, upwards or downwards.

The value is looked at at the end of each capture interval of the load, as it was at that instant, however late somebody
asks. What passed is remembered as one bit per threshold; a monitor that looks for the first time only remembers.
Source: COSEM interface classes, Register monitor (class 21).
"""

from collections.abc import Iterator
from typing import Final

from meterworks.devices.script import run_script
from meterworks.devices.tariff import objects_of, plain_value, was_written
from meterworks.devices.view import MeterView, ServedObject
from meterworks.protocols.dlms import PlainValue

__all__ = ["MONITOR_CLASS", "REGISTER_MONITOR_WATCH"]

MONITOR_CLASS: Final = 21
PASSED_KEY: Final = 0x100  # beside the attributes: which thresholds the value is above
THRESHOLDS_MAX: Final = 16
SAMPLES_MAX: Final = 4096


class RegisterMonitorWatch:
    """Watches the monitors into which thresholds were written."""

    def is_active(self, view: MeterView) -> bool:
        """Tell whether a monitor was written."""
        return was_written(view, MONITOR_CLASS)

    def due(self, view: MeterView, after_s: int, until_s: int) -> int | None:
        """Give the end of the first interval at which a value has passed a threshold."""
        step_s = view.load.interval_s
        monitors = [(name, monitor, _passed(view, name)) for name, monitor in self._monitors(view)]
        for at_s in range(after_s // step_s * step_s + step_s, until_s + 1, step_s)[:SAMPLES_MAX]:
            with view.as_of(at_s):
                for _, monitor, known in monitors:
                    now = _above(view, monitor)
                    if now is not None and now != known:
                        return at_s
        return None

    def _monitors(self, view: MeterView) -> Iterator[tuple[bytes, ServedObject]]:
        for name, monitor in objects_of(view, MONITOR_CLASS):
            if any(view.written((name, number)) is not None for number in (2, 3, 4)):
                yield name, monitor

    def act(self, view: MeterView, at_s: int) -> None:
        """Remember what was passed, and run its scripts."""
        with view.as_of(at_s):
            for name, monitor in tuple(self._monitors(view)):
                known, now = _passed(view, name), _above(view, monitor)
                if now is None or now == known:
                    continue
                view.write((name, PASSED_KEY), now.encode())
                if known is not None and len(known) == len(now):
                    _run(view, monitor, known, now)


def _passed(view: MeterView, name: bytes) -> str | None:
    kept = view.written((name, PASSED_KEY))
    return None if kept is None else kept.decode()


def _above(view: MeterView, monitor: ServedObject) -> str | None:
    """Give for each threshold 1 where the value is above it, else 0; None where there is no value to compare."""
    match plain_value(view, monitor, 3):
        case (int(class_id), bytes(name), int(number)):
            value = _value_of(view, class_id, name, number)
        case _:
            value = None
    if value is None:
        return None
    thresholds = (plain_value(view, monitor, 2) or ())[:THRESHOLDS_MAX]
    return "".join("1" if isinstance(limit, int | float) and value > limit else "0" for limit in thresholds)


def _value_of(view: MeterView, class_id: int, name: bytes, number: int) -> float | None:
    found = view.objects.get(name)
    if found is None or found.interface_class.class_id != class_id or not 1 <= number <= len(found.attributes):
        return None
    value = plain_value(view, found, number)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _run(view: MeterView, monitor: ServedObject, known: str, now: str) -> None:
    actions: PlainValue = plain_value(view, monitor, 4) or ()
    for action, before, after in zip(actions, known, now, strict=False):
        if before != after:
            table, selector = action[0 if after == "1" else 1]
            run_script(view, table, selector)


REGISTER_MONITOR_WATCH: Final = RegisterMonitorWatch()
