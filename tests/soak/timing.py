"""Does refusing take longer when the first octet is right? A statistical comparison, in traces and not in seconds.

python -m tests.soak.timing [--traces 100000]

For each path two classes of wrong input are timed in a random order: wrong in the first octet, and wrong in the last.
Welch's t over the times below the 90th percentile of both together tells whether the classes differ; beyond 4.5 they do
(SEC-024, SEC-107). A comparison that leaks on purpose shows that the method would see one. An interpreter on a shared
machine shows gross leaks only: below that nothing is shown.  Source: ISO/IEC 17825, non-specific t-test.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from meterworks.protocols.dlms import ApduCipher, CipherForm, CountUp, GrowingCounter, Protection, SecurityContext
from meterworks.protocols.errors import TagError
from meterworks.trust import constant_time_equal

__all__ = ["LIMIT", "PATHS", "leaks_on_purpose", "t_value"]

LIMIT = 4.5
KEPT_SHARE = 0.9
TOKEN = bytes(range(32))


@dataclass(frozen=True, slots=True)
class Refusal:
    """A path that refuses: what it does with an input, and a sound input of which one bit is then changed.

    tail: how many octets at the end are compared.
    """

    work: Callable[[bytes], object]
    sound: bytes
    tail: int


def leaks_on_purpose(one: bytes, other: bytes) -> bool:
    """What nobody should write: it stops at the first difference."""
    for left, right in zip(one, other, strict=True):
        if left != right:
            return False
    return True


def flipped(octets: bytes, place: int) -> bytes:
    """The same but for one bit."""
    changed = bytearray(octets)
    changed[place] ^= 1
    return bytes(changed)


def t_value(path: Refusal, *, traces: int, seed: int = 1) -> float:
    """Welch's t of the two classes of a path. Each input is an object of its own: no class has a place in memory."""
    chance = random.Random(seed)
    classes = [chance.randrange(2) for _ in range(2 * traces)]
    places = (len(path.sound) - path.tail, len(path.sound) - 1)
    inputs = [flipped(path.sound, places[which]) for which in classes]
    work, clock = path.work, time.perf_counter_ns
    spent = []
    for each in inputs:
        began = clock()
        work(each)
        spent.append(clock() - began)
    limit = statistics.quantiles(spent, n=100)[int(KEPT_SHARE * 100) - 1]
    timed = [pair for pair in zip(spent, classes, strict=True) if pair[0] <= limit]
    kept = [[value for value, of in timed if of == which] for which in (0, 1)]
    spread = sum(statistics.variance(each) / len(each) for each in kept) ** 0.5
    return (statistics.fmean(kept[0]) - statistics.fmean(kept[1])) / spread if spread else 0.0


def _compared(with_: Callable[[bytes, bytes], bool]) -> Refusal:
    return Refusal(lambda given: with_(TOKEN, given), TOKEN, len(TOKEN))


def _tag() -> Refusal:
    """A protected APDU whose tag of twelve octets is wrong."""
    cipher, title = ApduCipher(b"k" * 16, b"a" * 16), b"MWS00001"
    sender = SecurityContext(
        own_title=title, peer_title=b"MWC00001", cipher=cipher, next_counter=CountUp(7).next,
        peer_counter=GrowingCounter(),
    )  # fmt: skip
    answer = b"\xc4\x01\xc1\x00\x06\x00\x00\x00\x01"
    apdu = sender.protect(answer, CipherForm.GENERAL_GLO, Protection.BOTH)
    receiver = SecurityContext(
        own_title=b"MWC00001", peer_title=title, cipher=cipher, next_counter=CountUp(1).next,
        peer_counter=GrowingCounter(),
    )  # fmt: skip

    def refuse(given: bytes) -> None:
        try:
            receiver.unprotect(given, Protection.BOTH)
        except TagError:
            return
        raise AssertionError("a wrong tag was taken")

    return Refusal(refuse, apdu, 12)


PATHS: Mapping[str, Refusal] = {
    "tokens and digests (constant_time_equal)": _compared(constant_time_equal),
    "tag of a protected APDU": _tag(),
}


def main() -> int:
    """Print each path's t; 1 where one is beyond the limit, or where the leak on purpose is not seen."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--traces", type=int, default=100_000, help="of each class")
    traces = parser.parse_args().traces
    values = {name: t_value(path, traces=traces) for name, path in PATHS.items()}
    control = t_value(_compared(leaks_on_purpose), traces=traces)
    for name, value in (*values.items(), ("a comparison that leaks on purpose", control)):
        sys.stdout.write(f"{name:45} |t| {abs(value):8.1f}   limit {LIMIT}\n")
    return int(any(abs(value) >= LIMIT for value in values.values()) or abs(control) < LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
