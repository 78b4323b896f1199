"""Emulated metering devices: COSEM models bound to a load, and the fleet that serves them on sockets."""

from meterworks.devices.load import Instant, IntervalBlock, MeterEvents, MeterLoad, RegisterBlock, Registers

__all__ = ["Instant", "IntervalBlock", "MeterEvents", "MeterLoad", "RegisterBlock", "Registers"]
