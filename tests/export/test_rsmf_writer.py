"""RSMF files of ours: each row of the table of edits and retractions, and what surrounds them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from email.utils import getaddresses, parsedate_to_datetime
from hashlib import sha256
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from schemas import events
from schemas.errors import Refused
from schemas.events import Attachment, Identity
from schemas.identity import message_key
from search.export.model import Slice
from search.export.rsmf import CONTROLS, TOO_LARGE, Limits, RsmfWriter
from search.export.rsmfcheck import check
from search.export.rsmfmoments import written
from search.export.rsmfschema import schema
from tests.export import slices
from tests.export.rsmffiles import MANIFEST, Read, custom, read
from tests.export.slices import (
    ANN,
    DESK,
    GROUP,
    MING,
    MINUTE,
    NINE,
    PAIR,
    STORIES,
    MemorySink,
    Story,
    about,
    job,
    plain,
    said,
    sink_for,
    slice_of,
    told,
)
from tests.search.strategies import message_events, wild_texts

WRITER = RsmfWriter()
# What the file of the pair is, wherever and whenever it is made.
GOLDEN = "ebc2c6aa7dc3adb2a08d7d2d1921f81491ee3139a46603121d516999f9614f3c"


def made(one: Slice, stories: Iterable[Story] = (), limits: Limits | None = None) -> MemorySink:
    """The sink after this slice."""
    sink = sink_for([one], stories)
    writer = WRITER if limits is None else RsmfWriter(limits)
    writer.begin(job(), sink)
    writer.slice(job(), one, sink)
    writer.end(job(), slices.counts(), [one.name], sink)
    return sink


def bodies(sink: MemorySink) -> dict[str, bytes]:
    """The RSMF files of a sink, in order of their names."""
    return {path: body for path, body in sorted(sink.files.items()) if path.endswith(".rsmf")}


def only(one: Slice, stories: Iterable[Story] = ()) -> Read:
    """The one file of this slice, which the checker accuses of nothing."""
    (path, body), = bodies(made(one, stories)).items()
    assert f"data/rsmf/{one.name}.rsmf" == path
    assert () == check(body, path).findings
    return read(body)


def of(name: str, talk: str = PAIR, **more: Any) -> Read:
    """The file of one story."""
    return only(slice_of(told([name], talk), talk, **more))


# -- the table: how edits and retractions are written


def test_an_edit_chain_is_one_message_with_every_text() -> None:
    """The body is the last text; each edit has the text before and after, who and when."""
    event, = of("edit_chain").events
    assert ("edit_chain", "message", "Pay 300 tomorrow") == (
        event["id"], event["type"], event["body"])
    assert "deleted" not in event
    assert [("Pay 100", "Pay 200"), ("Pay 200", "Pay 300 today"),
            ("Pay 300 today", "Pay 300 tomorrow")] == [
        (one["previous"], one["new"]) for one in event["edits"]]
    assert [written(NINE + minutes * MINUTE) for minutes in (1, 2, 3)] == [
        one["timestamp"] for one in event["edits"]]
    assert {event["participant"]} == {one["participant"] for one in event["edits"]}
    assert "record 12;" in custom(event)["Edit 2"]


def test_a_retraction_keeps_the_text_that_was_captured() -> None:
    """Deleted, with its body, and who took it back when, by which record."""
    event, = of("retracted").events
    assert (True, "Delete the file") == (event["deleted"], event["body"])
    known = custom(event)
    assert (written(NINE + 95_000), event["participant"], "11", "yes") == (
        known["Retracted at"], known["Retracted by"], known["Retraction record id"],
        known["Content captured before retraction"])


def test_a_text_that_was_never_captured_is_not_invented() -> None:
    """An empty body, which is said, with the gap that it fell into."""
    gap = replace(slices.gap(), since=NINE - MINUTE, until=NINE + MINUTE)
    found = of("retracted_unseen", gaps=(gap,))
    event = found.event("retracted_unseen")
    assert (True, "") == (event["deleted"], event["body"])
    assert ("no", slices.GAP_NAME) == (
        custom(event)["Content captured before retraction"], custom(event)["Gap"])
    assert "Gap" not in custom(of("retracted_unseen").event("retracted_unseen"))
    assert "It was retracted before its text was captured." in found.text


def test_edited_then_retracted_is_both() -> None:
    """The whole chain, and deleted."""
    event, = of("edited_then_retracted").events
    assert (True, "Meet at 6", 1) == (event["deleted"], event["body"], len(event["edits"]))
    assert "yes" == custom(event)["Content captured before retraction"]


def test_an_administrators_retraction_names_the_administrator() -> None:
    """Who took it back is not who wrote it."""
    found = of("retracted_by_admin", GROUP)
    event, = found.events
    people = {one["id"]: one["account_id"] for one in found.manifest["participants"]}
    assert (ANN.native_id, MING.native_id) == (
        people[event["participant"]], people[custom(event)["Retracted by"]])
    assert MING.display_name == custom(event)["Retracted by name"]


def test_an_orphan_edit_has_no_text_before() -> None:
    """`previous` is left out, and it is said that the original was not captured."""
    event, = of("orphan_edit").events
    assert "the corrected text" == event["body"] == event["edits"][0]["new"]
    assert "previous" not in event["edits"][0]
    assert "no" == custom(event)["Original captured"]
    event, = of("orphan_edits").events
    assert [None, "first correction"] == [one.get("previous") for one in event["edits"]]


def test_an_edit_without_its_text_breaks_nothing() -> None:
    """The body stays what is known; that the last text is not is said."""
    event, = of("edit_without_text").events
    assert ("before", "before") == (event["body"], event["edits"][0]["previous"])
    assert "new" not in event["edits"][0]
    assert custom(event)["Edit 1 text"].startswith("not captured")


def test_an_unknown_type_is_kept_with_its_name() -> None:
    """Never dropped, never taken for a message."""
    event, = of("unknown").events
    assert ("unknown", "hologram payload words", "hologram") == (
        event["type"], event["body"], custom(event)["Raw type"])


def test_a_file_that_is_not_there_is_a_note_with_the_reason() -> None:
    """It is listed as an attachment, under a name that no viewer draws."""
    found = of("attachment_unavailable")
    attached, = found.events[0]["attachments"]
    assert attached["id"] == "CF-0000001_1_UNAVAILABLE.txt" == attached["display"]
    assert b"expired" in found.files[attached["id"]]
    names = [one["display"] for one in of("attachments").events[0]["attachments"]]
    assert ["../../etc/passwd", "CON.txt_UNAVAILABLE.txt", "same.PNG"] == names


def test_a_message_that_came_back_is_not_deleted() -> None:
    """Both turns are told."""
    event, = of("restored").events
    known = custom(event)
    assert "deleted" not in event
    assert (written(NINE + MINUTE), written(NINE + 2 * MINUTE)) == (
        known["Retracted at"], known["Restored at"])


def test_what_a_handed_in_file_claims_changes_nothing() -> None:
    """The edit stands beside the message, not in its chain."""
    base = said(NINE, text="as sent", native_id="m")
    claim = about(base, events.EDIT, MINUTE, "as claimed", provenance=events.CUSTODIAN_SUPPLIED)
    event, = only(slice_of([Story((base, claim))])).events
    assert ("as sent", "as claimed") == (event["body"], custom(event)["Other version 1 text"])
    assert "edits" not in event


def test_a_text_that_only_a_handed_in_file_has_is_shown_as_such() -> None:
    """Where nothing else tells the text, the claim does, and how it is known is said."""
    base = said(NINE, text=None, native_id="m", content_state=events.PLACEHOLDER)
    claim = about(base, events.EDIT, MINUTE, "as claimed", provenance=events.CUSTODIAN_SUPPLIED)
    event, = only(slice_of([Story((base, claim))])).events
    assert "as claimed" == event["body"] == event["edits"][0]["new"]
    assert "handed in by the person" in custom(event)["Edit 1"]
    assert "signed by the provider" == custom(event)["How it is known"]


# -- the rest of an event


def test_reactions_are_those_that_stand() -> None:
    """A person has one; what was taken away is told as a custom property and in the text."""
    found = of("reactions", GROUP)
    event, = found.events
    people = {one["id"]: one["account_id"] for one in found.manifest["participants"]}
    assert [("👍", 1, [MING.native_id])] == [
        (one["value"], one["count"], [people[who] for who in one["participants"]])
        for one in event["reactions"]]
    assert 4 == sum(name.startswith("Reaction ") for name in custom(event))
    assert "❤️" in found.text


def test_a_reaction_to_what_was_never_captured_is_kept() -> None:
    """It is no message: an event of unknown type that says what it was, each of them."""
    base = said(NINE, native_id="m")
    event, = only(slice_of([Story((about(base, events.REACTION, 1_000, "👍"),
                                   about(base, events.REACTION, 2_000, "❤️", DESK)))])).events
    assert ("unknown", "reaction") == (event["type"], custom(event)["Kind"])
    assert "👍" in custom(event)["Recorded 1"] and "❤️" in custom(event)["Recorded 2"]


def test_receipts_say_who_and_when() -> None:
    """Delivered and read; what the format has no word for stays as a custom property."""
    event, = of("receipts").events
    assert [("delivered", written(NINE + 2_000)), ("read", written(NINE + 3_000))] == [
        (one["action"], one["timestamp"]) for one in event["read_receipts"]]
    assert any("receipt sent" in value for value in custom(event).values())


def test_who_comes_and_goes_is_told_where_it_happens() -> None:
    """In a group the members are those at the beginning: who joins later is not among them."""
    found = only(slice_of(told(["plain", "joins", "leaves"], GROUP), GROUP))
    assert ["message", "join", "leave"] == [one["type"] for one in found.events]
    talk, = found.manifest["conversations"]
    people = {one["id"]: one["account_id"] for one in found.manifest["participants"]}
    assert "channel" == talk["type"]
    assert {one.native_id for one in slices.PARTIES[GROUP]} - {slices.NAMELESS.native_id} == {
        people[one] for one in talk["participants"]}
    later = bodies(made(slice_of(told(["joins", "leaves", "plain"], GROUP), GROUP),
                        limits=Limits(events=2)))
    members = [{people[who] for who in read(body).manifest["conversations"][0]["participants"]}
               for body in later.values()]
    assert slices.NOOR.native_id in members[0] and slices.NOOR.native_id not in members[1]
    assert slices.NAMELESS.native_id in members[1]


def test_an_answer_names_its_parent_where_that_is_in_the_file() -> None:
    """And in any case the source's id of what it answers."""
    both = only(slice_of(told(["plain", "reply"])))
    assert "plain" == both.event("reply")["parent"] == custom(both.event("reply"))["In answer to"]
    alone, = of("reply").events
    assert "parent" not in alone and "plain" == custom(alone)["In answer to"]
    apart = bodies(made(slice_of(told(["plain", "reply"])), limits=Limits(events=1)))
    assert ["parent" in read(body).events[0] for body in apart.values()] == [False, False]


