"""What a set of acts of an export means, and how each is said: as events, and as custody."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import exports
from schemas.errors import Refused
from schemas.exports import Act, Export, act_event, body_of, read_act, record_of
from schemas.identity import message_key
from search.export import custody, wanted, wording
from search.export.wanted import Wanted

ID = "ab" * 16
NOW = 1_790_000_000_000
DAY = 86_400_000
WANTED = Wanted(query="closing", matter="Doe v. Roe", title="First set")
ASKED = Act(exports.REQUESTED, ID, NOW, "ann", WANTED.query, WANTED.body(), "5c", True)


def about(action: str, later: int, by: str, said: str = "", **values: object) -> Act:
    """An act about the request."""
    return Act(action, ID, NOW + later, by, said, body_of({"request": ASKED.digest, **values}))


AGREED = about(exports.APPROVED, 10, "bob", scope="5c", until=NOW + DAY)
BEGUN = about(exports.BEGUN, 20, "ann", folder="/x", checkpoint=7, tool="counterfoil 1")
DONE = about(exports.FINISHED, 30, "ann", folder="/x", manifest_sha256="aa" * 32,
             counts={"exported": 3, "records": 5, "files": 1, "withheld": {"privileged": 2}},
             tool="counterfoil 1")
GIVEN = about(exports.HANDED_OVER, 40, "ann", "by hand", to="Roe LLP", how="encrypted disk",
              file="set.zip", file_sha256="bb" * 32, manifest_sha256="aa" * 32)
REFUSED = about(exports.REFUSED, 15, "bob", "too wide")
WAY = [ASKED, AGREED, BEGUN, DONE, GIVEN]
STRANGE = [
    AGREED, BEGUN, DONE, GIVEN, REFUSED, replace(REFUSED, at=NOW + 25),
    replace(AGREED, by=" Ann "), replace(AGREED, by="carl", at=NOW + 12),
    replace(BEGUN, at=NOW + 2 * DAY), replace(ASKED, at=NOW + 5, by="mallory"),
    about(exports.APPROVED, 10, "bob", scope="other", until=NOW + DAY),
    Act(exports.APPROVED, ID, NOW + 10, "bob", body=body_of(
        {"request": "00" * 32, "scope": "5c", "until": NOW + DAY}))]


def only(*acts: Act) -> Export:
    """The one export of these acts."""
    (found,) = record_of(acts).exports
    return found


def test_an_export_goes_its_way() -> None:
    """Asked for, agreed to, begun, finished, handed over; each is the state as soon as it is said,
    and nothing is unfounded."""
    states = [only(*WAY[:count]).state for count in range(1, len(WAY) + 1)]
    assert [one.action for one in WAY] == states
    assert () == record_of(WAY).unfounded
    assert tuple(WAY) == only(*WAY).history()


@settings(max_examples=300)
@given(acts=st.lists(st.sampled_from([*WAY, *STRANGE]), max_size=9).map(tuple),
       shuffle=st.randoms(use_true_random=False))
def test_what_was_done_is_a_function_of_the_set(acts: tuple[Act, ...], shuffle: object) -> None:
    """Order and repetition do not matter."""
    again = [*acts, *acts]
    shuffle.shuffle(again)  # type: ignore[attr-defined]
    assert record_of(acts) == record_of(again)


@settings(max_examples=300)
@given(acts=st.lists(st.sampled_from([*WAY, *STRANGE]), max_size=9).map(tuple))
def test_nothing_needed_is_left_out(acts: tuple[Act, ...]) -> None:
    """What counts as begun has, said a second time by its fields alone: the request, and where one
    is needed a second person's approval of it, of this scope, in time, with no refusal before."""
    for one in record_of(acts).exports:
        first = min((act for act in acts if act.action == exports.REQUESTED),
                    key=lambda act: act.at)
        assert first == one.requested
        for begun in one.begun:
            assert begun.at >= first.at and begun.text("request") == first.digest
            assert any(
                act.action == exports.APPROVED and act.text("request") == first.digest
                and act.text("scope") == first.scope and first.at <= act.at <= begun.at
                and begun.at < act.number("until")
                and act.by.strip().casefold() != first.by.casefold() for act in acts)
        if one.begun:
            assert not any(act.action == exports.REFUSED and act.text("request") == first.digest
                           and first.at <= act.at <= one.begun[0].at for act in acts)
        assert not one.finished or one.begun
        assert not one.handed_over or one.finished


@pytest.mark.parametrize("agreed", STRANGE[6:7] + STRANGE[10:], ids=["own", "scope", "digest"])
def test_an_approval_is_of_a_second_person_for_exactly_this(agreed: Act) -> None:
    """Not by who asked, however he writes himself; not for another request, nor for other eyes."""
    found = record_of([ASKED, agreed, BEGUN])
    assert () == found.exports[0].approvals
    assert ((BEGUN,), ()) == (found.unfounded, found.exports[0].begun)


def test_an_approval_ends() -> None:
    """At the time that it was given until; a second one counts again."""
    late = replace(BEGUN, at=NOW + DAY)
    assert (late,) == record_of([ASKED, AGREED, late]).unfounded
    one = only(ASKED, AGREED)
    assert AGREED == one.approval(NOW + DAY - 1)
    assert one.approval(NOW + DAY) is None
    again = about(exports.APPROVED, DAY - 5, "bob", scope="5c", until=NOW + 2 * DAY)
    assert (late,) == only(ASKED, AGREED, again, late).begun


