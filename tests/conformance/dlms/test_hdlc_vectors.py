"""HDLC against other people's frames, pushes and conversations, which are replayed from both sides of a link."""

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

from meterworks.protocols.dlms.hdlc import (
    DEFAULT_SETTINGS,
    HdlcAddress,
    HdlcFrame,
    HdlcFraming,
    HdlcPushReader,
    HdlcReader,
    HdlcSettings,
    LinkParameters,
    read_parameters,
)

SNRM, UA, DISC, POLL = 0x93, 0x73, 0x53, 0x10
COMMAND, RESPONSE = b"\xe6\xe6\x00", b"\xe6\xe7\x00"


def frames_in(octets: bytes, *, check_sum: bool = True) -> tuple[list[HdlcFrame], HdlcReader]:
    reader = HdlcReader(check_sum=check_sum)
    reader.feed(octets)
    frames = []
    while (frame := reader.next_frame()) is not None:
        frames.append(frame)
    return frames, reader


# --- single frames --------------------------------------------------------------------------------------------------


def test_every_frame_decodes_and_encodes_back(dlms_vectors: Path) -> None:
    rows = json.loads((dlms_vectors / "hdlc.json").read_text())["vectors"]
    assert len(rows) == 26
    for row in rows:
        octets = bytes.fromhex(row["bytes"])
        frame = HdlcFrame.from_bytes(octets)
        assert frame.to_bytes() == octets
        assert frame.destination.to_bytes().hex() == row["dest"]
        assert frame.source.to_bytes().hex() == row["src"]
        assert f"{frame.control:02x}" == row["control"]
        assert frame.information.hex() == row["information"]
        assert frame.segmented is row["segmented"]


def test_every_address_decodes_and_encodes_back(dlms_vectors: Path) -> None:
    for row in json.loads((dlms_vectors / "hdlc.json").read_text())["addresses"]:
        address = HdlcAddress.from_bytes(bytes.fromhex(row["bytes"]))
        assert address.to_bytes().hex() == row["bytes"]
        assert address.upper == row.get("client", row.get("logical"))
        assert address.lower == row.get("physical")
        assert address.is_broadcast is ("what" in row)


def test_every_set_of_parameters_decodes_and_encodes_back(dlms_vectors: Path) -> None:
    rows = json.loads((dlms_vectors / "hdlc.json").read_text())["vectors"]
    fields = {row["information"] for row in rows if row["control"] == "73" and row["information"]}
    assert len(fields) == 6
    for field in fields:
        parameters = read_parameters(bytes.fromhex(field))
        # Some senders write small sizes in two octets; what they mean is the same.
        assert read_parameters(parameters.to_bytes()) == parameters
        if "050200" not in field:
            assert parameters.to_bytes().hex() == field


# --- pushes ---------------------------------------------------------------------------------------------------------


def pushes(folder: Path) -> list[Path]:
    return [
        path for path in sorted((folder / "push").glob("*.json")) if json.loads(path.read_text())["transport"] == "hdlc"
    ]


def pushed_apdus(octets: bytes, *, check_sum: bool = True) -> tuple[list[bytes], HdlcPushReader]:
    reader = HdlcPushReader(check_sum=check_sum)
    reader.feed(octets)
    apdus = []
    while (push := reader.next_push()) is not None:
        apdus.append(push.apdu)
    return apdus, reader


def test_every_regular_push_is_read_to_its_end(dlms_vectors: Path) -> None:
    regular = [row for row in map(json.loads, (p.read_text() for p in pushes(dlms_vectors))) if "expect" not in row]
    assert len(regular) == 10
    for row in regular:
        apdus, reader = pushed_apdus(bytes.fromhex(row["bytes"]))
        assert not reader.dropped
        assert not reader.abandoned
        if row.get("gbt"):
            assert all(apdu[0] == 0xE0 for apdu in apdus)
            assert len(apdus) == len(row["frames"])
        else:
            assert [apdu.hex() for apdu in apdus] == [message["apdu"] for message in row["messages"]]


