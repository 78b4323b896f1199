"""Blocks over a bad line: whatever is lost, repeated or overtaken, the right APDU arrives or our own error."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from meterworks.errors import MeterworksError
from meterworks.protocols.dlms.general_block import BLOCK_ROOM, BlockReceiver, BlockTransfer, GeneralBlock, cut_stream

TURNS_MAX = 8000


class Line:
    """A line that loses, repeats and reorders."""

    def __init__(self, random: Random, loss: float, repetition: float, reordering: float) -> None:
        self._random = random
        self._loss, self._repetition, self._reordering = loss, repetition, reordering
        self._waiting: list[bytes] = []

    def put(self, apdus: list[bytes]) -> None:
        for apdu in apdus:
            if self._random.random() < self._loss:
                continue
            copies = 2 if self._random.random() < self._repetition else 1
            for _ in range(copies):
                back = self._random.random() < self._reordering and bool(self._waiting)
                at = self._random.randrange(len(self._waiting)) if back else len(self._waiting)
                self._waiting.insert(at, apdu)

    def take(self) -> bytes | None:
        return self._waiting.pop(0) if self._waiting else None


class Ends:
    """A client that asks once and a server that answers each whole request, with a line in each direction."""

    def __init__(self, random: Random, bad: tuple[float, float, float], windows: tuple[int, int], size: int) -> None:
        self.client = BlockTransfer(BLOCK_ROOM + size, window=windows[0])
        self.server = BlockTransfer(BLOCK_ROOM + size, window=windows[1])
        self.there, self.back = Line(random, *bad), Line(random, *bad)
        self.asked: list[bytes] = []

    def ask(self, request: bytes, answer: bytes) -> bytes:
        """Give what the client got, or raise the error by which it gave up."""
        self.client.begin()
        self.there.put(self.client.send(request))
        for _ in range(TURNS_MAX):
            apdu = self.there.take()
            if apdu is not None:
                whole, output = self.server.receive(apdu)
                if whole is not None:
                    self.asked.append(whole)
                    output = self.server.send(answer)
                self.back.put(output)
                continue
            apdu = self.back.take()
            if apdu is None:
                self.there.put(self.client.timed_out())
                continue
            whole, output = self.client.receive(apdu)
            if whole is not None:
                return whole
            self.there.put(output)
        raise AssertionError("no end in sight")


RATES = st.sampled_from([0.0, 0.1, 0.3])


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    bad=st.tuples(RATES, RATES, RATES),
    windows=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    size=st.integers(1, 40),
    request_size=st.integers(1, 120),
    answer_size=st.integers(1, 120),
)
def test_the_right_apdu_arrives_or_our_error(
    *,
    seed: int,
    bad: tuple[float, float, float],
    windows: tuple[int, int],
    size: int,
    request_size: int,
    answer_size: int,
) -> None:
    random = Random(seed)
    ends = Ends(random, bad, windows, size)
    request, answer = random.randbytes(request_size), random.randbytes(answer_size)
    try:
        assert ends.ask(request, answer) == answer
    except MeterworksError:
        assert bad[0] > 0 or bad[2] > 0  # a line that loses nothing and keeps order needs no error
    assert set(ends.asked) <= {request}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), loss=RATES, size=st.integers(1, 40), count=st.integers(1, 6))
def test_stream_with_losses_gives_only_apdus_that_were_sent(seed: int, loss: float, size: int, count: int) -> None:
    random = Random(seed)
    receiver = BlockReceiver()
    sent = [bytes((number,)) * 3 + random.randbytes(random.randrange(1, 200)) for number in range(count)]
    got = []
    for apdu in sent:
        for number, octets in enumerate(cut_stream(apdu, BLOCK_ROOM + size)):
            # A lost tail and just as long a lost head of the next cannot be told from one APDU: ciphering tells.
            if number == 0 or random.random() >= loss:
                got.append(receiver.receive(GeneralBlock.from_bytes(octets)))
    found = [apdu for apdu in got if apdu is not None]
    assert set(found) <= set(sent)
    assert loss or found == sent


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 255), st.integers(0, 9), st.integers(0, 9), st.binary(max_size=9)))
)
def test_any_blocks_end_in_our_errors_only(received: list[tuple[bool, int, int, int, bytes]]) -> None:
    transfer = BlockTransfer(BLOCK_ROOM + 3, window=2)
    joined = 0
    for sends, control, number, acknowledged, octets in received:
        block = bytes((0xE0, control, 0, number, 0, acknowledged, len(octets))) + octets
        try:
            whole, output = transfer.receive(block)
            joined += len(whole or b"")
            assert all(len(apdu) <= BLOCK_ROOM + 3 for apdu in output)
            if sends and not transfer.is_sending:
                transfer.send(octets or b"\x00")
        except MeterworksError:
            transfer.begin()
    assert joined <= sum(len(octets) for *_, octets in received)
