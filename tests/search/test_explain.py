"""How a query is understood, and what it costs: recorded before it is shown, as a search is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from infra import elastic_question
from infra.embedded.index import SqliteIndexSet
from schemas import limits
from schemas.errors import QueryError, Transient
from search import candidates, lists, machine
from search.access.viewer import operator
from search.audit import Auditor, AuditSettings
from search.explain import Explanation, Step, explain, lines
from search.follow import Follower, bind
from search.index import TooBroad
from search.lists import SavedList
from search.parse import parse
from search.query import Compiler, Near, TokenQuery, compile_query
from search.searcher import Language, Searcher
from search.stems import Stemmer
from tests.fakes.index import FakeIndexSet
from tests.search import world
from tests.search.test_evaluate import Vocabulary
from tests.search.test_searcher import MemoryRecorder
from tests.search.world import NOON, PROJECTOR, TOKENIZER, MemoryArchive

SCHEMA = Path(__file__).parents[2] / "docs" / "interface" / "explain.schema.json"
TEXTS = ("pay the invoice", "payment of an invoice", "paying tomorrow", "明天给我", "colours")


class OneList:
    """Implements `search.lists.Lists`."""

    def names(self) -> tuple[str, ...]:
        """See the port."""
        return ("money",)

    def get(self, name: str) -> SavedList | None:
        """See the port."""
        return lists.read(name, b"pay*\n\"an invoice\"\n") if name == "money" else None


class Office:
    """A searcher over a few messages, with all that the language needs."""

    def __init__(self, *texts: str) -> None:
        archive, indexes = MemoryArchive(), FakeIndexSet()
        self.recorder = MemoryRecorder()
        if texts:
            archive.seal([world.event(native_id=f"m{n}", text=text)
                          for n, text in enumerate(texts)])
            index = indexes.open(bind(indexes))
            Follower(archive, index, PROJECTOR).run_to_end()
            index.refresh()
        stems = Stemmer(["english"])
        self.searcher = Searcher(
            indexes, archive, TOKENIZER,
            Auditor(self.recorder, AuditSettings("longest", 8), lambda: NOON, bytes),
            language=Language(OneList(), stems, Vocabulary(texts)))

    def explain(self, query: str) -> Explanation:
        """By dana."""
        return self.searcher.explain(query, operator("dana"))


def test_every_part_is_said_with_what_it_finds() -> None:
    """The tree in words; what patterns stand for; documents of each leaf alone."""
    told = Office(*TEXTS).explain(
        '@money NOT (colour~1 w/5 stem:pay) OR 天 direction:in from:ann date:2026-01-15..')
    assert [
        "finds 4 documents; its patterns stand for 6 words; documents that may match are read one "
        "by one",
        "  any of",
        "    all of",
        "      any of the 2 lines of @money",
        "        words like pay* [@money line 1]; 3 documents; "
        "pay* = 3 words (pay, paying, payment)",
        "        side by side: the word an, the word invoice [@money line 2]; 1 document",
        "      not",
        "        at most 5 apart, in any order; 0 documents",
        "          words at most 1 letter from colour; 1 document; "
        "colour~1 = 1 word (colours)",
        "          forms of pay; 2 documents; stem:pay = 2 words (pay, paying)",
        "    all of",
        "      the character 天; 1 document",
        "      direction is in; 5 documents",
        "      written by ann; 5 documents",
        "      sent from 2026-01-15 00:00 UTC; 5 documents",
    ] == lines(told)


def test_an_explanation_is_recorded_before_it_is_shown() -> None:
    """It tells what was said, and how often: a look. Which lists were used is part of it."""
    office = Office(*TEXTS)
    told = office.explain("@money")
    (audit,) = office.recorder.recorded
    found = OneList().get("money")
    assert found is not None
    assert {"action": "explain", "total": "3", "lists": f"money:{found.digest}"} == dict(
        audit.details)
    assert ("@money", 3) == (audit.text, told.total)
    office.recorder.down = True
    with pytest.raises(Transient, match="explain could not be recorded"):
        office.explain("pay")


def test_a_search_with_patterns_and_lists_is_answered_and_recorded() -> None:
    """Found by what the patterns stand for, highlighted, and the list's content is evidence."""
    office = Office(*TEXTS)
    answer = office.searcher.search("@money w/3 stem:invoices", operator("dana"))
    assert {"pay the invoice", "payment of an invoice"} == {hit.text for hit in answer.hits}
    assert {((0, 3), (8, 15)), ((0, 7), (14, 21))} == {hit.highlights for hit in answer.hits}
    assert (office.recorder.recorded[-1].detail("lists") or "").startswith("money:")
    assert 1 == office.searcher.search('明 w/2 给', operator("dana")).total


