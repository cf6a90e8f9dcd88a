"""The audit: who did what, in words, for those who may know; and its sheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import pytest

from search import trail
from search.bodies import Bodies
from tests.web.deskworld import Desk, desk


@pytest.fixture
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A firm in which Sue searched, and opened one message twice."""
    with desk(tmp_path_factory.mktemp("audit") / "home") as made:
        (document,) = made.documents("send")
        made.page("sue", "/search?q=send")
        made.page("sue", f"/message/{document}")
        made.clock.now += 5_000
        made.page("sue", f"/message/{document}")
        made.get("rita", "/audit")
        made.index()
        yield made


def document_of(firm: Desk) -> str:
    """The message that was opened."""
    return firm.documents("send")[0]


def plain(page: str) -> str:
    """Without tags, spaces as one."""
    return " ".join(re.sub(r"<[^>]+>", "", page).split())


def test_each_record_is_a_sentence(firm: Desk) -> None:
    """Who searched for what with how many answers, and for the how-manieth time."""
    said = plain(firm.page("otto", "/audit"))
    document = document_of(firm)[:8]
    assert "Sue Hart searched for send (1 found, 1 shown)" in said
    assert f"Sue Hart opened message {document} for the 2nd time" in said
    assert f"Sue Hart opened message {document} Thu 19 Nov" in said
    assert "=Rita was denied /audit" in said


def test_only_who_may_reads_it(firm: Desk) -> None:
    """A denial for everybody else, before anything is read."""
    for person in ("sue", "rita", "lea", "ada"):
        assert firm.get(person, "/audit").status_code == 403
        assert firm.get(person, "/audit/records.csv").status_code == 403


def test_reading_it_is_recorded_too(firm: Desk) -> None:
    """With what was asked for."""
    firm.page("otto", "/audit?person=sue")
    firm.index()
    page = firm.page("dana", "/audit?action=audit_read")
    assert "Otto Lenz" in page
    assert "<dt>person</dt><dd class=\"value\">sue</dd>" in page


def test_filters_narrow(firm: Desk) -> None:
    """By person, action, kind of record, day."""
    assert "Sue Hart" not in firm.page("otto", "/audit?person=rita")
    assert "searched for" not in firm.page("otto", "/audit?person=sue&action=view")
    assert "searched for" not in firm.page("otto", "/audit?records=reviews")
    assert "There is no such record" in firm.page("otto", "/audit?until=2020-01-01")
    assert "searched for" in firm.page("otto", "/audit?since=2026-11-19&until=2026-11-19")
    wrong = firm.get("otto", "/audit?since=yesterday")
    assert (422, True) == (wrong.status_code, "write a day as" in wrong.text)


def test_who_saw_a_message(firm: Desk) -> None:
    """Who opened it, and to whom it was shown in a list."""
    said = plain(firm.page("otto", f"/audit?document={document_of(firm)}"))
    assert "Who saw this message" in said
    assert said.count("opened message") == 2
    assert "was shown message" in said
    assert firm.get("otto", "/audit?document=nothing").status_code == 422


def test_an_auditor_has_no_way_to_the_message(firm: Desk) -> None:
    """Its id, and no link; whoever may open messages has one."""
    document = document_of(firm)
    assert f'href="/message/{document}"' not in firm.page("otto", "/audit")
    assert f'href="/message/{document}"' in firm.page("dana", "/audit")


def test_pages_are_whole_and_meet(firm: Desk) -> None:
    """Every record on exactly one page, the newest first."""
    own = trail.Trail(_bodies(firm), firm.wire.tokenizer())
    index = firm.wire.indexes().open(str(firm.wire.indexes().current()))
    kinds = trail.KINDS
    whole = own.page(index, kinds, trail.Wanted(), 500).records
    parts: list[trail.Record] = []
    after: str | None = None
    while True:
        page = own.page(index, kinds, trail.Wanted(), 2, after)
        parts += page.records
        after = page.next
        if after is None:
            break
    assert [one.record_id for one in whole] == [one.record_id for one in parts]
    assert sorted((one.at for one in whole), reverse=True) == [one.at for one in whole]
    assert len(whole) > 5


def test_many_records_are_looked_through_in_steps(
        firm: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that fits nothing ends after so many, and says that it can go on."""
    monkeypatch.setattr(trail, "EXAMINED_MAX", 2)
    page = firm.page("otto", "/audit?document=" + "0" * 32)
    assert "None among the records that were looked at until now" in page
    assert "Go on</a>" in page


def test_an_uncertain_count_says_so(firm: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where earlier looks were not all read."""
    monkeypatch.setattr(trail, "BACK_MAX", 1)
    assert "for the 2nd time" not in firm.page("otto", "/audit")


def test_the_sheet_runs_nothing(firm: Desk) -> None:
    """A name that begins as a formula is a text; every record is a row."""
    found = firm.get("otto", "/audit/records.csv?person=rita")
    assert found.headers["content-type"].startswith("text/csv")
    assert "attachment" in found.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(found.content.decode("utf-8-sig"))))
    assert [("rita", "denied"), ("rita", "sign_in")] == [
        (row["person"], row["action"]) for row in rows]
    assert rows[0]["what"].startswith("'=Rita was denied /audit")


def test_text_of_a_query_is_shown_as_text(firm: Desk) -> None:
    """Whatever somebody typed."""
    firm.page("sue", "/search?q=%22%3Cscript%3Ealert(1)%3C/script%3E%22")
    firm.index()
    page = firm.page("otto", "/audit")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_reviews_stand_among_them(firm: Desk) -> None:
    """What people decided lies on messages, and is told without them."""
    document = document_of(firm)
    hidden = dict(re.findall(r'name="(key|basis)" value="([0-9a-f]*)"',
                             firm.page("dana", f"/item/{document}")))
    answer = firm.post("dana", f"/item/{document}/reopen",
                       {**hidden, "reason": "to look at it again"})
    assert answer.status_code in (200, 303), answer.text[-600:]
    firm.index()
    said = plain(firm.page("otto", "/audit?records=reviews"))
    assert f"Dana Cole opened message {document[:8]} again for review" in said


def _bodies(firm: Desk) -> Bodies:
    return Bodies(firm.wire.reader())
