"""Saved lists: what `@name` stands for, and where its errors point."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from infra.lists import ListFolder
from schemas import limits
from schemas.errors import QueryError, Refused
from search import lists
from search.lists import Line, SavedList
from search.parse import parse
from search.query import compile_query
from search.tree import And, Near, Or, Text, leaves, saved_lists
from search.vocabulary import TooMany
from search.words import Exact, Slot, Wild
from tests.search.world import TOKENIZER


class MemoryLists:
    """Lists by name. Implements `search.lists.Lists`."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def names(self) -> tuple[str, ...]:
        """See the port."""
        return tuple(sorted(self._texts))

    def get(self, name: str) -> SavedList | None:
        """See the port."""
        return lists.read(name, self._texts[name].encode()) if name in self._texts else None


FRAUD = MemoryLists({
    "fraud": "# changed payment details\nnew account\n\n  \"our bank\" w/5 changed\n@money\n",
    "money": "pay*\nwire\n", "bad": "wire\nmoney w/0 now\n", "ring": "x\n@gnir", "gnir": "@ring",
    "worse": "@bad", "empty": "# nothing yet\n", "names": "from:ann",
    "spaced": "pay now",
})


def test_a_list_stands_for_any_of_its_lines() -> None:
    """Comments and empty lines are none; lists may stand in lists; each leaf says whence it is and
    stands where the query called for it."""
    tree = parse("urgent @fraud", lists=FRAUD)
    assert isinstance(tree, And)
    saved = tree.children[1]
    assert isinstance(saved, Or)
    assert [And, Near, Or] == [type(one) for one in saved.children]
    assert {(7, 13)} == {(one.start, one.end) for one in leaves(saved)}
    assert ["@fraud line 2", "@fraud line 2", "@fraud line 4", "@fraud line 4", "@money line 1",
            "@money line 2"] == [one.origin for one in leaves(saved) if isinstance(one, Text)]


def test_a_list_may_be_near_something() -> None:
    """When its lines are words, phrases and such; else the line is named."""
    tree = parse("@money w/3 now", lists=FRAUD)
    assert isinstance(tree, Near)
    assert isinstance(tree.left, Or)
    assert [Text((Wild("pay*"),), "", 0, 6, "@money line 1"),
            Text((Exact("wire"),), "", 0, 6, "@money line 2")] == list(leaves(tree.left))
    for query, says in (("now w/3 @names", "write a"), ("now w/3 @spaced", "@spaced line 1: AND")):
        with pytest.raises(QueryError) as caught:
            parse(query, lists=FRAUD)
        assert 8 == caught.value.position
        assert says in caught.value.message or "w/3 takes words" in caught.value.message


@pytest.mark.parametrize(("query", "at", "says"), [
    ("x @nobody", 2, "there is no list @nobody; known lists: @bad @empty @fraud"),
    ("x @bad", 2, "in the list @bad line 2, character 9: expected how many words apart"),
    ("@worse", 0, "in the list @worse line 1, character 1: in the list @bad line 2, character 9:"),
    ("a (@ring)", 3, "this list holds itself: @ring holds @gnir holds @ring"),
    ("@empty", 0, "the list @empty cannot be used: it has no line that is not a comment"),
    ("@../x", 0, "there is no list @../x"),
])
def test_an_error_names_the_list_and_the_line(query: str, at: int, says: str) -> None:
    """And points at the name in the query."""
    with pytest.raises(QueryError, match=re.escape(says)) as caught:
        parse(query, lists=FRAUD)
    assert (query, at) == (caught.value.query, caught.value.position)


def test_lists_are_bounded() -> None:
    """In depth, and in terms with all that the query holds itself."""
    deep = MemoryLists({f"l{n}": f"@l{n + 1}" for n in range(20)} | {"l20": "x"})
    assert ["@l20 line 1"] == [one.origin for one in leaves(parse("@l13", lists=deep))
                               if isinstance(one, Text)]
    with pytest.raises(QueryError, match="8 deep"):
        parse("@l12", lists=deep)
    doubling = MemoryLists({f"l{n}": f"@l{n + 1}\n" * 8 for n in range(7)} | {"l7": "x\n" * 8})
    with pytest.raises(QueryError, match="1000 terms, not more, those of its lists included"):
        parse("@l0", lists=doubling)
    brackets = MemoryLists({"a": "(" * 30 + "@b" + ")" * 30, "b": "(" * 30 + "x" + ")" * 30})
    with pytest.raises(QueryError, match="40 deep"):
        parse("@a", lists=brackets)


def test_the_lists_of_a_query_are_known_with_their_content() -> None:
    """A list may change: what was asked is evidence."""
    used = saved_lists(parse("a OR NOT @fraud", lists=FRAUD))
    assert {"fraud", "money"} == set(used)
    assert sha256(b"pay*\nwire\n").hexdigest() == used["money"]


def test_a_pattern_of_a_list_that_is_too_wide_is_named() -> None:
    """The error points at the list's name, and says which line of it."""
    class Wide:
        def expand(self, slot: Slot, terms_max: int) -> tuple[str, ...]:
            raise TooMany(5_000, terms_max)

        def read(self) -> None:
            pass

    with pytest.raises(QueryError, match=r"pay\* \(@money line 1\) stands for 5,000") as caught:
        compile_query("x @money", TOKENIZER, lists=FRAUD, expander=Wide())
    assert 2 == caught.value.position


@pytest.mark.parametrize(("body", "says"), [
    (b"", "no line that is not a comment"),
    (b"pay\n\xff", "no UTF-8 at byte 4"),
    (b"x\n" * limits.LIST_BYTES_MAX, "more than"),
])
def test_a_file_that_is_no_list_is_refused(body: bytes, says: str) -> None:
    """With the reason."""
    with pytest.raises(Refused, match=says):
        lists.read("x", body)


def test_a_file_is_read_as_an_editor_shows_it() -> None:
    """A byte order mark, Windows line ends and spaces at the ends are no part of a line."""
    found = lists.read("x", b"\xef\xbb\xbf# one\r\n  pay \r\n\r\n\tnow")
    assert (Line(2, "pay"), Line(4, "now")) == found.lines


def test_lists_lie_in_a_folder(tmp_path: Path) -> None:
    """Read when asked for; a name never leaves the folder, and only NAME.txt is a list."""
    folder = ListFolder(tmp_path / "lists")
    assert () == folder.names()
    assert folder.get("fraud") is None
    (tmp_path / "lists" / "dir.txt").mkdir(parents=True)
    (tmp_path / "lists" / "fraud.txt").write_text("pay\n", "utf-8")
    (tmp_path / "lists" / "notes.md").write_text("x", "utf-8")
    (tmp_path / "lists" / "a b.txt").write_text("x", "utf-8")
    (tmp_path / "secret.txt").write_text("x", "utf-8")
    assert ("dir", "fraud") == folder.names()
    found = folder.get("fraud")
    assert found is not None
    assert ("fraud", (Line(1, "pay"),)) == (found.name, found.lines)
    assert [None] * 4 == list(map(folder.get, ("dir", "../secret", "a b", "")))
    (tmp_path / "lists" / "fraud.txt").write_bytes(b"x" * (limits.LIST_BYTES_MAX + 1))
    with pytest.raises(Refused, match="more than"):
        folder.get("fraud")
