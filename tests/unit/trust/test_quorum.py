"""A vault under k-of-n control: who can open it, what a share looks like on paper, and the sealed protocol."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.trust import (
    CeremonyProtocol,
    CeremonyProtocolError,
    FileKeyVault,
    KeyFileError,
    KeyNotFoundError,
    KeyStore,
    KeyUsage,
    Quorum,
    QuorumError,
    Share,
    join_secret,
    read_protocol,
    share_out,
)

HOLDERS = ("Ada", "Bob", "Cleo", "Dan", "Eve")
AT = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.fixture
def key(tmp_path):
    """The key that signs protocols, in the vault of the system."""
    return FileKeyVault(tmp_path / "system", KeyStore(bytes(range(32)))).generate("protocol", KeyUsage.SIGN, "P-256")


@pytest.fixture
def told():
    return []


@pytest.fixture
def protocol(tmp_path, key, told):
    return CeremonyProtocol(tmp_path / "root" / "protocol.jsonl", key, on_entry=told.append, now=lambda: AT)


@pytest.fixture
def made(tmp_path, protocol):
    return Quorum.create(tmp_path / "root", HOLDERS, 3, protocol=protocol, purpose="first ceremony")


def test_enough_holders_use_the_root_key_and_every_use_is_entered(made, tmp_path, key):
    quorum, shares = made
    with quorum.opened(shares[:3], "make the root") as vault:
        root = vault.generate("root", KeyUsage.SIGN, "P-384")
        assert root.sign(b"x")
    with quorum.opened([shares[4], shares[0], shares[2]], "sign a sub-CA") as vault:
        assert vault.key("root").public_key == root.public_key
    entries = read_protocol(tmp_path / "root" / "protocol.jsonl", key.public_key)
    assert [(entry.act, entry.people, entry.purpose) for entry in entries] == [
        ("created", HOLDERS, "first ceremony"),
        ("opened", ("Ada", "Bob", "Cleo"), "make the root"),
        ("closed", ("Ada", "Bob", "Cleo"), "make the root"),
        ("opened", ("Eve", "Ada", "Cleo"), "sign a sub-CA"),
        ("closed", ("Eve", "Ada", "Cleo"), "sign a sub-CA"),
    ]
    assert entries[2].facts == {"keys": "root"}
    assert {entry.at for entry in entries} == {"2026-11-21T09:30:00+00:00"}


def test_a_key_is_forgotten_when_the_ceremony_ends(made):
    quorum, shares = made
    with quorum.opened(shares[:3], "make the root") as vault:
        root = vault.generate("root", KeyUsage.SIGN, "P-256")
    with pytest.raises(KeyNotFoundError):
        root.sign(b"x")


def test_too_few_holders_open_nothing_and_are_entered(made, told):
    quorum, shares = made
    with pytest.raises(QuorumError, match="2 holders are too few: 3 are needed"), quorum.opened(shares[:2], "try"):
        pytest.fail("opened")
    with pytest.raises(QuorumError), quorum.opened([shares[0], shares[0], shares[0]], "try"):
        pytest.fail("opened")
    assert [(entry.act, entry.people) for entry in told[1:]] == [
        ("refused", ("Ada", "Bob")),
        ("refused", ("Ada", "Ada", "Ada")),
    ]


def test_shares_of_another_ceremony_open_nothing(made, told, tmp_path, protocol):
    quorum, shares = made
    _, others = Quorum.create(tmp_path / "other", HOLDERS, 3, protocol=protocol, purpose="another")
    with pytest.raises(QuorumError, match="of another ceremony"), quorum.opened([*shares[:2], others[2]], "try"):
        pytest.fail("opened")
    assert told[-1].people[2].startswith("share 3 of set ")


def test_a_false_share_opens_nothing(made):
    quorum, shares = made
    false = Share(set_id=shares[0].set_id, number=0, threshold=3, count=5, value=bytes(32))
    with pytest.raises(QuorumError, match="one of them is false"), quorum.opened([false, *shares[1:3]], "try"):
        pytest.fail("opened")


def test_no_file_of_the_folder_gives_the_secret_away(made, tmp_path):
    _, shares = made
    secret = join_secret(shares[:3])
    content = b"".join(path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file())
    for each in (secret, *(share.value for share in shares)):
        assert each not in content
        assert each.hex().encode() not in content
    assert all(share.text().encode() not in content for share in shares)
    assert shares[0].value.hex() not in repr(shares[0])


def test_a_quorum_is_never_made_anew(made, tmp_path, protocol):
    with pytest.raises(KeyFileError, match="take another folder"):
        Quorum.create(tmp_path / "root", HOLDERS, 2, protocol=protocol, purpose="again")


@pytest.mark.parametrize("holders", [("Ada", "Ada"), ("", "Bob"), ("a/b", "c"), ("x" * 65, "y"), ("Ada",)])
def test_holders_have_names_of_their_own(tmp_path, protocol, holders):
    with pytest.raises(QuorumError):
        Quorum.create(tmp_path / "none", holders, 2, protocol=protocol, purpose="x")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "content", ["", "{}", '{"format": "meterworks-quorum-1", "set": "a", "threshold": 9, "holders": []}']
)
def test_a_folder_without_a_quorum_is_told(tmp_path, protocol, content):
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "quorum.json").touch(0o600)
    (tmp_path / "none" / "quorum.json").write_text(content)
    with pytest.raises(KeyFileError, match="no quorum that can be read"):
        Quorum(tmp_path / "none", protocol)


@settings(max_examples=15, deadline=None)
@given(st.binary(min_size=16, max_size=64), st.integers(0, 4))
def test_a_share_is_read_back_however_it_is_typed(secret, number):
    share = share_out(secret, 3, 5)[number]
    text = share.text()
    assert Share.parse(text) == share
    assert Share.parse(f"  {text.lower().replace('-', ' ')}\n") == share


def test_a_slip_in_a_share_is_noticed():
    text = share_out(bytes(range(32)), 2, 3)[1].text()
    for place in range(5, len(text)):
        if text[place] != "-":
            slipped = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
            with pytest.raises(QuorumError, match="compare it letter by letter") as caught:
                Share.parse(slipped)
            assert slipped not in str(caught.value)


@pytest.mark.parametrize("text", ["", "MWQ1-", "MWQ1-AAAAA", "not a share!", "ключ"])
def test_what_is_no_share_is_told(text):
    with pytest.raises(QuorumError, match="cannot be read"):
        Share.parse(text)


def test_shares_of_two_sets_are_not_mixed():
    one, other = share_out(bytes(32), 2, 3), share_out(bytes(32), 2, 3)
    with pytest.raises(QuorumError, match="of different ceremonies"):
        join_secret([one[0], other[1]])
    with pytest.raises(QuorumError, match="too few"):
        join_secret([])


def change(path, number, edit):
    lines = path.read_text().splitlines(keepends=True)
    lines[number] = edit(lines[number])
    path.write_text("".join(lines))


def edited(line):
    outer = json.loads(line)
    outer["entry"] = outer["entry"].replace("Ada", "Eve")
    return json.dumps(outer) + "\n"


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: change(path, 0, edited), id="an entry changed"),
        pytest.param(lambda path: change(path, 1, lambda _: ""), id="an entry taken out"),
        pytest.param(lambda path: change(path, 0, lambda line: line * 2), id="an entry twice"),
        pytest.param(lambda path: change(path, 2, lambda _: "{}\n"), id="no entry"),
    ],
)
def test_a_protocol_that_was_changed_is_told_and_not_continued(made, protocol, tmp_path, key, damage):
    quorum, shares = made
    with quorum.opened(shares[:3], "x"):
        pass
    path = tmp_path / "root" / "protocol.jsonl"
    damage(path)
    with pytest.raises(CeremonyProtocolError, match="copies that the holders have"):
        read_protocol(path, key.public_key)
    with pytest.raises(CeremonyProtocolError), quorum.opened(shares[:3], "y"):
        pytest.fail("opened")


def test_another_key_did_not_sign_the_protocol(made, tmp_path):
    other = FileKeyVault(tmp_path / "v", KeyStore(bytes(32))).generate("k", KeyUsage.SIGN, "P-256")
    with pytest.raises(CeremonyProtocolError):
        read_protocol(tmp_path / "root" / "protocol.jsonl", other.public_key)
