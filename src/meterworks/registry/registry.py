"""The registry as one object: who and where."""

from meterworks.registry.channel import DeviceChannels
from meterworks.registry.consumer import Consumers
from meterworks.registry.device import Devices
from meterworks.registry.device_search import DeviceSearch
from meterworks.registry.installation import Installations
from meterworks.registry.key import DeviceKeyring
from meterworks.registry.organisation import Organisations
from meterworks.registry.registration import Registrations
from meterworks.registry.shipment import Shipments
from meterworks.registry.usage_point import UsagePoints
from meterworks.registry.viewer import Visibility

__all__ = ["Registry"]


class Registry(
    UsagePoints,
    Devices,
    DeviceSearch,
    DeviceChannels,
    DeviceKeyring,
    Installations,
    Shipments,
    Organisations,
    Registrations,
    Consumers,
    Visibility,
):
    """Usage points, devices with keys and dated installations, organisations with registrations, consumers.

    registry = Registry(database, keystore)    # tables come from the migrations of `system/`

    Each method is one transaction: it happens whole or not at all, and what it read belongs together.
    """
