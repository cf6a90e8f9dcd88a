"""Where messages of a hold's scope lie: found whatever their number, and never silently left out.
"""

from __future__ import annotations

import pytest

from infra.holds import Holding
from infra.wire import Wire
from schemas import limits
from schemas.holdacts import Scope
from tests.runtime.test_hold import alice, arrive, bob, wire

__all__ = ["wire"]


def found(wire: Wire, scope: Scope) -> tuple[int, str]:
    """(how many domains, doubt)."""
    parts = Holding(wire)
    index = parts.index()
    assert index is not None
    content = parts.sources(index).content(scope)
    return len(content.domains), content.doubt


def test_more_than_one_moment_can_hold(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many for one question: page by page, and all of them; not where each has to be looked
    at, which is a doubt."""
    arrive(wire, *(alice(number, f"pay now {number}") for number in range(5)),
           *(bob(number) for number in range(5)))
    monkeypatch.setattr(limits, "CHECKED_DOCUMENTS_MAX", 2)
    monkeypatch.setattr(limits, "PAGE_HITS_MAX", 2)
    for scope, count in ((Scope(query="pay"), 1), (Scope(query="hello"), 1),
                         (Scope(query="pay OR hello"), 2), (Scope(since=1_777_593_600_000), 2)):
        assert found(wire, scope) == (count, "")
    monkeypatch.setattr("infra.embedded.index.SqliteIndex.is_checked", lambda *_: True)
    domains, doubt = found(wire, Scope(query="pay OR hello"))
    assert "too much may be meant" in doubt and domains == 0


def test_everything_of_a_message_is_meant(wire: Wire) -> None:
    """An edit a month later lies under another key; both are of the message, whichever matches."""
    first = alice(1, "the plan", channel="whatsapp")
    edit = alice(2, "the secret plan", kind="edit", channel="whatsapp", target=first.native_id,
                 target_known="explicit", occurred_at=1_780_272_000_000 + 5,
                 captured_at=1_780_272_000_000 + 5)
    arrive(wire, first)
    arrive(wire, edit, bob(1))
    assert found(wire, Scope(query="secret")) == (2, "")
    assert found(wire, Scope(query="secret", custodians=("bjones",))) == (0, "")
    assert found(wire, Scope(conversations=("pair:0100001|1",))) == (2, "")


def test_a_version_of_the_period_holds_the_message_before_it(wire: Wire) -> None:
    """Written in May, taken back in June: a period from June on holds the words of May, or there
    would be a retraction of nothing; also by a matter's own period. Others of May are not held."""
    may, june = 1_777_593_600_000, 1_780_272_000_000
    first = alice(1, "the plan", channel="whatsapp")
    back = alice(2, "", kind="retraction", channel="whatsapp", target=first.native_id, text=None,
                 target_known="explicit", occurred_at=june + 5, captured_at=june + 5)
    arrive(wire, first)
    arrive(wire, back)
    arrive(wire, bob(1))
    for scope, count in ((Scope(since=june), 2), (Scope(("asmith",), since=june), 2),
                         (Scope(("bjones",), since=june), 0), (Scope(query="plan", since=june), 2),
                         (Scope(query="lunch", since=june), 0), (Scope(until=june), 3),
                         (Scope(since=june + 40 * 86_400_000), 0)):
        assert found(wire, scope) == (count, "")
    path = wire.home / "directory.toml"
    path.write_text(path.read_text("utf-8").replace(
        'custodians = ["bjones"]', 'custodians = ["asmith"]\nfrom = 2026-06-01'), "utf-8")
    assert found(wire, Scope(matters=("4711",))) == (2, "")
    assert found(wire, Scope(matters=("4711",), until=may + 1)) == (0, "")


def test_an_answer_is_remembered_for_one_evaluation(wire: Wire,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand domains ask the index once."""
    arrive(wire, alice(1))
    parts = Holding(wire)
    index = parts.index()
    assert index is not None
    sources = parts.sources(index)
    scope = Scope(query="hello")
    before = sources.content(scope)
    monkeypatch.setattr("search.hold.sources._every", None)
    assert sources.content(scope) == before
