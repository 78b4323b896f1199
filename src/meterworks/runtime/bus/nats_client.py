"""The NATS client library, loaded without its WebSocket transport.

nats-py loads aiohttp where it finds it, for `ws://` servers, which this folder never talks to (`BusSettings` refuses
them). That is nine tenths of the library's loading: 0.2 s and 15 MB in every process. So aiohttp is hidden while the
library loads, and can be loaded afterwards by whoever wants it.
"""

import sys
from typing import Any, cast

__all__ = ["Client", "Msg", "NatsSubscription", "errors"]

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
