"""Channels of devices: what a device measures and how far back it remembers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from meterworks.catalogue import CHANNELS, Medium, channel_by_id, profile_by_name, profiles_of
from meterworks.registry.errors import InvalidValueError, UnknownRecordError
from meterworks.registry.part import RegistryPart, lock_devices
from meterworks.registry.tables import ChannelRow, DeviceChannelRow, DeviceRow
from meterworks.registry.value import DeviceId, checked_number
from meterworks.runtime import insert_many, upsert

__all__ = ["DeviceChannel", "DeviceChannels", "channel_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChannel:
    """A channel of a device, the profile it is collected by, and how far back the device remembers it."""

    channel_id: int
    profile: str
    depth_days: int

    def __post_init__(self) -> None:
        channel_by_id(self.channel_id)
        profile_by_name(self.profile)
        if self.depth_days < 1:
            raise InvalidValueError(f"depth_days is {self.depth_days}: give at least 1", what="depth_days")


def channel_rows() -> list[dict[str, object]]:
    """Give the catalogue's channels as rows of `registry_channel`, for the migration that seeds it."""
    return [asdict(channel) for channel in CHANNELS.values()]


class DeviceChannels(RegistryPart):
    """The channels of devices: what the catalogue says of the medium, unless the device differs."""

    async def seed_channels(self) -> None:
        """Write the catalogue's channels into the database; those there are brought up to date."""
        async with self._database.transaction() as connection:
            await upsert(connection, ChannelRow, channel_rows(), keys=["id"])

    async def channels(self, device_id: DeviceId) -> tuple[DeviceChannel, ...]:
        """Give the channels of a device in order of number. Raises UnknownRecordError."""
        number = checked_number(device_id)
        own = sa.select(DeviceChannelRow.channel_id, DeviceChannelRow.profile, DeviceChannelRow.depth_days)
        async with self._database.read() as connection:
            device = sa.select(DeviceRow.medium, DeviceRow.interval_s).where(DeviceRow.id == number)
            row = (await connection.execute(device)).one_or_none()
            if row is None:
                raise UnknownRecordError(f"there is no device {device_id}", kind="device", id=device_id)
            rows = await connection.execute(
                own.where(DeviceChannelRow.device_id == number).order_by(DeviceChannelRow.channel_id)
            )
            held = tuple(
                DeviceChannel(channel_id=channel, profile=profile, depth_days=days) for channel, profile, days in rows
            )
        return held or _usual_channels(Medium(row.medium), row.interval_s)

    async def set_channels(self, device_id: DeviceId, channels: Sequence[DeviceChannel]) -> None:
        """Note which channels a device has, in place of the usual ones; an empty list gives it the usual ones again.

        Raises UnknownRecordError.
        """
        rows = [{"device_id": device_id, **asdict(channel)} for channel in channels]
        async with self._database.transaction() as connection:
            await lock_devices(connection, [device_id])
            await connection.execute(sa.delete(DeviceChannelRow).where(DeviceChannelRow.device_id == device_id))
            if rows:
                await insert_many(connection, DeviceChannelRow, rows)


def _usual_channels(medium: Medium, interval_s: int) -> tuple[DeviceChannel, ...]:
    usual = [
        DeviceChannel(channel_id=channel.id, profile=profile.name, depth_days=profile.depth_days)
        for profile in profiles_of(medium)
        for channel in profile.channels(interval_s)
    ]
    return tuple(sorted(usual, key=lambda channel: channel.channel_id))
