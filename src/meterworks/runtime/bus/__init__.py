"""The message bus: durable streams that readers read by position, core messages, requests, and key-value buckets."""

from meterworks.runtime.bus.connect import connect_bus
from meterworks.runtime.bus.contract import Bus, BusSettings, Handler, Message, Responder, Subscription, WhenFull
from meterworks.runtime.bus.jetstream import NatsBus
from meterworks.runtime.bus.memory import MemoryBus

__all__ = [
    "Bus",
    "BusSettings",
    "Handler",
    "MemoryBus",
    "Message",
    "NatsBus",
    "Responder",
    "Subscription",
    "WhenFull",
    "connect_bus",
]
