"""The tree against the published values of the reference implementation of RFC 6962 (certificate-transparency)."""

import pytest

from meterworks.trust.audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    Subtree,
    consistency_holds,
    consistency_ranges,
    fold,
    inclusion_holds,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    proof,
)

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# Leaf (from 0) and size of the tree, then the path.
INCLUSION = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CONSISTENCY = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]


def hash_of(subtree: Subtree) -> bytes:
    """A complete subtree over the published leaves, by the definition."""
    if subtree.level == 0:
        return leaf_hash(LEAVES[subtree.index])
    left, right = (Subtree(subtree.level - 1, subtree.index * 2 + side) for side in (0, 1))
    return node_hash(hash_of(left), hash_of(right))


def root(size: int) -> bytes:
    return bytes.fromhex(ROOTS[size - 1])


def test_the_growing_tree_has_the_published_roots():
    frontier = Frontier()
    roots = []
    for leaf in LEAVES:
        frontier.append(leaf_hash(leaf))
        roots.append(frontier.root().hex())
    assert roots == ROOTS


def test_the_empty_tree_has_the_published_root():
    assert Frontier().root() == fold([]) == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(("index", "size", "path"), INCLUSION)
def test_inclusion_paths_are_the_published_ones(index, size, path):
    assert [entry.hex() for entry in proof(inclusion_ranges(index, size), hash_of)] == path


@pytest.mark.parametrize(("index", "size", "path"), INCLUSION)
def test_published_inclusion_paths_hold(index, size, path):
    leaf, octets = leaf_hash(LEAVES[index]), [bytes.fromhex(entry) for entry in path]
    assert inclusion_holds(index, size, leaf, octets, root(size))


@pytest.mark.parametrize(("old_size", "size", "path"), CONSISTENCY)
def test_consistency_paths_are_the_published_ones(old_size, size, path):
    assert [entry.hex() for entry in proof(consistency_ranges(old_size, size), hash_of)] == path


@pytest.mark.parametrize(("old_size", "size", "path"), CONSISTENCY)
def test_published_consistency_paths_hold(old_size, size, path):
    assert consistency_holds(old_size, size, root(old_size), root(size), [bytes.fromhex(entry) for entry in path])


@pytest.mark.parametrize("size", range(1, 9))
def test_every_leaf_of_every_tree_is_proved_and_no_other(size):
    for index in range(size):
        path = proof(inclusion_ranges(index, size), hash_of)
        leaf = leaf_hash(LEAVES[index])
        assert inclusion_holds(index, size, leaf, path, root(size))
        assert not inclusion_holds(index, size, leaf_hash(b"another"), path, root(size))
        assert not inclusion_holds(index, size, leaf, [*path, leaf], root(size))
        assert not inclusion_holds(size, size, leaf, path, root(size))


@pytest.mark.parametrize("size", range(1, 9))
def test_every_older_tree_is_the_start_and_no_other(size):
    for old_size in range(1, size):
        path = proof(consistency_ranges(old_size, size), hash_of)
        assert consistency_holds(old_size, size, root(old_size), root(size), path)
        assert not consistency_holds(old_size, size, EMPTY_ROOT, root(size), path)
        assert not consistency_holds(old_size, size, root(old_size), EMPTY_ROOT, path)
        assert not consistency_holds(old_size, size, root(old_size), root(size), [*path, EMPTY_ROOT])


def test_odd_questions_about_trees_do_not_hold():
    assert consistency_holds(0, 3, EMPTY_ROOT, root(3), [])
    assert not consistency_holds(4, 3, root(4), root(3), [])
    assert not consistency_holds(3, 7, root(3), root(7), [])
    assert consistency_ranges(3, 3) == []
    assert not inclusion_holds(0, 2, leaf_hash(b""), [EMPTY_ROOT, EMPTY_ROOT], root(2))


def test_a_node_cannot_be_shown_as_a_leaf():
    left, right = leaf_hash(LEAVES[0]), leaf_hash(LEAVES[1])
    assert leaf_hash(left + right) != node_hash(left, right)