def test_a_refusal_ends_a_request_and_comes_too_late_for_what_is_begun() -> None:
    """Before it began nothing may begin any more; of two words at once the no counts; afterwards it
    changes nothing."""
    assert (exports.REFUSED, ()) == (only(ASKED, AGREED, REFUSED).state,
                                     only(ASKED, AGREED, REFUSED, BEGUN).begun)
    assert exports.REFUSED == only(ASKED, AGREED, BEGUN, replace(REFUSED, at=BEGUN.at)).state
    assert only(ASKED, AGREED, REFUSED).approval(NOW + 16) is None
    late = only(ASKED, AGREED, BEGUN, replace(REFUSED, at=NOW + 21), DONE)
    assert (exports.FINISHED, None) == (late.state, late.refused)


def test_without_an_approval_needed_none_is_asked_for() -> None:
    """Where none was configured when it was asked for."""
    free = replace(ASKED, needs_approval=False)
    assert exports.FINISHED == only(free, BEGUN, DONE).state


def test_an_interrupted_export_is_known_by_its_folder() -> None:
    """The last beginning of each folder in which none was finished since."""
    other = about(exports.BEGUN, 25, "ann", folder="/y", checkpoint=7)
    once_more = about(exports.BEGUN, 26, "ann", folder="/y", checkpoint=8)
    assert (once_more,) == only(ASKED, AGREED, BEGUN, other, once_more, DONE).unfinished
    assert (BEGUN, other) == only(ASKED, AGREED, BEGUN, other).unfinished


@pytest.mark.parametrize("act", [*WAY, REFUSED], ids=lambda act: act.action)
def test_an_act_survives_its_event(act: Act) -> None:
    """What is read is what was said; all events of an export belong to one subject; what is no act
    is refused."""
    event = act_event(act, 8)
    assert act == read_act(event)
    assert exports.export_key(ID) == message_key(event)
    for wrong in (replace(event, kind="audit"), replace(event, raw=None),
                  replace(event, target_key=exports.export_key("cd" * 16)),
                  replace(event, details=(("action", "lost"), ("export", ID))),
                  replace(event, details=(("action", act.action), ("export", "AB")))):
        with pytest.raises(Refused):
            read_act(wrong)
    with pytest.raises(ValueError, match="no act"):
        act_event(replace(act, export_id="AB"), 8)


def test_what_does_not_fit_into_one_record_is_refused() -> None:
    """Thousands of single ids, or a note without end: with what to do instead."""
    with pytest.raises(Refused, match="choose by a query"):
        act_event(replace(ASKED, body=b"x" * (exports.BODY_BYTES_MAX + 1)), 8)
    with pytest.raises(Refused, match="characters at most"):
        act_event(replace(ASKED, said="x" * (exports.WORDS_CHARS_MAX + 1)), 8)


def test_an_approval_names_what_was_asked_for_by_its_digest() -> None:
    """The digest of the request is that of the selection, which reads again as it was."""
    assert WANTED.digest == ASKED.digest
    assert wanted.read(ASKED.body) == WANTED


def test_custody_says_who_when_what_with_what_and_the_hash() -> None:
    """One line an act, in order, from 1; up to a time only what was done by then."""
    rows = custody.lines(only(*WAY))
    assert [(number, act.action, act.at, act.by) for number, act in enumerate(WAY, 1)] == [
        (row["line"], row["act"], row["at"], row["who"]) for row in rows]
    assert [ASKED.digest, ASKED.digest, ASKED.digest, "aa" * 32, "bb" * 32] == [
        row["sha256"] for row in rows]
    assert ["", "", "counterfoil 1", "counterfoil 1", ""] == [row["tool"] for row in rows]
    assert [
        "asked for the export “First set”; a second person has to agree",
        "agreed to this request",
        "began to make the package, under the log's checkpoint of 7 entries",
        "finished and sealed the package: 3 messages, 5 records, 1 file, 2 withheld",
        "handed it over to Roe LLP, encrypted disk (file set.zip): by hand",
    ] == [row["words"] for row in rows]
    assert rows[:3] == custody.lines(only(*WAY), BEGUN.at)
    assert json.dumps([dict(row) for row in rows])
    (_, refused) = custody.lines(only(ASKED, REFUSED))
    assert "refused this request: too wide" == refused["words"]
    # Where it lies on our disk is nobody's affair who receives it.
    assert "/x" not in str(rows)


def test_a_selection_is_said_in_words() -> None:
    """Everything that was chosen, in a fixed order; of many ids the first and how many more."""
    said = dict(wording.lines(replace(WANTED, context=3, since=NOW, custodians=tuple(
        f"c{number:03d}" for number in range(25)))))
    assert ("closing", "First set", "Doe v. Roe") == (said["query"], said["title"], said["matter"])
    assert said["custodians"].endswith("c019 and 5 more")
    assert ("3 messages before and after", "withheld, and listed", "2026-09-21 14:13:20 UTC") == (
        said["around each"], said["privileged"], said["from"])
    assert ["1.0 KiB", "3.5 MiB", "2.0 GiB", "7 bytes"] == [
        wording.size(one) for one in (1024, 3_670_016, 2 << 30, 7)]