def test_irregular_pushes_are_read_as_far_as_they_are_whole(dlms_vectors: Path) -> None:
    broken = json.loads((dlms_vectors / "push" / "espdlms-hdlc_landis_gyr_zmf100.json").read_text())
    octets = bytes.fromhex(broken["bytes"])
    apdus, reader = pushed_apdus(octets)
    assert apdus == []  # its sum is wrong, and what was dropped is told
    assert reader.dropped > 300
    told_to, reader = pushed_apdus(octets, check_sum=False)
    assert [apdu.hex() for apdu in told_to] == [broken["messages"][0]["apdu"]]

    lost = json.loads((dlms_vectors / "push" / "scs-lg_e450-unencrypted_valid_data.json").read_text())
    apdus, _ = pushed_apdus(bytes.fromhex(lost["bytes"]))
    assert [apdu[2:4].hex() for apdu in apdus] == ["0001", "0002", "0001", "0002", "0003", "0004"]


# --- conversations --------------------------------------------------------------------------------------------------

Key = tuple[HdlcAddress, HdlcAddress]
Dialogue = list[tuple[bool, HdlcFrame]]  # (from the client, frame)


def messages_in(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text()).get("messages", [])
    return rows


def dialogues(path: Path) -> dict[Key, Dialogue]:
    """Give what each pair of addresses said, by (client, server).

    The LLC header and whose turn it is tell who speaks. Addresses do not: one meter and its client have the same.
    """
    said: dict[frozenset[HdlcAddress], Dialogue] = defaultdict(list)
    for message in messages_in(path):
        for frame in frames_in(bytes.fromhex(message["bytes"]))[0]:
            dialogue = said[frozenset((frame.source, frame.destination))]
            by_client = not dialogue or dialogue[-1][0] != bool(dialogue[-1][1].control & POLL)
            if frame.information[:3] in (COMMAND, RESPONSE):
                by_client = frame.information[:3] == COMMAND
            dialogue.append((by_client, frame))
    return {(each[0][1].source, each[0][1].destination): each for each in said.values()}


def hdlc_conversations(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted((folder / "conversations").glob("*.json"))
        if any(message["bytes"].startswith("7ea") for message in messages_in(path))
    ]


def settings_of(server: HdlcAddress, dialogue: Dialogue) -> HdlcSettings:
    """Give the settings with which a link says what was said: the sizes that the client named."""
    asked = next((frame.information for by_client, frame in dialogue if by_client and frame.control == SNRM), b"")
    parameters = replace(
        read_parameters(asked), information_transmit_max=min(128, segment_size(dialogue, by_client=True))
    )
    return HdlcSettings(physical=server.lower, address_size=server.size, parameters=parameters)


def messages_of(dialogue: Dialogue, *, by_client: bool) -> list[bytes]:
    """Give the APDUs of one side, put together from their segments, each number once."""
    messages, parts = [], b""
    numbers: set[int] = set()
    for from_client, frame in dialogue:
        if frame.control == SNRM:
            numbers = set()
        if from_client is not by_client or frame.control & 1:
            continue
        if frame.control & 0x0E in numbers:
            continue
        numbers = {frame.control & 0x0E}
        parts += frame.information
        if not frame.segmented:
            messages.append(parts[3:])
            parts = b""
    return messages


def is_first_request(frame: HdlcFrame) -> bool:
    return frame.information[:3] == COMMAND and frame.control >> 1 & 7 == 0


def renumbered(dialogue: Dialogue) -> Dialogue:
    """Give a dialogue caught in its middle as if it had just been opened: its numbers begin at 0."""
    first = dialogue[0][1].control
    of_client, of_server = first >> 1 & 7, first >> 5
    client, server = dialogue[0][1].source, dialogue[0][1].destination
    rows = [(True, HdlcFrame(server, client, SNRM)), (False, HdlcFrame(client, server, UA))]
    for by_client, frame in dialogue:
        own, other = (of_client, of_server) if by_client else (of_server, of_client)
        octet = frame.control
        if octet & 3 != 3:
            sent = octet & 0x0E if octet & 1 else ((octet >> 1) - own & 7) << 1
            octet = ((octet >> 5) - other & 7) << 5 | octet & 0x11 | sent
        rows.append((by_client, replace(frame, control=octet)))
    return rows