def test_a_time_is_the_stated_one() -> None:
    """Never the place among equal times that lists are sorted by; without one it is said."""
    one = slice_of(told(["plain", "without_time"]))
    late = replace(one, items=(replace(one.items[0], at=one.items[0].at + 480), one.items[1]))
    found = only(late)
    assert written(NINE) == found.event("plain")["timestamp"]
    assert "no time" in custom(found.event("without_time"))["Time"]


def test_order_within_a_second_is_the_packages() -> None:
    """Source ids are in no order; document ids are."""
    told_at_once = [plain(NINE, PAIR, name, name) for name in ("z", "b", "a")]
    assert ["z", "b", "a"] == [one["id"] for one in only(slice_of(told_at_once)).events]


def test_two_messages_of_one_source_id_are_two_events() -> None:
    """The second is called after its document."""
    twice = slice_of([plain(NINE, PAIR, "same", "one"), plain(NINE + 1, PAIR, "same", "two")])
    assert ["same", "CF-0000002"] == [one["id"] for one in only(twice).events]


def test_gaps_and_withheld_items_stand_in_their_place() -> None:
    """As notices, which say nothing of what was written."""
    found = only(slices.group_slice())
    notices = [one for one in found.events if one["type"] == "disclaimer"]
    assert [slices.GAP_NAME, "CF-W-0001", "CF-W-0002"] == [
        custom(one).get("Gap") or custom(one)["Withheld document id"] for one in notices]
    assert "privileged" in notices[1]["body"]
    assert all(one["body"] in found.text for one in notices)


