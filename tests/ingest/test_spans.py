"""Where items lie in a JSON delivery, also in a broken one."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import spans
from ingest.spans import Broken, Node, Shape
from ingest.values import DECODER
from schemas.limits import JSON_DEPTH_MAX

ITEMS = Shape(members={"items": Shape(element=Shape(marks=("id",), fences=("items",)))})
NESTED = Shape(members={"boxes": Shape(element=Shape(
    members={"items": ITEMS.members["items"]}, marks=("items",)))})


def items(body: bytes, shape: Shape = ITEMS) -> list[bytes]:
    """The readable items of a body, as their bytes."""
    root = spans.walk(body, shape).root
    assert root is not None
    boxes = [one for node in root.all("boxes") for one in node.elements] or [root]
    return [body[one.start:one.end] for box in boxes for node in box.all("items")
            for one in node.elements]


def broken(body: bytes, shape: Shape = ITEMS) -> list[bytes]:
    """The unreadable ranges of a body, as their bytes."""
    return [body[one.start:one.end] for one in spans.walk(body, shape).broken]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner,
                                                                 max_size=3),
    max_leaves=8,
)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(_JSON, max_size=5), st.booleans(), st.sampled_from([None, 1]))
def test_ranges_are_exact(listed: list[Any], ascii_only: bool, indent: int | None) -> None:
    """Whatever the spelling, each range holds the JSON of its item and no byte more."""
    body = json.dumps({"a": 1, "items": listed, "z": {"items": [0]}},
                      ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    found = items(body)
    assert listed == [json.loads(one.decode("utf-8", "surrogatepass")) for one in found]
    assert all(one == one.strip() for one in found)
    assert [] == broken(body)


def test_offsets_are_bytes_not_characters() -> None:
    """Text of several bytes a character before an item does not move its range."""
    body = '\ufeff{"n":"\U0001f600\u00e9","items":[{"id":"\u00e9"}]}'.encode()
    assert ['{"id":"\u00e9"}'.encode()] == items(body)


@pytest.mark.parametrize(("body", "found", "lost"), [
    (b'{"items":[{"id":1},{"id":2 "x":1},{"id":3}]}', [b'{"id":1}', b'{"id":3}'],
     [b'{"id":2 "x":1}']),
    (b'{"items":[{"id":1},{"id":"2},{"id":3}]}', [b'{"id":1}', b'{"id":3}'], [b'{"id":"2}']),
    (b'{"items":[{"id":1},{"id":2,{"id":3}]}', [b'{"id":1}', b'{"id":3}'], [b'{"id":2']),
    (b'{"items":[{"id":1}},{"id":3}]}', [b'{"id":1}', b'{"id":3}'], [b'}']),
    (b'{"items":[{"id":1}{"id":3}]}', [b'{"id":1}', b'{"id":3}'], []),
    (b'{"items":[{"id":1},,{"id":3},]}', [b'{"id":1}', b'{"id":3}'], []),
    (b'{"items":[{"id":1},nonsense,{"id":3}]}', [b'{"id":1}', b'{"id":3}'], [b'nonsense']),
    (b'{"items":[{"id":1},{"id":2,"t":"x', [b'{"id":1}'], [b'{"id":2,"t":"x']),
    (b'{"items":[{"id":1}', [b'{"id":1}'], []),
    (b'{"a":1 "items":[{"id":1}]}', [b'{"id":1}'], []),
    (b'{"items":[{"id":1}]} and more', [b'{"id":1}'], [b' and more']),
    (b'{"items":[{"id":1},"x},{"id":3}]}', [b'{"id":1}', b'{"id":3}'], [b'"x}']),
])
def test_what_stands_around_a_break_is_saved(body: bytes, found: list[bytes],
                                             lost: list[bytes]) -> None:
    """Items before and after broken JSON are read; the broken bytes are handed out."""
    assert found == items(body)
    assert lost == broken(body)


def test_text_that_looks_like_an_item_is_none() -> None:
    """What somebody wrote cannot become an item, not even behind a break."""
    forged = json.dumps({"id": 2, "text": ',{"id":"forged"},{"id":"again"}'})[:-1]
    body = ('{"items":[{"id":1},' + forged + ',{"id":3}]}').encode()
    assert [b'{"id":1}', b'{"id":3}'] == items(body)


def test_nothing_is_taken_over_a_fence() -> None:
    """An item behind a key that begins another container is not this array's."""
    body = b'{"boxes":[{"items":[{"id":1},{"id"},"items":[{"id":2}]}]}'
    assert [b'{"id":1}'] == items(body, NESTED)


def test_walk_goes_on_at_the_next_container() -> None:
    """A container that breaks costs itself; the next one that reads is read."""
    body = b'{"boxes":[{"items":[{"id":1},{"id":"x]},{"items":[{"id":2}]}]}'
    assert [b'{"id":1}', b'{"id":2}'] == items(body, NESTED)
    assert [b'{"id":"x]}'] == broken(body, NESTED)


@pytest.mark.parametrize("body", [b"", b" ", b"[]", b"null", b'"x"', b"\xff\xfe{", b"a=b",
                                  b"[" * 100_000])
def test_what_is_no_object_is_broken_whole(body: bytes) -> None:
    """A body that is no JSON object has no root and is one broken range."""
    assert spans.Walk(None, (Broken(0, len(body), "not a JSON object"),)) == \
        spans.walk(body, ITEMS)


