"""Tiles, bundles and their paths, by C2SP tlog-tiles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive.tlog import tiles
from archive.tlog.tiles import Tile
from schemas.errors import Refused

SHARED = Path(__file__).parents[4] / "shared" / "vectors" / "tlog_vectors.json"
# The specification's own examples.
PATHS = {0: "000", 999: "999", 1000: "x001/000", 1234067: "x001/x234/067"}
SIZES = {70_000: [(0, 273, 112), (1, 1, 17), (2, 0, 1)], 256: [(0, 1, 0), (1, 0, 1)], 0: [],
         1: [(0, 0, 1)]}


def counted(size: int) -> list[tuple[int, int, int]]:
    """(level, full tiles, width of the partial one) of a tree."""
    out: dict[int, list[int]] = {}
    for tile in tiles.tiles_of(size):
        entry = out.setdefault(tile.level, [0, 0])
        if tile.width == 256:
            entry[0] += 1
        else:
            entry[1] = tile.width
    return [(level, full, width) for level, (full, width) in sorted(out.items())]


@pytest.mark.parametrize("index", PATHS)
def test_an_index_is_spelled_in_groups_of_three(index: int) -> None:
    """All but the last begin with an x."""
    assert PATHS[index] == tiles.index_path(index)


@pytest.mark.parametrize("size", SIZES)
def test_a_tree_has_the_tiles_of_the_specification(size: int) -> None:
    """Full ones and at most one partial one a level; never an empty one."""
    assert SIZES[size] == counted(size)


@pytest.mark.allowed_skip("the shared vectors are not part of the repository")
def test_the_shared_vectors_agree() -> None:
    """Paths and counts of the published file."""
    if not SHARED.exists():
        pytest.skip("no shared vectors")
    read = json.loads(SHARED.read_text("utf-8"))
    for index, path in read["tile_index_path"].items():
        assert path == tiles.index_path(int(index))
    for size, wanted in read["tiles_for_size"].items():
        if size.isdecimal():
            assert [tuple(one) for one in wanted] == counted(int(size))


@given(st.integers(-1, 63), st.integers(0, 10**12), st.integers(1, 256))
def test_every_path_reads_back(level: int, index: int, width: int) -> None:
    """One tile, one spelling."""
    tile = Tile(level, index, width)
    assert tile == tiles.read_path(tile.path())


@pytest.mark.parametrize("path", [
    "tile/0/00", "tile/0/x000/000", "tile/00/000", "tile/64/000", "tile/0/001/000",
    "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/300", "tile/0/000.p/01",
    "tile/entries/000.p/", "tile/0/", "", "tile/-1/000", "tile/0/000/x001", "checkpoint"])
def test_another_spelling_is_no_path(path: str) -> None:
    """Two names for one tile would be two tiles."""
    assert tiles.read_path(path) is None


@given(st.integers(0, 200_000), st.integers(0, 70_000))
def test_growing_completes_each_full_tile_once(old: int, more: int) -> None:
    """What is complete later and was not before; nothing twice, nothing left out."""
    def full(size: int) -> set[Tile]:
        return {tile for tile in tiles.tiles_of(size) if tile.width == 256}

    made = list(tiles.completed(old, old + more))
    assert len(made) == len(set(made))
    assert set(made) == full(old + more) - full(old)


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=256))
def test_a_bundle_reads_back(entries: list[bytes]) -> None:
    """Entry by entry; cut or longer it is refused."""
    body = tiles.encode_bundle(entries)
    assert tuple(entries) == tiles.decode_bundle(body, len(entries))
    for other in (body[:-1], body + b"\x00", body + b"\x00\x00"):
        with pytest.raises(Refused, match="tlog_tile"):
            tiles.decode_bundle(other, len(entries))


def test_a_tile_reads_back_and_another_width_is_refused() -> None:
    """8,192 bytes are a full one."""
    hashes = tuple(bytes([number]) * 32 for number in range(256))
    body = tiles.encode_tile(hashes)
    assert 8192 == len(body)
    assert hashes == tiles.decode_tile(body)
    for other in (body[:-1], body[:-32], b""):
        with pytest.raises(Refused, match="tlog_tile"):
            tiles.decode_tile(other)


def test_an_entry_that_no_bundle_holds_is_never_written() -> None:
    """65,535 bytes are the most."""
    assert 65_537 == len(tiles.encode_bundle([bytes(65_535)]))
    with pytest.raises(AssertionError):
        tiles.encode_bundle([bytes(65_536)])
