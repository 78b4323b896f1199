"""The tree's hashes in rows of 256: written as the tree grows, read for proofs."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import func, select

from meterworks.runtime import Database
from meterworks.trust.audit.merkle import HASH_SIZE, Frontier, Subtree, complete_subtrees, node_hash
from meterworks.trust.audit.model import AuditRecordRow, AuditTileRow

__all__ = ["TILE_HASHES", "TileReader", "TileWriter", "Tiles"]

TILE_LEVELS = 8
TILE_HASHES = 1 << TILE_LEVELS
WHOLE_TILES_MAX = 2_000  # kept in memory by one reader: about 30 MB

Tiles = dict[tuple[int, int], list[bytes]]


def _pairs(hashes: Sequence[bytes]) -> bytes:
    """The root of 2^n neighbouring hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def _cut(octets: bytes) -> list[bytes]:
    return [octets[at : at + HASH_SIZE] for at in range(0, len(octets), HASH_SIZE)]


class TileWriter:
    """Gathers leaves and gives the rows that are to be written: whole ones of leaves, growing ones of the levels above.

    The rows stay owed until `paid` is called: what a failed write left is given again.
    """

    def __init__(self, tiles: int, leaves: Sequence[bytes], above: Sequence[Sequence[bytes]]) -> None:
        self._tiles = tiles  # whole tiles of leaves
        self._leaves = list(leaves)  # after them
        self._above = [list(hashes) for hashes in above]  # the unfinished tile of each higher level
        self._owed: dict[tuple[int, int], bytes] = {}

    @property
    def whole(self) -> int:
        """Leaves that lie in whole tiles, written ones or owed."""
        return self._tiles * TILE_HASHES

    def append(self, leaf: bytes) -> None:
        """Take a leaf's hash."""
        self._leaves.append(leaf)
        if len(self._leaves) == TILE_HASHES:
            self._owed[0, self._tiles] = b"".join(self._leaves)
            root = _pairs(self._leaves)
            self._leaves = []
            self._tiles += 1
            self._raise(1, root)

    def _raise(self, level: int, root: bytes) -> None:
        if len(self._above) < level:
            self._above.append([])
        tile = self._above[level - 1]
        tile.append(root)
        number = (self._tiles - 1) >> (TILE_LEVELS * (level - 1)) >> TILE_LEVELS
        self._owed[level, number] = b"".join(tile)
        if len(tile) == TILE_HASHES:
            self._above[level - 1] = []
            self._raise(level + 1, _pairs(tile))

    def owed(self) -> list[dict[str, Any]]:
        """Rows to be written."""
        return [{"level": key[0], "number": key[1], "hashes": octets} for key, octets in self._owed.items()]

    def paid(self) -> None:
        """They are written."""
        self._owed.clear()


class TileReader:
    """Hashes of complete subtrees out of the tables; what a tile lacks is computed from below.

    Keeps what it has read: make one for each question. whole: tiles that are full, which never change; questions may
    share them.
    """

    def __init__(self, database: Database, whole: Tiles | None = None) -> None:
        self._database = database
        self._tiles: Tiles = {}
        self._whole: Tiles = {} if whole is None else whole

    async def hashes(self, subtrees: Iterable[Subtree]) -> dict[Subtree, bytes]:
        """The hash of each."""
        return {subtree: await self._hash(subtree) for subtree in subtrees}

    async def leaves(self, first: int) -> list[bytes]:
        """The leaf hashes of the written tile that begins at this place; none where there is no such tile."""
        row = AuditTileRow
        async with self._database.read() as connection:
            octets = await connection.scalar(
                select(row.hashes).where(row.level == 0, row.number == first >> TILE_LEVELS)
            )
        return [] if octets is None else _cut(octets)

    async def frontier(self, size: int) -> Frontier:
        """The right edge of the tree of the first `size` records."""
        parts = list(complete_subtrees(0, size))
        found = await self.hashes(parts)
        return Frontier(size, [found[part] for part in parts])

    async def writer(self, size: int) -> tuple[TileWriter, Frontier]:
        """What goes on from the stored state of a trail of this size; tiles that a crash kept back are owed again."""
        async with self._database.read() as connection:
            last = await connection.scalar(
                select(func.max(AuditTileRow.number)).where(AuditTileRow.level == 0).where(AuditTileRow.number >= 0)
            )
        tiles = 0 if last is None else min(last + 1, size >> TILE_LEVELS)
        above: list[list[bytes]] = []
        level = 1
        while tiles >> (TILE_LEVELS * (level - 1)):
            count = tiles >> (TILE_LEVELS * (level - 1))
            start = count >> TILE_LEVELS << TILE_LEVELS
            parts = [Subtree(TILE_LEVELS * level, index) for index in range(start, count)]
            found = await self.hashes(parts)
            above.append([found[part] for part in parts])
            level += 1
        writer = TileWriter(tiles, [], above)
        frontier = await self.frontier(tiles * TILE_HASHES)
        for leaf in await self._leaves(tiles * TILE_HASHES, size):
            writer.append(leaf)
            frontier.append(leaf)
        return writer, frontier

    async def _hash(self, subtree: Subtree) -> bytes:
        level, inner = divmod(subtree.level, TILE_LEVELS)
        first = subtree.index << inner
        tile = await self._tile(level, first >> TILE_LEVELS)
        offset = first & (TILE_HASHES - 1)
        hashes = tile[offset : offset + (1 << inner)]
        if len(hashes) == 1 << inner:
            return _pairs(hashes)
        left = await self._hash(Subtree(subtree.level - 1, subtree.index * 2))
        return node_hash(left, await self._hash(Subtree(subtree.level - 1, subtree.index * 2 + 1)))

    async def _tile(self, level: int, number: int) -> list[bytes]:
        key = (level, number)
        if key in self._whole:
            return self._whole[key]
        if key not in self._tiles:
            async with self._database.read() as connection:
                octets = await connection.scalar(
                    select(AuditTileRow.hashes).where(AuditTileRow.level == level, AuditTileRow.number == number)
                )
            if octets is not None:
                self._tiles[key] = _cut(octets)
                if len(self._tiles[key]) == TILE_HASHES:
                    self._keep(key)
            elif level == 0:
                start = number << TILE_LEVELS
                self._tiles[key] = await self._leaves(start, start + TILE_HASHES)
            else:
                self._tiles[key] = []
        return self._tiles[key]

    def _keep(self, key: tuple[int, int]) -> None:
        if len(self._whole) >= WHOLE_TILES_MAX:
            self._whole.clear()
        self._whole[key] = self._tiles[key]

    async def _leaves(self, start: int, end: int) -> list[bytes]:
        """Leaf hashes of neighbouring records, up to the first that is missing."""
        row = AuditRecordRow
        statement = (
            select(row.sequence, row.leaf_hash).where(row.sequence >= start, row.sequence < end).order_by(row.sequence)
        )
        async with self._database.read() as connection:
            found = (await connection.execute(statement)).all()
        return [leaf for place, (sequence, leaf) in enumerate(found, start) if place == sequence]
