"""Transcripts as pages: whole, safe to open, and the same each time."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from schemas import events
from search.export import transcript, transcript_view, transcript_words
from search.export.model import Slice
from search.export.transcript import Transcript
from search.flagged import FlagPlace, FlagView
from search.web import texts
from tests.export import slices
from tests.export.slices import MemorySink

_VOID = frozenset({"meta", "img", "br", "link", "input", "hr"})
_BLOCKS = frozenset({"p", "div", "dt", "dd", "li", "td", "th", "h1", "section", "article"})


@dataclass
class Page(HTMLParser):
    """A page as a strict reader sees it: its text, its elements, what it refers to."""

    text: str = ""
    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)
    open_tags: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.text += " " * (tag in _BLOCKS)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in _VOID:
            self.open_tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open_tags or self.open_tags.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if not self.open_tags or self.open_tags[-1] != "style":
            self.text += data


def read(body: bytes) -> Page:
    """The page that these bytes are."""
    page = Page()
    page.feed(body.decode())
    page.close()
    return page


def flat(text: str) -> str:
    """Without what only lays it out."""
    return " ".join(text.split())


def seen(text: str) -> str:
    """As it is shown: what is not obeyed stands there by name."""
    return flat("".join(one.control[0] if one.control else one.text
                        for one in texts.pieces(text)))


def made(*found: Slice, with_pdf: bool = False) -> MemorySink:
    """A whole run of the writer."""
    sink, writer, job = slices.sink_for(found), Transcript(with_pdf), slices.job()
    writer.begin(job, sink)
    for one in found:
        writer.slice(job, one, sink)
    writer.end(job, slices.counts(), [one.name for one in found], sink)
    return sink


def page_of(one: Slice) -> Page:
    """The page of a slice."""
    return read(made(one).files[transcript.path(one.name)])


@pytest.mark.parametrize("one", slices.every_slice(), ids=lambda one: one.name)
def test_every_version_is_on_the_page_whole(one: Slice) -> None:
    """Each text of each version stands there, with the id of its document and its records."""
    shown = flat(page_of(one).text)
    for item in one.items:
        assert item.document_id in shown
        assert transcript_words.records(each.number for each in item.records) in shown
        for version in item.view.versions:
            assert seen(version.text or "") in shown


@pytest.mark.parametrize("one", slices.every_slice(), ids=lambda one: one.name)
def test_a_page_is_well_formed_and_reaches_nowhere(one: Slice) -> None:
    """Every element is closed in its order; no script, no handler, no address outside the
    package."""
    sink = made(one, with_pdf=True)
    for path in (transcript.path(one.name), transcript.INDEX):
        page = read(sink.files[path])
        assert ([], []) == (page.faults, page.open_tags)
        assert not {"script", "iframe", "object", "embed", "link", "form"} & set(page.tags)
        assert not [name for name, _ in page.attributes if name.startswith("on")]
        for name, value in page.attributes:
            if name in ("href", "src"):
                assert not urlsplit(value).scheme and not value.startswith("//")
        assert not re.search(rb"url\(|@import|javascript:", sink.files[path])


def test_hostile_text_stays_text() -> None:
    """Markup in a message is shown as it was written, and is no element."""
    one = slices.slice_of(slices.told(["markup"]), title="<b>&amp;\u202eeltit",
                          custodian='"><script>')
    page = page_of(one)
    assert flat(slices.MARKUP) in flat(page.text)
    assert "<b>&amp;RLOeltit" in page.text and '"><script>' in page.text
    assert "script" not in page.tags


def test_links_lead_to_files_of_the_package() -> None:
    """Each link of a page and of the index leads to a file that is there, or to a place on it."""
    one = slices.pair_slice()
    sink = made(one)
    for path in (transcript.path(one.name), transcript.INDEX):
        page = read(sink.files[path])
        ids = {value for name, value in page.attributes if name == "id"}
        for name, value in page.attributes:
            if name not in ("href", "src"):
                continue
            if value.startswith("#"):
                assert value[1:] in ids
            else:
                there = unquote(value)
                target = (f"data/{there.removeprefix('../')}" if there.startswith("../")
                          else f"{transcript_view.FOLDER}/{there}")
                assert target in sink.files


def test_a_file_is_named_with_its_size_and_hash() -> None:
    """Name, size, SHA-256 and where it lies; of one that is not there, why."""
    shown = flat(page_of(slices.slice_of(
        slices.told(["attachment", "attachment_unavailable"]))).text)
    assert "Vertrag: Müller/合同.pdf application/pdf, 840 bytes" in shown
    assert slices.item_of(slices.told(["attachment"])[0], 1).files[0].sha256 in shown
    assert "It could not be fetched: expired." in shown


def test_an_edit_is_a_difference_between_two_whole_texts() -> None:
    """Old and new text in full, and what went and came between them."""
    body = made(one := slices.slice_of(slices.told(["edit_chain"]))).files[
        transcript.path(one.name)].decode()
    assert 'Pay <del>100</del><ins>200</ins>' in body
    shown = flat(read(body.encode()).text)
    for number, text in enumerate(("Pay 100", "Pay 200", "Pay 300 today", "Pay 300 tomorrow"), 1):
        assert re.search(rf"Version {number}\. .{{0,160}}? {text} ", shown)


@pytest.mark.parametrize(("story", "words"), [
    ("retracted", "Retracted by Ann Lee +16505551234 at Thu 14 May 2026 09:01:35 "
                  "(2026-05-14 08:01:35.000 UTC); it was visible for 1 min 35 s. "
                  "What was captured before stands here in full."),
    ("retracted_unseen", "Its text was never captured."),
    ("restored", "Put back: what was taken back stands again."),
    ("orphan_edit", "What stood before this edit was not captured."),
    ("edit_without_text", "The source did not deliver the text."),
    ("undecryptable", "The text could not be decrypted by the source."),
    ("without_time", "when we received it; the source gave no time"),
    ("by_nobody", "somebody unknown"),
    ("empty", "The text is empty."),
    ("spaces", "The text has only spaces and line breaks."),
    ("call", "call = voice; missed = true"),
    ("unknown", "Noted at capture: unknown_type."),
])
def test_what_is_known_and_what_not_is_said(story: str, words: str) -> None:
    """Each case has its words."""
    assert words in flat(page_of(slices.slice_of(slices.told([story]))).text)


@pytest.mark.parametrize(("story", "words"), [
    ("retracted_by_admin", "Retracted by 王小明 US.13491208655302741918 (not its author) at"),
    ("joins", "action = join"), ("leaves", "action = leave"),
    ("reactions", "Reaction 👍 by Ann Lee"), ("reactions", "Reaction taken away by Ann Lee"),
    ("receipts", "Receipt: read by Ann Lee"), ("receipts", "Receipt: sent by somebody unknown"),
])
def test_what_happened_in_a_group_is_said(story: str, words: str) -> None:
    """Who came and went, who reacted, who read, and who took back what another wrote."""
    one = slices.slice_of(slices.told([story], slices.GROUP), slices.GROUP)
    assert words in flat(page_of(one).text)


def test_an_answer_names_the_document_that_it_answers() -> None:
    """Where that stands on the same page."""
    one = slices.slice_of(slices.told(["plain", "reply"]))
    assert "In answer to CF-0000001." in flat(page_of(one).text)


def test_gaps_and_what_is_withheld_stand_where_they_were() -> None:
    """A gap with its reason; a numbered box with the reason; both between what was said then."""
    shown = flat(page_of(slices.group_slice()).text)
    order = [shown.index(word) for word in (
        "CF-0000301 Thu", "Gap of capture from Thu 14 May 2026 09:05:00", "CF-W-0001 withheld",
        "CF-W-0002 withheld", "CF-0000302 Thu")]
    assert sorted(order) == order
    assert "neither the log nor the spool could take a request" in shown.lower()
    assert ("Reason: privileged: legal advice. What: message, 2 records. From Ann Lee. "
            "To Bob Jones.") in shown
    assert "Reason: outside the period that was asked for" in shown


def test_context_is_marked() -> None:
    """What was not asked for itself is told apart."""
    one = slices.slice_of(slices.told(["plain"]))
    around = replace(one, items=tuple(replace(item, context=True) for item in one.items))
    assert "context: not asked for itself" not in page_of(one).text
    assert "context: not asked for itself" in page_of(around).text


def test_an_hour_that_comes_twice_is_told_apart_by_utc() -> None:
    """Two messages at half past one, an hour apart."""
    shown = flat(page_of(slices.autumn_slice()).text)
    for utc in ("00:30:00.000", "01:30:00.000"):
        assert f"Sun 25 Oct 2026 01:30:00 2026-10-25 {utc} UTC" in shown


def test_the_exporter_s_own_marks_stay_behind() -> None:
    """What a query found and what a rule flagged is not for the other side."""
    one = slices.slice_of(slices.told(["plain"]))
    flag = FlagView("secret-policy", "secret-rule", 1, "high", "secret reason", None, True,
                    slices.NINE, (FlagPlace(1, ((0, 5),)),))
    marked = replace(one, items=tuple(replace(item, view=replace(
        item.view, flags=(flag,), hit=replace(item.view.hit, highlights=((0, 5),)),
        versions=tuple(replace(each, highlights=((0, 5),)) for each in item.view.versions)))
        for item in one.items))
    assert made(one).files == made(marked).files


def test_a_record_that_tells_another_story_is_shown_beside() -> None:
    """Captured once more with another text: both stand there."""
    base = slices.said(slices.NINE, text="as first told")
    again = replace(base, text="as told later", captured_at=base.captured_at + 60_000)
    shown = flat(page_of(slices.slice_of([slices.Story((base, again))])).text)
    assert "captured once more, and it differs" in shown
    assert "as first told" in shown and "as told later" in shown


def test_the_head_and_the_foot_say_what_this_is() -> None:
    """Matter, export, conversation, people, custodian, account, day, zone, checkpoint; and how it
    is checked."""
    shown = flat(page_of(slices.pair_slice()).text)
    for words in ("Matter M-2026-014", "0123456789abcdef0123456789abcdef", "C-0001, two people on "
                  "WhatsApp", "Bob Jones +442079460001, of the firm", "Custodian bjones",
                  "Account +442079460001", "Day Thursday, 14 May 2026",
                  "Times Europe/London; UTC beside each", "archive.firm.example/log1, 1,234 "
                  "entries, root " + "ab" * 32, "python3 -I verify.py"):
        assert words in shown


def test_the_index_names_every_page() -> None:
    """One line a slice, with a link to the page and to its PDF."""
    page = read(made(*slices.every_slice(), with_pdf=True).files[transcript.INDEX])
    links = [value for name, value in page.attributes if name == "href"]
    assert [f"{one.name}.{form}" for one in slices.every_slice()
            for form in ("html", "pdf")] == links
    assert "CF-0000301 – CF-0000334" in page.text and "34 items, 2 withheld, 1 gap" in page.text


def test_the_same_slices_give_the_same_bytes() -> None:
    """Two runs, and a run that goes on in a new writer."""
    first, second = made(*slices.every_slice()), made(*slices.every_slice())
    assert first.files == second.files


def test_records_are_named_in_runs() -> None:
    """One, a run, several."""
    assert ["", "record 7", "records 7–9", "records 1, 3–4"] == [
        transcript_words.records(found) for found in ((), (7,), (9, 7, 8), (3, 1, 4))]


def test_a_badge_is_only_for_what_is_not_plain() -> None:
    """A message as it was sent has none."""
    assert ["", "edited", "call"] == [
        transcript_words.badge("live", events.MESSAGE),
        transcript_words.badge("edited", events.MESSAGE),
        transcript_words.badge("none", events.CALL)]