def test_depth_is_limited() -> None:
    """The limit counts the containers around an item; a deeper item costs itself only."""
    deepest = b"[" * (JSON_DEPTH_MAX - 3) + b"]" * (JSON_DEPTH_MAX - 3)
    body = b'{"items":[{"id":' + deepest + b'},{"id":[' + deepest + b']},{"id":3}]}'
    assert [b'{"id":' + deepest + b'}', b'{"id":3}'] == items(body)
    inner = b'{"id":2,"x":[' + deepest + b'],"y":[1,{"id":9}]}'
    assert [b'{"id":3}'] == items(b'{"items":[' + inner + b',{"id":3}]}')
    bottomless = b'{"items":[{"id":' + b"[" * 5000 + b"]" * 5000 + b'},{"id":3}]}'
    assert [b'{"id":3}'] == items(bottomless)


def test_items_are_limited() -> None:
    """Above the limit the rest is one range, not thousands."""
    body = b'{"items":[' + b",".join([b'{"id":1}'] * 30) + b'],"more":1}'
    walked = spans.walk(body, ITEMS, items_max=10)
    assert walked.root is not None and walked.root.members[0][1].elements[-1].end < len(body)
    assert 10 == len(walked.root.members[0][1].elements)
    assert ["more items than a delivery may hold"] == [one.reason for one in walked.broken]
    assert len(body) == walked.broken[0].end


def test_repeated_keys_are_all_seen() -> None:
    """JSON allows a key twice: no list hides behind another of the same name."""
    assert [b'{"id":1}', b'{"id":2}'] == items(b'{"items":[{"id":1}],"items":[{"id":2}]}')


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(alphabet='{}[]",:\\1a \u00e9', max_size=60), st.text(max_size=4))
def test_any_text_is_walked(noise: str, tail: str) -> None:
    """Never an exception; ranges lie in the body, in order, and do not overlap."""
    for body in (noise.encode(), f'{{"items":[{noise}]}}{tail}'.encode("utf-8", "surrogatepass"),
                 f'{{"boxes":[{{"items":[{noise},{{"id":1}}'.encode()):
        walked = spans.walk(body, NESTED)
        ranges = sorted([(one.start, one.end) for one in walked.broken]
                        + [(one.start, one.end) for one in leaves(walked.root)])
        assert all(0 <= start <= end <= len(body) for start, end in ranges)
        assert all(one[1] <= two[0] for one, two in pairwise(ranges))


_HEAD = b'{"boxes":[{"items":['
_ESCAPED = b'{"it\\u0065ms":[],"x":1},'


@pytest.mark.parametrize("piece", [
    b'{"id":]},{"id":""},',
    b'{"a":x {"id":1},',
    b'{"a":[{"id":1},{"p":"%s"},' % (b"x" * 200),
    b'[{"id":1},"%s",' % (b"x" * 200),
    b'{"id":"%s},' % (b"x" * 200),
    b'x%s{"id":1},' % (b" " * 200),
    b'{"items":[x' + _ESCAPED,
    b'[[[[{"id":1},',
    b'"x},{"id":1},',
])
def test_a_body_of_breaks_costs_no_square_of_it(piece: bytes) -> None:
    """However a body is broken, each of its characters is looked at a bounded number of times, and
    it is all there: in an item or in a broken range."""
    for count in (300, 1_200):
        body = _HEAD + piece * count
        walked = spans.walk(body, NESTED)
        assert walked.looked_at <= (spans.LOOKS_PER_BYTE + 6) * len(body)
        assert walked.broken or leaves(walked.root)


def test_a_thousand_broken_items_cost_no_neighbour() -> None:
    """Each break is got over by itself: every sound item behind one is read."""
    body = _HEAD + b'{"id":]},{"id":""},' * 1_000 + b"]}]}"
    assert [b'{"id":""}'] * 1_000 == items(body, NESTED)
    assert spans.walk(body, NESTED).looked_at <= 8 * len(body)


def test_an_error_counts_no_lines() -> None:
    """`json` looks for line breaks in all that stands before an error: in a body, it finds none."""
    with pytest.raises(json.JSONDecodeError) as raised:
        DECODER.raw_decode(spans._Text("\n\n\n]"), 3)
    assert (1, 3) == (raised.value.lineno, raised.value.pos)


def leaves(node: Node | None) -> list[Node]:
    """Every readable element that is a leaf."""
    if node is None:
        return []
    below = [one for _, held in node.members for one in leaves(held)]
    below += [found for one in node.elements for found in (
        [one] if one.kind == "leaf" else leaves(one))]
    return below


@given(st.dictionaries(st.text(max_size=4), _JSON, max_size=4), st.booleans())
@settings(max_examples=150)
def test_a_leafs_value_is_what_its_bytes_say(members: dict[str, Any], escaped: bool) -> None:
    """Kept where Latin-1 and UTF-8 are one; where they are not, nobody is told anything."""
    body = json.dumps(members, ensure_ascii=escaped).encode("utf-8")
    root = spans.walk(body, ITEMS).root
    assert root is not None
    leaves = [node for _, node in root.members if node.kind == "leaf"]
    for node in leaves:
        if body.isascii():
            assert node.value == DECODER.decode(body[node.start:node.end].decode())
        else:
            assert node.value is spans.UNREAD


def test_the_values_of_a_large_body_are_not_kept() -> None:
    """They take many times its bytes."""
    root = spans.walk(json.dumps({"a": "x" * 70_000, "b": 1}).encode(), ITEMS).root
    assert root is not None
    assert [node.value for _, node in root.members] == [spans.UNREAD, spans.UNREAD]
