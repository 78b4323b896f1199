"""What goes to the keepers of an escrow copy."""

from meterworks.headend import DeviceMemory
from meterworks.headend.key_inventory import escrow_entries
from meterworks.registry import DeviceKeys


class Counted:
    """How far the head-end counted."""

    def __init__(self, reserved):
        self.reserved = reserved

    async def devices(self, device_ids=None):
        return {number: DeviceMemory(device_id=number, counter_reserved=self.reserved) for number in device_ids}


async def test_each_device_with_keys_is_laid_down_with_its_counters(registry, new_device):
    keys = DeviceKeys(guek=b"g" * 16, gak=b"a" * 16, kek=b"k" * 16)
    await registry.add_devices([new_device(1, keys=keys), new_device(2, keys=DeviceKeys())])
    (entry,) = [each async for each in escrow_entries(registry, Counted(4096))]
    assert entry.device == "4d57530000000001"
    assert entry.keys == keys.present()
    assert entry.counters == {"guek": 4095}
    assert (entry.facts["serial"], entry.facts["guek_version"], entry.facts["guek_state"]) == (
        "MW00000001",
        1,
        "active",
    )
    assert "gggg" not in repr(entry)
