"""The NATS client library, loaded without its WebSocket transport.

nats-py loads aiohttp where it finds it, for `ws://` servers, which this folder never talks to (`BusSettings` refuses
them). That is nine tenths of the library's loading: 0.2 s and 15 MB in every process. So aiohttp is hidden while the
library loads, and can be loaded afterwards by whoever wants it.
"""

import asyncio
import ssl
import sys
from collections.abc import Callable
from typing import Any, cast

__all__ = ["Client", "GuardedClient", "Msg", "NatsSubscription", "errors"]

_modules = cast("dict[str, Any]", sys.modules)
_hidden = "aiohttp" not in _modules
if _hidden:
    _modules["aiohttp"] = None  # an import of it fails as if it were not installed
try:
    from nats import errors
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription as NatsSubscription
finally:
    if _hidden:
        del _modules["aiohttp"]


class GuardedClient(Client):
    """A client that judges each connection before its first word, and whose `flush` keeps its promise.

    judge: gets the connection's TLS object, None where the server wants no TLS; what it raises (an OSError) ends the
    attempt, and the client tries again.
    """

    def __init__(self, judge: Callable[[ssl.SSLObject | None], None]) -> None:
        super().__init__()
        self._judge = judge

    def _connect_command(self) -> bytes:
        writer = getattr(self._transport, "_io_writer", None)
        self._judge(None if writer is None else writer.get_extra_info("ssl_object"))
        return super()._connect_command()

    async def _connect_to_server(self, s: Any) -> None:
        await super()._connect_to_server(s)
        transport = cast("Any", self._transport)
        if "connect_tls" in vars(transport):
            return
        secure = transport.connect_tls

        async def connect_tls(*given: Any) -> None:
            await secure(*given)
            transport._io_writer._protocol._over_ssl = True  # the library leaves it out, and asyncio then warns

        transport.connect_tls = connect_tls

    async def _send_ping(self, future: "asyncio.Future[Any] | None" = None) -> None:
        """A ping asks whether the server has all that went before, so it must not overtake what is not written yet."""
        await self._flush_pending(force_flush=True)
        await super()._send_ping(future)
