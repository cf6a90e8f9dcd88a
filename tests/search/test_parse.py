"""The query language: what it means, and where its errors point."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import events, limits
from schemas.errors import QueryError
from search import query
from search.parse import parse
from search.query import All, Phrase, TokenQuery, compile_query
from search.tokens import Wanted
from search.tree import (
    And,
    Dates,
    Everything,
    Marked,
    Near,
    Not,
    Or,
    Party,
    Text,
    Tree,
    Value,
    leaves,
    nodes,
)
from search.words import describe
from tests.search import strategies, world

DAY_MS = 86_400_000


def shape(tree: Tree) -> str:
    """A tree in brackets."""
    if isinstance(tree, And | Or):
        operator = " AND " if isinstance(tree, And) else " OR "
        return "(" + operator.join(map(shape, tree.children)) + ")"
    if isinstance(tree, Not):
        return f"NOT {shape(tree.child)}"
    if isinstance(tree, Near):
        return f"<{shape(tree.left)} {'pre' if tree.ordered else 'w'}{tree.distance} " \
               f"{shape(tree.right)}>"
    if isinstance(tree, Text):
        return tree.unit or "_".join(map(describe, tree.slots))
    if isinstance(tree, Marked):
        return " & ".join(".".join(label) for label in tree.labels)
    if isinstance(tree, Party):
        return f"{tree.side}={tree.value}"
    if isinstance(tree, Value):
        return f"{tree.name}={tree.value}"
    return "*" if isinstance(tree, Everything) else "date"


@pytest.mark.parametrize(("text", "expected"), [
    ("pay", "pay"),
    ("pay now", "(pay AND now)"),
    ("pay AND now", "(pay AND now)"),
    ("a OR b c", "(a OR (b AND c))"),
    ("a b OR c d", "((a AND b) OR (c AND d))"),
    ("a NOT b", "(a AND NOT b)"),
    ("a AND NOT b", "(a AND NOT b)"),
    ("NOT a b", "(NOT a AND b)"),
    ("NOT (a OR b)", "NOT (a OR b)"),
    ("a OR NOT b", "(a OR NOT b)"),
    ("((a))", "a"),
    ("or and not", "(or AND and AND not)"),
    ('"AND" x', "(and AND x)"),
    ('"pay the invoice"', "pay_the_invoice"),
    ("\u201cpay now\u201d", "pay_now"),
    ('"say \\"pay\\""', "say_pay"),
    ("don't", "don_t"),
    ("user@example.com", "user_example_com"),
    ("明天见", "明天_天见"),
    ("天", "天"),
    ("👍", "👍"),
    ("10:30", "10_30"),
    ("*", "*"),
    ("* NOT pay", "(* AND NOT pay)"),
    ("from:carol", "from=carol"),
    ('FROM:"Ann Lee"', "from=Ann Lee"),
    ('to:"+1 (650) 555-1234" x', "(to=+1 (650) 555-1234 AND x)"),
    ("(state:RETRACTED)", "state=retracted"),
    ("kind:audit channel:SMS", "(kind=audit AND channel=sms)"),
    ("conversation:0123456789abcdef", "conversation=0123456789abcdef"),
    ("conversation:group:120363-1@g.us", "conversation=group:120363-1@g.us"),
    ('conversation:"group:a*b"', "conversation=group:a*b"),
    ("from:us.1349120865 with:C-01", "(from=us.1349120865 AND with=C-01)"),
    ('from:"maria*" to:"who?"', "(from=maria* AND to=who?)"),
    ("a\u3000b", "(a AND b)"),
    ('"why?" "pay*"', "(why AND pay)"),
    # words of which only a part is known
    ("pay*", "pay*"),
    ("*PAY p?Y pa*ent", "(*pay AND p?y AND pa*ent)"),
    ("pa***y", "pa*y"),
    ("user@exam*.com", "user_exam*_com"),
    ("\uff50\uff41*", "pa*"),
    ("été\u200b*", "été*"),
    ("colour~1 OR straße~2", "(colour~1 OR strasse~2)"),
    ("stem:Paying", "stem:paying"),
    ('stem:"pay"', "stem:pay"),
    ("*️⃣", "*⃣"),
    ("why？", "why"),
    # scripts without spaces: a star at an end says nothing new
    ("给我*", "给我"),
    ("*给我*", "给我"),
    ("我*", "我"),
    ("*我abc", "我_abc"),
    ("*pay我", "*pay_我"),
    # near
    ("a w/5 b", "<a w5 b>"),
    ("a W/5 b PRE/250 c", "<<a w5 b> pre250 c>"),
    ("a b w/5 c OR d", "((a AND <b w5 c>) OR d)"),
    ("NOT a w/5 b", "NOT <a w5 b>"),
    ("a NOT b w/5 c", "(a AND NOT <b w5 c>)"),
    ("a w/5 (b pre/2 c)", "<a w5 <b pre2 c>>"),
    ('(a OR "b c" OR pay*) w/3(d)', "<(a OR b_c OR pay*) w3 d>"),
    ("stem:pay w/3 colour~1", "<stem:pay w3 colour~1>"),
    ("天 w/1 明天见", "<天* w1 明天_天见>"),
    ("x w/1 (我* OR y)", "<x w1 (我* OR y)>"),
    ('"w/5" "pre/3"', "(w_5 AND pre_3)"),
    ("w/o", "w_o"),
    # fields of the whole message
    ("direction:IN", "direction=in"),
    ("attachment:yes attachment:PDF", "(attachment.any AND attachment.pdf)"),
    ('attachment:invoice attachment:"final PDF"',
     "(attachment.name.invoice AND attachment.name.final & attachment.name.pdf)"),
    ("attachment:invoice.pdf", "attachment.name.invoice & attachment.name.pdf"),
    ("pattern:IBAN", "pattern.iban"),
    ("pattern:iban=DE89370400440532013000", "pattern.iban.DE89370400440532013000"),
    ('pattern:iban="DE89 3704 0044 0532 0130 00"', "pattern.iban.DE89370400440532013000"),
    ("flag:off-channel flag:off-channel=3 flag:*",
     "(flag.off-channel AND flag.off-channel.3 AND flag)"),
])
def test_a_query_means(text: str, expected: str) -> None:
    """NOT before AND before OR; words side by side are AND."""
    assert expected == shape(parse(text))


@pytest.mark.parametrize(("text", "at", "says"), [
    ("", 0, "expected something to search for"),
    ("   ", 3, "expected something to search for"),
    ("a OR", 4, "expected a word"),
    ("OR a", 0, "before OR"),
    ("a AND OR b", 6, "before OR"),
    ("a (b", 2, "never closed"),
    ("a)", 1, "closes nothing"),
    ("()", 1, "before )"),
    ('a "b', 2, "never closed"),
    ("NOT", 3, "expected a word"),
    ("x form:ann", 2, "no field form:"),
    ("https://a.b", 0, "known fields: from: to:"),
    ("from: ann", 5, "a value after from:"),
    ('from:""', 5, "a value after from:"),
    ("from:(a OR b)", 5, "one value after from:"),
    ("from:--", 5, "a name, a number or an id"),
    ("to:+1 650", 3, "quote one that has spaces"),
    ("pay from:maria*", 14, "whole words of a name"),
    ("to:mar?a", 6, "whole words of a name"),
    ("with:~1", 5, "whole words of a name"),
    ("from:+1650*", 10, "a whole number or id"),
    ("conversation:0123*", 17, "16 hexadecimal digits"),
    ("conversation:gr?up:1", 15, "its whole id as shown"),
    ("pay state:gone", 10, "live edited retracted"),
    ("kind:mail", 5, "expected one of"),
    ("channel:a/b", 8, "a channel"),
    ("date:soon", 5, "expected a date"),
    ("date:2026-13", 5, "no such day"),
    ("date:2026-02-30", 5, "no such day"),
    ("date:2026-02-03..x", 17, "expected a date"),
    ("date:2026-02-03..2026-02-01", 17, "not to be before"),
    ("date:..", 5, "expected a date"),
    ("date:0001", 5, "a year from"),
    ('date:"soon"', 6, "expected a date"),
    ("a* b", 1, "at least 2 letters beside *"),
    ("x a?", 3, "at least 2 letters beside ?"),
    ("don't*", 5, "at least 2 letters"),
    ("x-*-y", 2, "at least 2 letters"),
    ("**", 0, "at least 2 letters"),
    ("p" * 101 + "*", 0, "more than 100 letters"),
    ("pay 给*我", 5, "one w/5 other"),
    ("给?", 1, "one w/5 other"),
    ("pay*元", 3, "one w/5 other"),
    ("x 给我~1", 4, "one w/5 other"),
    ("pay*👍", 3, "between a word and an emoji"),
    ('"pay now"*', 9, "outside quotes"),
    ('"pay now"~5', 9, "one w/5 other"),
    ('*"pay now"', 0, "outside quotes"),
    ("colour~", 6, "expected ~1 or ~2"),
    ("colour~3", 6, "expected ~1 or ~2"),
    ("10~20", 2, "expected ~1 or ~2"),
    ("a " + "b~" + "9" * 5000, 3, "expected ~1 or ~2"),
    ("pay*~1", 4, "a whole word"),
    ("don't~1", 5, "one word of letters"),
    ("👍~1", 1, "one word of letters"),
    ("ab~1", 2, "at least 3 letters"),
    ("abc~2", 3, "at least 4 letters"),
    ("stem:don't", 5, "one word of letters after stem:"),
    ("stem:pay*", 5, "one word of letters after stem:"),
    ("stem:天", 5, "one word of letters after stem:"),
    ("a w/0 b", 4, "1 to 250"),
    ("a w/251 b", 4, "1 to 250"),
    ("a w/ b", 4, "1 to 250"),
    ("a pre/" + "9" * 5000 + " b", 6, "1 to 250"),
    ("a near/5 b", 2, "write w/5"),
    ("w/5 b", 0, 'write "w/5"'),
    ("a w/5", 5, "expected a word"),
    ("a w/5 w/5 b", 6, "before w/5"),
    ("a AND w/5 b", 6, "before w/5"),
    ("a w/5 NOT b", 6, "one NOT (one w/5 other)"),
    ("a NOT w/5 b", 6, "one NOT (one w/5 other)"),
    ("a w/5 (b c)", 7, "write (a w/5 b) AND (a w/5 c)"),
    ("(a OR (b AND c)) w/5 d", 7, "AND cannot stand inside w/5"),
    ("a w/5 (b OR NOT c)", 12, "NOT cannot stand inside w/5"),
    ("a w/5 from:ann", 6, "(a w/5 b) from:carol"),
    ("date:2026 pre/5 a", 0, "(a pre/5 b) from:carol"),
    ("* w/5 a", 0, "takes words, phrases"),
    ("a" + " w/1 a" * 11, 62, "10 deep"),
    ("direction:sideways", 10, "expected one of in out"),
    ("attachment:no", 11, "NOT attachment:yes"),
    ("attachment:…", 11, "expected yes, one of image audio video document"),
    ("pattern:bic", 8, "expected iban, isin, card, phone, email, url or amount"),
    ("pattern:iban=DE00", 13, "an account number with the right check digits"),
    ("flag:a/b", 5, "flag:RULE"),
    ("x @fraud", 2, "there are no lists yet"),
    ("@王", 0, "there are no lists yet"),
    ("a -b", 2, "write NOT"),
    ("a !b", 2, "write NOT"),
    ("a - b", 2, "a letter, a digit or an emoji"),
    ("a && b", 2, "write AND, OR, NOT"),
    ('"…"', 0, "a letter, a digit or an emoji"),
])
def test_an_error_points_at_the_character(text: str, at: int, says: str) -> None:
    """Nothing that is not understood is guessed at."""
    with pytest.raises(QueryError) as caught:
        parse(text)
    assert (at, text) == (caught.value.position, caught.value.query)
    assert says in caught.value.message


def test_limits_are_errors_that_point() -> None:
    """Too long, too deep, too many: each says how much is allowed."""
    for text in ("a" * (limits.QUERY_CHARS_MAX + 1),
                 "(" * 50 + "a" + ")" * 50,
                 "NOT " * 50 + "a",
                 "a " * (limits.QUERY_TERMS_MAX + 1)):
        with pytest.raises(QueryError) as caught:
            parse(text)
        assert 0 <= caught.value.position <= len(text)
    deep = "a"
    for level in range(limits.QUERY_BOOLEAN_DEPTH_MAX):
        deep = f"b{level} OR c ({deep})"
    with pytest.raises(QueryError, match="deep inside each other"):
        compile_query(deep, world.TOKENIZER)


def instant(text: str) -> int:
    """UTC ms."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(("text", "since", "until"), [
    ("date:2026-01-15", "2026-01-15", "2026-01-16"),
    ("date:2026-12", "2026-12-01", "2027-01-01"),
    ("date:2026", "2026-01-01", "2027-01-01"),
    ("date:2026-01-30..2026-02-02", "2026-01-30", "2026-02-03"),
    ("date:2026-01..2026-02", "2026-01-01", "2026-03-01"),
    ("date:2026-02..", "2026-02-01", None),
    ("date:..2026-02", None, "2026-03-01"),
    ('date:"2026-01-15 .. 2026-01-16"', "2026-01-15", "2026-01-17"),
])
def test_dates_are_whole_days_months_and_years(
        text: str, since: str | None, until: str | None) -> None:
    """Both ends of a range are in it; an open end is open."""
    tree = parse(text)
    assert isinstance(tree, Dates)
    assert (since and instant(since), until and instant(until)) == (tree.since, tree.until)


