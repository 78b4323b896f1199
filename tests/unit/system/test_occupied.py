"""What is in use is named before anything starts."""

import os
import socket
import subprocess
import sys

import pytest

from meterworks.system.errors import ConfigurationError, InUseError
from meterworks.system.occupied import Endpoint, hold_folder, occupied, refuse_occupied


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


def test_a_folder_is_held_by_one_process_at_a_time(tmp_path):
    attempt = (
        "import sys, pathlib\n"
        "from meterworks.system.occupied import hold_folder\n"
        "from meterworks.errors import MeterworksError\n"
        "try:\n"
        "    with hold_folder(pathlib.Path(sys.argv[1])): print('held')\n"
        "except MeterworksError as error: print(error)\n"
    )
    command = [sys.executable, "-c", attempt, str(tmp_path)]
    with hold_folder(tmp_path):
        refused = subprocess.run(command, capture_output=True, text=True, check=True)
    allowed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"in use by the meterworks process {os.getpid()}" in refused.stdout
    assert allowed.stdout.strip() == "held"


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="--data"), hold_folder(tmp_path / "file" / "below"):
        pass
