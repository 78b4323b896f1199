"""Every endpoint a configured system listens on: one table, used to check ports, to tell them, and to scan for others.

What is not in this table, nothing of the system listens on: a test compares it with the sockets of a running system.
Two rows may be plain: the portal, which browsers on the same machine reach at http://localhost, and the emulated meters
with their pushes where `fleet.tls` is off. `plain_because` says so; production refuses the second.
"""

import sys
from ipaddress import ip_address

from meterworks.system.configuration import Layout
from meterworks.system.occupied import Endpoint
from meterworks.trust.tls import Interface

__all__ = ["endpoints", "is_loopback", "portal_url"]

ANY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  # compared with, not bound to
FOR_BROWSERS = "browsers on this machine, where it is a secure context; people log in"
WITHOUT_FLEET_TLS = "fleet.tls is off; DLMS protects its own messages"


def endpoints(layout: Layout) -> list[Endpoint]:
    """What the system of this configuration is going to listen on."""
    return [*_doors_of_people(layout), *_doors_of_meters(layout), *_doors_of_processes(layout)]


def _doors_of_people(layout: Layout) -> list[Endpoint]:
    web = layout.configuration.web
    rows = [
        Endpoint(
            purpose="portal and API",
            process="web",
            host=web.host,
            port=layout.port(web.port),
            setting="web.port",
            interface=Interface.WEB if web.tls else None,
            plain_because="" if web.tls else FOR_BROWSERS,
        )
    ]
    if web.market_port >= 0:
        rows.append(
            Endpoint(
                purpose="API for organisations with certificates",
                process="web",
                host=web.market_host,
                port=layout.port(web.market_port),
                setting="web.market_port",
                interface=Interface.MARKET,
            )
        )
    return rows


def _doors_of_meters(layout: Layout) -> list[Endpoint]:
    with_tls = layout.configuration.fleet.tls
    return [
        Endpoint(
            purpose="emulated meters",
            process="fleet",
            host="0.0.0.0",  # noqa: S104  # bound to the loopback device, as the fleet does
            port=layout.meter_port,
            setting="fleet.port",
            device="lo" if sys.platform == "linux" else None,
            interface=Interface.METER if with_tls else None,
            plain_because="" if with_tls else WITHOUT_FLEET_TLS,
        ),
        Endpoint(
            purpose="head-end's push port",
            process="headend",
            host=layout.configuration.headend.push_host,
            port=layout.headend.push_port,
            setting="headend.push_port",
            interface=Interface.PUSH if with_tls else None,
            plain_because="" if with_tls else WITHOUT_FLEET_TLS,
        ),
    ]


def _doors_of_processes(layout: Layout) -> list[Endpoint]:
    configuration = layout.configuration
    rows = [
        Endpoint(
            purpose="enrolment and revocation lists",
            process="pki",
            host=configuration.pki.host,
            port=layout.port(configuration.pki.port),
            setting="pki.port",
            interface=Interface.EST,
        )
    ]
    if not configuration.bus.url:
        rows.append(
            Endpoint(
                purpose="message bus",
                process="nats",
                host="127.0.0.1",
                port=layout.port(configuration.bus.port),
                setting="bus.port",
                interface=Interface.BUS,
            )
        )
    return rows


def is_loopback(host: str) -> bool:
    """Whether nobody outside this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def portal_url(layout: Layout) -> str:
    """Where a browser finds the portal: by name on this machine, since passkeys are for names."""
    web = layout.configuration.web
    host = "localhost" if web.host in ANY_ADDRESS or web.host == "127.0.0.1" else web.host
    return f"{'https' if web.tls else 'http'}://{host}:{layout.port(web.port)}/"
