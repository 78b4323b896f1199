"""Every endpoint a configured system listens on: one table, used to check ports and to tell them."""

import sys

from meterworks.system.configuration import Layout
from meterworks.system.occupied import Endpoint

__all__ = ["endpoints", "portal_url"]


def endpoints(layout: Layout) -> list[Endpoint]:
    """What the system of this configuration is going to listen on."""
    configuration = layout.configuration
    rows = [
        Endpoint(
            purpose="portal and API",
            host=configuration.web.host,
            port=layout.port(configuration.web.port),
            setting="web.port",
        ),
        Endpoint(
            purpose="emulated meters",
            host="0.0.0.0",  # noqa: S104  # bound to the loopback device, as the fleet does
            port=layout.meter_port,
            setting="fleet.port",
            device="lo" if sys.platform == "linux" else None,
        ),
        Endpoint(
            purpose="head-end's push port",
            host=configuration.headend.push_host,
            port=layout.headend.push_port,
            setting="headend.push_port",
        ),
    ]
    if not configuration.bus.url:
        port = layout.port(configuration.bus.port)
        rows.append(Endpoint(purpose="message bus", host="127.0.0.1", port=port, setting="bus.port"))
    return rows


def portal_url(layout: Layout) -> str:
    """Where a browser finds the portal."""
    web = layout.configuration.web
    host = "127.0.0.1" if web.host in ("0.0.0.0", "::") else web.host  # noqa: S104  # a bind-all address is not a target
    return f"http://{host}:{layout.port(web.port)}/"
