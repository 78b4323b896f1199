"""`meterworks meter objects` and `discover` against an emulated meter."""

import socket
import threading

import pytest
from tests.integration.meter.conftest import TITLE, command

from meterworks.protocols.dlms import Mechanism
from meterworks.system.meter.objects import load_dump


def test_objects_come_as_a_tree_with_names_and_rights(meter):
    told = meter("objects", client=1)
    assert told.exit_code == 0
    assert "electricity" in told.output
    (line,) = (line for line in told.lines if "1-0:1.8.0.255" in line)
    assert "active energy import" in line
    assert "Register 3 v0" in line
    assert "r 1-3" in line
    (clock,) = (line for line in told.lines if "0-0:1.0.0.255" in line)
    assert " w 2" in clock


def test_objects_in_json_name_attributes_and_rights(meter):
    (register,) = (row for row in meter("objects", "--json").json if row["obis_code"] == "1-0:1.8.0.255")
    assert register["class_name"] == "Register"
    assert [(each["number"], each["name"]) for each in register["attributes"]] == [
        (1, "logical_name"), (2, "value"), (3, "scaler_unit"),
    ]  # fmt: skip
    assert register["attributes"][1]["rights"][0] == "read"


def test_a_dump_can_be_read_again(meter, tmp_path):
    path = tmp_path / "objects.json"
    told = meter("objects", "--save", path)
    assert told.exit_code == 0
    book = load_dump(path)
    assert f"{len(book.entries)} objects written" in told.errors
    assert TITLE.hex() in book.identity
    assert book.find("1.8.0").address.class_id == 3


def test_a_dump_to_nowhere_is_told(meter, tmp_path):
    (tmp_path / "file").write_text("")
    told = meter("objects", "--save", tmp_path / "file" / "objects.json")
    assert told.exit_code == 2
    assert "cannot be written" in told.errors


def test_discovery_tells_who_is_received_how(served):
    told = command("meter", "discover", f"127.0.0.1:{served.port}", "--clients", "16,1-3", "--json")
    assert told.exit_code == 0
    found = {each["client"]: each for each in told.json["associations"]}
    assert {client: each["standing"] for client, each in found.items()} == {
        16: "open", 1: "locked", 2: "locked", 3: "refused",
    }  # fmt: skip
    assert found[1]["mechanism"] == found[2]["mechanism"] == Mechanism.GMAC
    assert found[1]["ciphered"] is True
    assert found[16]["max_pdu"] == 65535
    assert "get" in found[16]["conformance"]
    assert told.json["device_name"] == "MWR0000000000007"
    assert told.json["saps"] == [{"sap": 1, "name": "MWR0000000000007"}]
    assert any(row["client"] == 16 and row["mechanism"] == 0 for row in told.json["declared_associations"])


def test_discovery_as_rows(served):
    told = command("meter", "discover", f"127.0.0.1:{served.port}", "--clients", "16")
    assert told.lines[0].startswith("client,server,standing,mechanism")
    assert told.lines[1].startswith("16,1,open,0 none,no,65535,MWR0000000000007")


def test_discovery_leaves_the_meter_as_it_was(served, meter):
    command("meter", "discover", f"127.0.0.1:{served.port}")
    assert meter("read", "1.8.0").exit_code == 0


def test_discovery_of_nobody_is_exit_code_4():
    assert command("meter", "discover", "127.0.0.1:1", "--timeout-s", 1).exit_code == 4


@pytest.mark.parametrize("text", ["", "a", "1-", "70000", "0-1000"])
def test_client_addresses_that_are_none_are_refused(text):
    assert command("meter", "discover", "127.0.0.1:1", "--clients", text).exit_code == 2


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", bytes.fromhex("000100010010000161")])
def test_discovery_ends_with_servers_that_are_no_meters(answer):
    listener = socket.create_server(("127.0.0.1", 0))
    stopped = threading.Event()

    def serve():
        while not stopped.is_set():
            try:
                link, _ = listener.accept()
            except OSError:
                return
            with link:
                link.recv(1000)
                link.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    told = command("meter", "discover", f"127.0.0.1:{port}", "--clients", "16,1", "--timeout-s", 1, "--json")
    stopped.set()
    listener.close()
    assert told.exit_code == 0
    assert {each["standing"] for each in told.json["associations"]} <= {"silent", "refused"}


# --- learning -------------------------------------------------------------------------------------------------------


def test_a_model_is_learnt_from_a_live_meter(meter):
    told = meter("learn", "--name", "ours", client=1)
    assert told.exit_code == 0
    assert told.lines[0].startswith("# ours: ")
    assert any(line.startswith("1-0:1.8.0.255") for line in told.lines)
    assert "left out" in told.errors


def test_a_model_is_learnt_from_a_dump_and_can_be_served(meter, tmp_path):
    path = tmp_path / "objects.json"
    meter("objects", "--save", path)
    told = command("meter", "learn", path, "--json")
    assert told.exit_code == 0
    assert told.json["objects"] == len(told.json["rows"]) > 40
    saved = tmp_path / "model.txt"
    assert command("meter", "learn", path, "--save", saved).exit_code == 0
    assert saved.read_text().startswith("# learnt meter")


def test_models_are_learnt_from_dumps_of_real_meters(shared_folder):
    dumps = sorted((shared_folder / "vectors" / "dlms" / "associations").glob("*Kamstrup*.gxc.gz"))
    for dump in dumps:
        told = command("meter", "learn", dump, "--json")
        assert told.exit_code == 0, dump.name
        assert told.json["objects"] > 5, dump.name
    assert dumps


@pytest.mark.parametrize("content", [b"hello", b"<xml", b"\x1f\x8b\x00", b"{}"])
def test_a_file_that_is_no_dump_is_told(tmp_path, content):
    path = tmp_path / "dump"
    path.write_bytes(content)
    told = command("meter", "learn", path)
    assert told.exit_code == 2
    assert "no dump" in told.errors