def test_each_event_leads_to_its_records_and_leaf() -> None:
    """Document id, lines of the native file, leaf of the log."""
    for item, event in zip(slices.pair_slice().items, only(slices.pair_slice()).events,
                           strict=True):
        known = custom(event)
        assert (item.document_id, "7") == (known["Document id"], known["Log leaf"])
        assert str(item.records[0].number) == known["Records"].partition("-")[0]


# -- the layers around it


def test_the_standard_library_reads_every_layer() -> None:
    """Headers, names of every script, text, zip: nothing is lost and nothing is a defect."""
    one = slices.group_slice()
    found = only(one)
    assert [] == found.defects
    assert [*found.names] == sorted(found.names, key=str.encode) and MANIFEST in found.names
    assert f"{one.title}, 2026-05-14" == found.headers["Subject"]
    assert [(one.display_name or one.native_id) for one in one.parties] == [
        name for name, _ in getaddresses([found.headers["To"]])]
    assert [("Bob Jones", "+442079460001@whatsapp.counterfoil.invalid")] == getaddresses(
        [found.headers["From"]])
    assert found.events[0]["timestamp"] == found.headers["X-RSMF-BeginDate"]
    assert NINE // 1000 == parsedate_to_datetime(found.headers["Date"]).timestamp()
    assert ("2.0.0", "37", "5", "WhatsApp", "bjones") == tuple(
        found.headers[f"X-RSMF-{name}"] for name in (
            "Version", "EventCount", "AttachmentCount", "Application", "Custodian"))
    sink = sink_for([one])
    for item in one.items:
        for packed in item.files:
            if packed.path:
                assert sink.files[packed.path] == found.files[packed.path.rpartition("/")[2]]