def test_to_be_told_that_there_is_too_much_is_a_look() -> None:
    """How many words a pattern stands for is recorded; an unreadable query is not."""
    office = Office(" ".join(f"pay{n}" for n in range(limits.QUERY_EXPANSION_MAX + 1)))
    for ask in (office.explain, lambda query: office.searcher.search(query, operator("dana"))):
        with pytest.raises(QueryError, match=r"pay\* stands for 1,025 words"):
            ask("pay*")
        assert "1,025 words" in (office.recorder.recorded[-1].detail("refused") or "")
        with pytest.raises(QueryError):
            ask("(pay")
    assert ["search", "explain"] == sorted(
        (one.detail("action") or "" for one in office.recorder.recorded), reverse=True)


def test_before_anything_is_indexed_nothing_is_found() -> None:
    """And the query is explained all the same."""
    told = Office().explain("pay w/2 now")
    assert (0, 0, False) == (told.total, told.words, told.is_checked)
    assert [0, 0] == [one.documents for one in told.root.steps]


def test_what_is_too_much_to_look_at_is_not_counted() -> None:
    """The rest of the explanation stands; a search for it would be refused, and recorded."""
    class Broad:
        def count(self, query: TokenQuery) -> int:
            if isinstance(query.root, Near):
                raise TooBroad
            return 7

        def is_checked(self, query: TokenQuery) -> bool:
            return True

    told = explain(parse("a w/5 b"), Compiler("a w/5 b", TOKENIZER), Broad())
    assert (None, [7, 7]) == (told.total, [one.documents for one in told.root.steps])
    assert "finds more than can be looked at; documents that may match are read one by one" == (
        lines(told)[0])


def test_only_so_many_leaves_are_counted() -> None:
    """A list of a thousand words is no thousand questions."""
    told = Office("w1").explain(" OR ".join(f"w{n}" for n in range(limits.EXPLAIN_LEAVES_MAX + 1)))
    counts = [one.documents for one in told.root.steps]
    assert (1, None, 1) == (sum(one or 0 for one in counts), counts[-1], told.total)


@pytest.mark.parametrize("query", ["*", "天", "a w/2 (b OR co*)", "@money NOT state:live pay~1"])
def test_its_json_is_as_stated(query: str) -> None:
    """docs/interface/explain.schema.json, nested as the tree is."""
    schema = json.loads(SCHEMA.read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    told = Office(*TEXTS).explain(query)
    line = json.loads(json.dumps(machine.explanation(told)))
    Draft202012Validator(schema).validate(line)

    def places(step: Step) -> bool:
        return 0 <= step.start < step.end <= len(query) and all(map(places, step.steps))
    assert places(told.root)


def test_an_index_says_whether_it_reads_documents_one_by_one(tmp_path: Path) -> None:
    """Words and phrases never; a near inside a near always."""
    indexes = SqliteIndexSet(tmp_path)
    index = indexes.open(bind(indexes))
    for query, expected in (("pay", False), ('"pay now" OR a', False), ("a w/2 b w/2 c", True)):
        assert expected == index.is_checked(compile_query(query, TOKENIZER)[1])
        assert expected == elastic_question.question(candidates.reduced(
            compile_query(query, TOKENIZER)[1].root), elastic_question.POSITIONS_MAX).is_checked
    index.close()
