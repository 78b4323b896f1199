"""The Merkle tree over records, as RFC 6962 section 2.1 defines it.

A leaf is SHA-256(0x00 || record), a node SHA-256(0x01 || left || right); a tree of n leaves splits at the largest power
of two below n. The two first octets keep a node from being shown as a record. Everything a proof needs is the root of
some range of leaves; a range is made of complete subtrees, and those never change again, whatever is appended.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "Frontier",
    "Subtree",
    "complete_subtrees",
    "consistency_holds",
    "consistency_ranges",
    "fold",
    "inclusion_holds",
    "inclusion_ranges",
    "leaf_hash",
    "node_hash",
    "proof",
]

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
_sha256 = hashlib.sha256


def leaf_hash(record: bytes) -> bytes:
    """Hash of a record as a leaf. Source: RFC 6962, 2.1."""
    return _sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of a node over its two children. Source: RFC 6962, 2.1."""
    return _sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Subtree:
    """A complete subtree: leaves index·2^level to (index+1)·2^level."""

    level: int
    index: int


@dataclass(slots=True)
class Frontier:
    """The right edge of a growing tree: the roots of its complete subtrees, largest first. 32 octets a level."""

    size: int = 0
    roots: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> None:
        """Add a leaf's hash."""
        carry, size = leaf, self.size
        while size & 1:
            carry = node_hash(self.roots.pop(), carry)
            size >>= 1
        self.roots.append(carry)
        self.size += 1

    def root(self) -> bytes:
        """Hash of the whole tree."""
        return fold(self.roots)

    def copy(self) -> "Frontier":
        """One that grows apart."""
        return Frontier(self.size, list(self.roots))


def fold(roots: Sequence[bytes]) -> bytes:
    """Root over the roots of adjoining complete subtrees, largest first."""
    if not roots:
        return EMPTY_ROOT
    carry = roots[-1]
    for root in reversed(roots[:-1]):
        carry = node_hash(root, carry)
    return carry


def complete_subtrees(start: int, end: int) -> Iterator[Subtree]:
    """The complete subtrees of a range of leaves, left to right. The range begins where one of its size may."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield Subtree(level, start >> level)
        start += 1 << level


def _split(size: int) -> int:
    """The largest power of two below a size of two or more."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    """The ranges of leaves whose roots prove that a leaf is in a tree, nearest first. Source: RFC 6962, 2.1.1."""
    ranges: list[tuple[int, int]] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old_size: int, size: int) -> list[tuple[int, int]]:
    """The ranges whose roots prove that a tree is the start of a larger one. Source: RFC 6962, 2.1.2."""
    if not 0 < old_size < size:
        return []
    ranges: list[tuple[int, int]] = []
    start, end, whole = 0, size, True
    while old_size != end:
        middle = start + _split(end - start)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start, whole = middle, False
    if not whole:
        ranges.append((start, end))
    return ranges[::-1]


def inclusion_holds(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path leads from the leaf to the root. Source: RFC 9162, 2.1.3.2, same tree."""
    if not 0 <= index < size:
        return False
    position, last, carry = index, size - 1, leaf
    for hash_ in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            carry = node_hash(hash_, carry)
            while position & 1 == 0 and position:
                position >>= 1
                last >>= 1
        else:
            carry = node_hash(carry, hash_)
        position >>= 1
        last >>= 1
    return last == 0 and carry == root


def consistency_holds(old_size: int, size: int, old_root: bytes, root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the smaller tree is the start of the larger one. Source: RFC 9162, 2.1.4.2, same tree."""
    if old_size == size:
        return not path and old_root == root
    if old_size == 0:
        return not path and old_root == EMPTY_ROOT
    if not 0 < old_size < size:
        return False
    hashes = [old_root, *path] if old_size & (old_size - 1) == 0 else list(path)
    if not hashes:
        return False
    position, last = old_size - 1, size - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old_carry = carry = hashes[0]
    for hash_ in hashes[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old_carry, carry = node_hash(hash_, old_carry), node_hash(hash_, carry)
            while position & 1 == 0 and position:
                position >>= 1
                last >>= 1
        else:
            carry = node_hash(carry, hash_)
        position >>= 1
        last >>= 1
    return last == 0 and old_carry == old_root and carry == root


def proof(ranges: Sequence[tuple[int, int]], hash_of: Callable[[Subtree], bytes]) -> list[bytes]:
    """The roots of the ranges, given the hashes of complete subtrees."""
    return [fold([hash_of(part) for part in complete_subtrees(start, end)]) for start, end in ranges]
