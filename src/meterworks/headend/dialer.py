"""Opening connections to devices, or taking over those that devices opened."""

from dataclasses import replace

from meterworks.headend.channel import HeadendChannels
from meterworks.headend.device import DeviceRecord
from meterworks.headend.errors import UnknownDeviceError
from meterworks.headend.settings import HeadendSettings
from meterworks.headend.visitor import OpenClient
from meterworks.links import DlmsClient, MeterTarget, PushReceived
from meterworks.protocols.dlms import (
    PUBLIC_CLIENT,
    Ciphering,
    ClientSettings,
    InvocationCounter,
    Protection,
    SecuritySuite,
)

__all__ = ["LinkDialer"]


class LinkDialer:
    """Connects over TCP: to the public client without protection, to all others with HLS and both protections.

    With channels every connection is TLS, and the device's certificate must bear its system title.
    """

    def __init__(self, settings: HeadendSettings, channels: HeadendChannels | None = None) -> None:
        self._settings = settings
        self._channels = channels
        self._system_title = bytes.fromhex(settings.system_title)

    async def dial(self, device: DeviceRecord, client_sap: int, counter: InvocationCounter) -> OpenClient:
        """Connect. Raises ConnectFailed where nobody answers, UnknownDeviceError for a device without address.

        Raises PeerRefused where another than this device answers.
        """
        if not device.host or not device.port:
            raise UnknownDeviceError(f"device {device.device_id} has no address to connect to", device=device.device_id)
        client = await DlmsClient.open(
            MeterTarget(host=device.host, port=device.port),
            self._client_settings(device, client_sap),
            counter=counter,
            timeout_s=self._settings.connect_timeout_s,
            tls=None if self._channels is None else self._channels.demand(device),
        )
        client.timeout_s = self._settings.answer_timeout_s
        return client

    def take_over(
        self, push: PushReceived, device: DeviceRecord, client_sap: int, counter: InvocationCounter
    ) -> DlmsClient:
        """Open a client on the connection a device opened. Raises ConnectionLost where it is gone."""
        settings = self._client_settings(device, client_sap)
        return push.take_over(settings, counter=counter, timeout_s=self._settings.answer_timeout_s)

    def _client_settings(self, device: DeviceRecord, client_sap: int) -> ClientSettings:
        if client_sap == PUBLIC_CLIENT:
            return ClientSettings(client_sap=client_sap)
        settings = ClientSettings(
            client_sap=client_sap,
            mechanism=device.mechanism,
            secret=device.secret,
            suite=SecuritySuite(device.suite),
            system_title=self._system_title,
            guek=device.guek,
            gak=device.gak,
            server_title=device.system_title,
        )
        signed = device.signed
        if signed is None:
            return settings
        return replace(
            settings,
            ciphering=Ciphering.SIGNED,
            protection=Protection.BOTH | Protection.SIGNED,
            signer=signed.signer,
            peer_signing_key=signed.device_key,
        )
