"""What hypothesis builds: texts of many scripts, events of one message, queries that parse."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from schemas import events
from schemas.events import Attachment, CapturedEvent, Identity
from tests.search import world
from tests.search.world import NOON

WORDS = (
    "pay", "Pay", "the", "invoice", "100", "café", "CAFÉ", "don't", "straße", "STRASSE", "naïve",
    "给我", "我", "100元整", "明天见", "王小明", "ありがとう", "ｶﾞﾝﾊﾞﾚ", "감사합니다", "สวัสดี",
    "مرحبا", "مَرْحَبًا", "٥٠٠", "שלום", "क्षमा", "👍", "👍🏽", "👨‍👩‍👧", "🇩🇪", "1️⃣",
    "a\u200bb", "ﬁn", "①", "DE89370400440532013000", "carol@example.com",
)
SEPARATORS = (" ", " ", " ", "", ", ", "\n", "… ", " - ")
NAMES = ("Ann Lee", "Bob Lee", "王小明", "Ann Roe", "Zoë", "李")
PEOPLE = tuple(
    Identity(native, id_type, name)
    for native, id_type in (
        ("+16505551234", "e164"), ("+442079460018", "e164"), ("US.1349120865", "bsuid"),
        ("@zed", "user"))
    for name in (None, *NAMES)
)
CONTRACT = Attachment("file-1", name="final contract.pdf", media_type="application/pdf")


@st.composite
def texts(draw: st.DrawFn) -> str:
    """A few words of mixed scripts, side by side or apart."""
    parts = draw(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(SEPARATORS)),
                          min_size=1, max_size=6))
    return "".join(word + separator for word, separator in parts)


wild_texts = st.text(
    alphabet=st.characters(codec="utf-8", exclude_categories=()), max_size=30) | texts()


@st.composite
def message_events(draw: st.DrawFn, target: str = "m1", captured_from: int = NOON,
                   count: int = 6) -> list[CapturedEvent]:
    """Events of one message, each captured at its own time; some of them are redeliveries."""
    out: list[CapturedEvent] = []
    for number in range(draw(st.integers(1, count))):
        captured = captured_from + 1_000 + number * 7
        kind = draw(st.sampled_from((
            events.MESSAGE, events.EDIT, events.EDIT, events.RETRACTION, events.RESTORATION,
            events.REACTION, events.RECEIPT)))
        text = draw(texts()) if kind in (events.MESSAGE, events.EDIT, events.REACTION) else None
        occurred = draw(st.sampled_from((
            None, captured - 500, captured - 100_000, captured_from, captured + 10 ** 9)))
        values: dict[str, Any] = {
            "captured_at": captured, "occurred_at": occurred,
            "provenance": draw(st.sampled_from((
                events.PROVIDER_SIGNED, events.PROVIDER_SIGNED, events.CUSTODIAN_SUPPLIED))),
            "actor": draw(st.sampled_from(PEOPLE)),
            "participants": tuple(draw(st.lists(st.sampled_from(PEOPLE), max_size=2))),
            "direction": draw(st.sampled_from((events.IN, events.OUT, None))),
            "attachments": draw(st.sampled_from(((), (), (CONTRACT,)))),
        }
        if text is not None and draw(st.integers(0, 5)) == 0:
            text = None
            values["content_state"] = draw(st.sampled_from((
                events.ABSENT_BY_SOURCE, events.PLACEHOLDER, events.UNDECRYPTABLE)))
        native = target if kind == events.MESSAGE else f"{kind}{draw(st.integers(0, 2))}"
        if kind != events.MESSAGE:
            values |= {"target": target, "target_known": events.EXPLICIT}
        out.append(world.event(kind, native, text, **values))
    return out


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


LEAVES = (
    st.sampled_from(WORDS).map(_quoted)
    | st.sampled_from(WORDS).filter(lambda w: not set(w) & set("?*~"))
    | texts().map(_quoted)
    | st.tuples(st.sampled_from(("from", "to", "with")),
                st.sampled_from((*NAMES, "lee", "ann", "小明", "王", "+1 (650) 555-1234",
                                 "020 7946 0018", "16505551234", "us.1349120865", "zed", "carol",
                                 "@zed")).map(_quoted)).map(lambda pair: f"{pair[0]}:{pair[1]}")
    | st.sampled_from(("state:live", "state:edited", "state:retracted", "channel:whatsapp",
                       "channel:sms", "kind:edit", "kind:receipt", "kind:message", "*",
                       "direction:in", "direction:out", "pattern:iban", "pattern:email=example.com",
                       "attachment:yes", "attachment:contract", "flag:*",
                       "date:2026-01-15", "date:2026-01", "date:..2026-01-14", "date:2026-02..",
                       'conversation:"pair:+15550783881|+16505551234"'))
)


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return (
        st.tuples(inner, st.sampled_from((" ", " AND ", " OR ", " NOT ", " OR NOT ")), inner)
        .map(lambda parts: f"({parts[0]}{parts[1]}{parts[2]})")
        | inner.map(lambda one: f"NOT {one}")
    )


queries = st.recursive(LEAVES, _combined, max_leaves=6)


# --- the whole language: patterns and nearness, for who has a vocabulary at hand ----------------

PATTERNS = (
    "pa*", "*AY", "p?y", "in*ce", "*oice", "ca??", "1?0", "*00", "pay~1", "teh~1", "invoise~2",
    "naive~1", "stem:paying", "stem:invoices", "给我*", "*我", "明天*", "don?", "stra*", "ﬁ*",
    "مر*", "क्ष*", "สวัส*", "👨‍👩*",
)
_OPERANDS = (
    st.sampled_from(PATTERNS)
    | st.sampled_from(WORDS).map(_quoted)
    | texts().map(_quoted)
)


def _near(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return (
        st.tuples(inner, st.sampled_from(("w/1", "w/2", "w/5", "pre/1", "pre/3", "W/250")),
                  inner)
        .map(lambda parts: f"({' '.join(parts)})")
        | st.lists(inner, min_size=2, max_size=3).map(lambda some: f"({' OR '.join(some)})")
    )


nears = st.recursive(_OPERANDS, _near, max_leaves=4)
language = st.recursive(LEAVES | nears | nears, _combined, max_leaves=5)