def sections(dialogue: Dialogue) -> list[Dialogue]:
    """Cut a dialogue before each request whose forerunner's answer was not recorded, and there leave that one out."""
    cuts = [0]
    for index in range(1, len(dialogue)):
        (before_by_client, before), (by_client, frame) = dialogue[index - 1], dialogue[index]
        if by_client and frame.information[:3] == COMMAND and before_by_client and before.information:
            cuts.append(index)
    parts = [dialogue[start:end] for start, end in zip(cuts, [*cuts[1:], None], strict=True)]
    return [part[:-1] if part[-1][0] and part[-1][1].information else part for part in parts]


def replayable(folder: Path) -> list[tuple[str, HdlcAddress, HdlcAddress, Dialogue]]:
    """Give the dialogues, those that were caught in their middle from the first request that was caught."""
    rows = []
    for path in hdlc_conversations(folder):
        for (client, server), dialogue in dialogues(path).items():
            for part in sections(dialogue):
                whole = part
                if not (part[0][1].control == SNRM and is_first_request(part[2][1])):
                    start = next(i for i, (_, frame) in enumerate(part) if frame.information[:3] == COMMAND)
                    whole = renumbered(part[start:])
                rows.append((path.stem, client, server, whole))
    return rows


def segment_size(dialogue: Dialogue, *, by_client: bool) -> int:
    """Give the size of segments of one side; some fill their frames less than they may."""
    sizes = {len(f.information) for from_client, f in dialogue if from_client is by_client and f.segmented}
    return sizes.pop() if len(sizes) == 1 else 128


def test_conversations_are_all_there(dlms_vectors: Path) -> None:
    assert len(hdlc_conversations(dlms_vectors)) == 9
    assert len(replayable(dlms_vectors)) == 15


def test_our_client_says_to_the_recorded_server_what_the_recorded_client_said(dlms_vectors: Path) -> None:
    for name, client, server, dialogue in replayable(dlms_vectors):
        settings = settings_of(server, dialogue)
        link = HdlcFraming(settings).client_link(client.upper, server.upper, 0xFFFF)
        requests = iter(messages_of(dialogue, by_client=True))
        answers: list[bytes] = []
        said = link.send(next(requests), 0.0) + link.data_to_send()
        for from_client, frame in dialogue:
            if frame.control == DISC:
                assert link.close(0.0) == frame.to_bytes(), name
                break
            if from_client:
                if not said:
                    said = link.send(next(requests), 0.0) + link.data_to_send()
                assert said.startswith(frame.to_bytes()), name
                said = said[len(frame.to_bytes()) :]
                continue
            link.receive(frame.to_bytes(), 0.0)
            while (apdu := link.next_apdu()) is not None:
                answers.append(apdu)
            said += link.data_to_send()
        assert answers == messages_of(dialogue, by_client=False), name


def test_our_server_says_to_the_recorded_client_what_the_recorded_server_said(dlms_vectors: Path) -> None:
    for name, _client, server, dialogue in replayable(dlms_vectors):
        size = segment_size(dialogue, by_client=False)
        parameters = LinkParameters(information_transmit_max=size, information_receive_max=2030)
        settings = HdlcSettings(physical=server.lower, parameters=parameters)
        link = HdlcFraming(settings).server_link(server.upper, 0xFFFF)
        answers = iter(messages_of(dialogue, by_client=False))
        requests: list[bytes | None] = []
        said = b""
        for from_client, frame in dialogue:
            if frame.control == DISC:
                break
            if not from_client:
                assert said.startswith(frame.to_bytes()) or frame.control == UA, name  # parameters are our own
                said = b"" if frame.control == UA else said[len(frame.to_bytes()) :]
                continue
            link.receive(frame.to_bytes(), 0.0)
            while (row := link.next_frame()) is not None:
                requests.append(row[2])
                said += link.send(row[0], row[1], next(answers))
            said += link.data_to_send()
        assert requests == messages_of(dialogue, by_client=True), name
    assert DEFAULT_SETTINGS.parameters == LinkParameters()