def test_every_text_can_be_searched_for() -> None:
    """All versions of all messages stand in the text part, control characters by their numbers."""
    one = slices.pair_slice()
    text = only(one).text.replace("\r\n", "\n")
    for item in one.items:
        for version in item.view.versions:
            for line in (version.text or "").splitlines():
                if line.isprintable():
                    assert line in text
    assert "[deleted]" in text and "[U+0000]" in text
    assert 5 == made(one).notes[CONTROLS]


def test_no_message_can_write_a_line_of_ours() -> None:
    """What people wrote is indented, whatever ends a line for whoever reads it."""
    forged = "x" + "".join(f"{end}[deleted] forged" for end in (
        "\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"))
    text = only(slice_of([plain(NINE, PAIR, "m", forged)])).text
    assert ["  [deleted] forged"] * 9 == [
        line for line in text.splitlines() if "forged" in line]


def test_no_name_can_write_a_header() -> None:
    """Line ends, quotes, commas, encoded words and direction marks in names and titles."""
    evil = Identity("+1\r\nX-Evil: 1", "e164", 'A"\\,\r\nBcc: x@y.test =?utf-8?B?eA==?= \u202ecba')
    one = slice_of([plain(NINE, PAIR, "m", actor=evil)])
    found = only(replace(one, title="t\r\n\r\n--x", parties=(evil, DESK), custodian="b\nj"))
    assert not {"Bcc", "X-Evil"} & set(found.headers)
    assert 2 == len(getaddresses([found.headers["To"]]))
    assert all(line.isascii() and len(line) < 998
               for line in bodies(made(one)).popitem()[1].splitlines())