def test_a_day_begins_in_the_zone_that_is_asked_for() -> None:
    """Midnight in Kolkata is half past six in the evening, UTC."""
    kolkata = timezone(timedelta(hours=5, minutes=30))
    tree = parse("date:2026-01-15", zone=kolkata)
    assert isinstance(tree, Dates)
    assert instant("2026-01-14T18:30:00") == tree.since
    assert DAY_MS == (tree.until or 0) - (tree.since or 0)


def test_only_what_kind_names_answers_beside_messages() -> None:
    """Anywhere in the query; else messages, calls and unknowns."""
    assert events.ANSWERING_KINDS == compile_query("pay", world.TOKENIZER)[1].kinds
    assert events.ANSWERING_KINDS | {"audit", "receipt"} == compile_query(
        "pay OR (kind:audit NOT kind:receipt)", world.TOKENIZER)[1].kinds


def test_a_compiled_query_is_flat_and_holds_no_word() -> None:
    """And in And is lifted, doubles go, a double NOT is none; only tokens are left."""
    asked = compile_query("a (b (c AND a)) NOT NOT d", world.TOKENIZER)[1]
    assert isinstance(asked.root, query.And)
    assert [Phrase] * 4 == [type(child) for child in asked.root.children]
    assert "invoice" not in repr(compile_query('invoice "pay invoice"', world.TOKENIZER)[1])
    assert TokenQuery(All()) == compile_query("*", world.TOKENIZER)[1]
    assert Wanted() != Wanted(unit="x")


