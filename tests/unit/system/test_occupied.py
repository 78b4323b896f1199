"""What is in use is named before anything starts."""

import socket

import pytest

from meterworks.system.errors import ConfigurationError, InUseError
from meterworks.system.occupied import Endpoint, occupied, refuse_occupied


def endpoint(port: int, *, host: str = "127.0.0.1", device: str | None = None) -> Endpoint:
    return Endpoint(purpose="portal", host=host, port=port, setting="web.port", device=device)


@pytest.fixture
def listening_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_free_port_is_not_occupied():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    assert occupied([endpoint(port), endpoint(0)]) == []


def test_a_port_in_use_is_named_with_its_setting(listening_port):
    with pytest.raises(InUseError, match=rf"127\.0\.0\.1:{listening_port} \(portal, setting web\.port\)") as caught:
        refuse_occupied([endpoint(listening_port)])
    assert caught.value.facts["ports"] == [listening_port]


def test_a_socket_on_all_addresses_of_loopback_sees_the_one_address_in_use(listening_port):
    assert len(occupied([endpoint(listening_port, host="0.0.0.0", device="lo")])) == 1


def test_an_address_this_machine_does_not_have_is_a_clear_error():
    with pytest.raises(ConfigurationError, match=r"change web\.port"):
        occupied([endpoint(9, host="192.0.2.1")])