def test_copies_of_two_custodians_have_one_key() -> None:
    """A review platform's own hash never joins them; ours does, where the messages are the same."""
    first, second = (only(one) for one in slices.copies())
    name = "X-RSMF-Counterfoil-SharedKey"
    assert first.headers[name] == second.headers[name]
    assert first.headers["From"] != second.headers["From"]
    assert name not in only(slices.pair_slice()).headers
    one = slices.copies()[0]
    more = replace(one, items=(*one.items, slices.item_of(plain(NINE + 1, PAIR, "n"), 209)))
    partly = only(more).headers
    assert name not in partly and "1 of 2" == partly["X-RSMF-Counterfoil-SharedCount"]


def test_files_of_a_conversation_belong_together() -> None:
    """The same collection for each day, another for another account."""
    ids = [only(one).headers["X-RSMF-EventCollectionID"]
           for one in (slices.pair_slice(), slices.autumn_slice(), *slices.copies())]
    assert ids[0] == ids[1] == ids[2] != ids[3]


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    """UTC in the manifest, the offset in the text."""
    found = only(slices.autumn_slice())
    assert ["2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z"] == [
        one["timestamp"] for one in found.events]
    assert "01:30:00 UTC+0100" in found.text and "01:30:00 UTC+0000" in found.text


# -- size


def test_more_events_than_a_file_takes_are_several_files() -> None:
    """None is lost or twice, each is whole for itself."""
    one = slices.pair_slice()
    found = bodies(made(one, limits=Limits(events=7)))
    assert [f"data/rsmf/{one.name}.rsmf", *(f"data/rsmf/{one.name}_more{number:03d}.rsmf"
                                            for number in range(2, 6))] == list(found)
    assert all(check(body, path).findings == () for path, body in found.items())
    documents = sorted(custom(event)["Document id"] for body in found.values()
                       for event in read(body).events)
    assert [item.document_id for item in one.items] == documents


def test_a_file_of_many_bytes_is_put_in_pieces() -> None:
    """The same bytes, and memory holds a piece of them."""
    one = slices.pair_slice()
    assert bodies(made(one)) == bodies(made(one, limits=Limits(whole=0)))


def test_attachments_that_no_file_holds_are_notes() -> None:
    """The note says where the file is; the delivery report counts it."""
    large = b"x" * 300_000
    story = Story((said(NINE, text="big", native_id="big", attachments=(
        Attachment("1", "image/png", "big.png"), Attachment("2", "image/png", "small.png"))),),
        (large, b"first"))
    sink = made(slice_of([story]), [story], Limits(total=200_000))
    (path, body), = bodies(sink).items()
    found = read(body)
    assert () == check(body, path).findings
    assert 1 == sink.notes[TOO_LARGE]
    first, second = found.events[0]["attachments"]
    assert b"data/native/attachments/CF-0000001_1.png" in found.files[first["id"]]
    assert b"first" == found.files[second["id"]]


def test_attachments_split_a_slice_by_bytes() -> None:
    """Three files of 60 kB do not go into one of 200 kB."""
    stories = [Story((said(NINE + at, native_id=f"m{at}", attachments=(
        Attachment("1", "image/png", "a.png"),)),), (bytes([at]) * 60_000,)) for at in range(3)]
    found = bodies(made(slice_of(stories), stories, Limits(total=200_000)))
    assert [2, 1] == [len(read(body).events) for body in found.values()]
    assert all(len(body) < 200_000 for body in found.values())