@given(strategies.queries)
@settings(max_examples=200)
def test_what_the_grammar_makes_parses(text: str) -> None:
    """Generated queries are read, and leaves know their place."""
    tree = parse(text)
    for leaf in leaves(tree):
        if isinstance(leaf, Text | Party | Value | Dates):
            assert 0 <= leaf.start < leaf.end <= len(text)


@given(st.text(max_size=40)
       | st.text(alphabet='ab()" ORANDT:*-.', max_size=20)
       | st.text(alphabet="ab天ิ👍'@*?~12w/pre ()\"", max_size=30)
       | st.lists(st.sampled_from((
           "a", "pay*", "*", "?", "~1", "天", "*️⃣", "w/2", "pre/3", "w/", "(", ")", "OR", "NOT",
           "AND", '"', "stem:", "@x", "flag:", "pattern:", "attachment:", "direction:", "=", " ",
           " ", " ")), max_size=25).map("".join))
@settings(max_examples=1000)
def test_any_text_parses_or_points(text: str) -> None:
    """Never another exception, and the position is in the query or just after it; each node of a
    tree keeps its place."""
    raised: QueryError | None = None
    try:
        tree = parse(text)
        assert all(0 <= one.start < one.end <= len(text) for one in nodes(tree))
    except QueryError as error:
        raised = error
    assert raised is None or (text == raised.query and 0 <= raised.position <= len(text))