class Liar(MemorySink):
    """A sink whose files are not what they were."""

    def open(self, path: str) -> BinaryIO:
        return io.BytesIO(self.files[path][::-1])


def test_an_attachment_that_changed_stops_the_export() -> None:
    """Nothing is put under a name and a hash that are not its own."""
    one = slice_of(told(["attachment"]))
    sink = Liar(sink_for([one]).files)
    with pytest.raises(Refused, match="not the file that was packed"):
        WRITER.slice(job(), one, sink)
    assert {} == bodies(sink)
    short = replace(one.items[0].files[0], size=3)
    with pytest.raises(Refused, match="3 were stated"):
        made(replace(one, items=(replace(one.items[0], files=(short,)),)))


# -- the same bytes, and the schema, for everything


def test_golden_bytes() -> None:
    """The same slice is the same file, wherever, whenever and by whatever it is made."""
    (_, body), = bodies(made(slices.pair_slice())).items()
    assert GOLDEN == sha256(body).hexdigest()


def strictly_valid(said_: object) -> None:
    """By the reference validator with its own, strict idea of a time."""
    checker = Draft7Validator.FORMAT_CHECKER
    assert not checker.conforms("2018-09-11T09:45:00", "date-time")
    Draft7Validator(dict(schema()), format_checker=checker).validate(said_)


@pytest.mark.parametrize("one", [*slices.every_slice(), *slices.copies()],
                         ids=lambda one: f"{one.name}-{one.account}")
def test_every_slice_of_the_factory_passes(one: Slice) -> None:
    """The official schema, the official rules and ours."""
    strictly_valid(only(one).manifest)


NAMES = st.lists(st.sampled_from([*STORIES]), min_size=1, max_size=6, unique=True)


@settings(max_examples=40)
@given(NAMES, st.sampled_from([PAIR, GROUP]), st.lists(wild_texts, max_size=3), wild_texts,
       st.sampled_from(["bjones", "", "Ä ö\n"]), st.integers(1, 4), st.booleans())
def test_whatever_is_exported_holds(names: Sequence[str], talk: str, texts: Sequence[str],
                                    title: str, custodian: str, events_max: int,
                                    has_notices: bool) -> None:
    """Any stories, texts, titles and splits: each file passes, no item is lost, no text is another.
    """
    stories = [*told(names, talk), *(plain(NINE + place, talk, f"wild{place}", text)
                                     for place, text in enumerate(texts))]
    one = slice_of(stories, talk, title=title, custodian=custodian,
                   gaps=(slices.gap(),) if has_notices else (),
                   withheld=slices.withheld() if has_notices else ())
    found = bodies(made(one, stories, Limits(events=events_max)))
    seen: dict[str, str] = {}
    for path, body in found.items():
        assert () == check(body, path).findings
        manifest = read(body).manifest
        strictly_valid(manifest)
        seen |= {custom(event)["Document id"]: event["body"] for event in manifest["events"]
                 if event["type"] != "disclaimer"}
    assert {item.document_id: item.view.hit.text or "" for item in one.items} == seen


@settings(max_examples=40)
@given(message_events())
def test_any_history_of_a_message_is_a_chain_that_holds(
        happened: list[events.CapturedEvent]) -> None:
    """Redeliveries, claims, times out of order: the body is what the console shows, and the file
    passes."""
    assert {message_key(one) for one in happened} == {message_key(happened[0])}
    bare = Story(tuple(happened))
    story = replace(bare, files=(None,) * len(slices.view_of(bare)[0].files))
    one = slice_of([story], parties=())
    event, = only(one).events
    hit = one.items[0].view.hit
    assert (hit.text or "") == event["body"]
    assert (hit.state == "retracted") == event.get("deleted", False)
