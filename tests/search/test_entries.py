"""Entries survive an index: what is stored reads back as it was."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.document import Entry, PartInfo
from schemas.errors import Refused
from schemas.events import Attachment, CapturedEvent
from search import entries
from search.project import document
from search.tokens import Tokenizer
from tests.search import strategies, world
from tests.search.test_tokens import odd_terms
from tests.search.world import PROJECTOR, MemoryArchive


def entries_of(*items: CapturedEvent) -> list[Entry]:
    """The entries of events sealed in this order."""
    archive = MemoryArchive()
    archive.seal(items)
    return [one[1] for one in (PROJECTOR.project(read, 0) for read in archive.events()) if one]


MARKED = world.event(text="pay €5 to DE89 3704 0044 0532 0130 00, 王小明",
                     attachments=(Attachment("f1", "application/pdf", "Invoice.pdf"),))


@given(st.lists(st.lists(odd_terms | st.sampled_from(
    ["0123456789abcdef", "ABCDEFABCDEFABCD", "deadbeef", "0", "-"]), max_size=5), max_size=3))
def test_words_as_they_are_come_back(texts: list[list[str]]) -> None:
    """Tokens of the plain mode, whatever was said, also words that look like tokens."""
    made, = entries_of(world.event())
    tokenizer = Tokenizer(world.INDEX_KEY, text="plain")
    worded = [replace(made, words=tuple(map(tokenizer.word, terms)),
                      chars=tuple(sorted(map(tokenizer.char, terms)))) for terms in texts]
    assert tuple(worded) == entries.load(json.loads(json.dumps(entries.dump(worded))))


@given(strategies.message_events())
@settings(max_examples=60)
def test_what_is_dumped_loads(items: list[CapturedEvent]) -> None:
    """Through JSON, with everything an entry may have."""
    made = entries_of(*items, MARKED)
    made.append(replace(made[0], part=PartInfo("s", 1, 3, "c", "x"), joined=True, unreadable="why",
                        observations=("a", "b")))
    assert tuple(made) == entries.load(json.loads(json.dumps(entries.dump(made))))


def test_a_document_of_one_entry_leaves_out_what_its_fields_hold() -> None:
    """Words, people and marks; of several entries nothing is left out."""
    found = document("d", entries_of(MARKED))
    dumped = json.loads(json.dumps(entries.dump_beside(found)))
    beside = {"actor": found.actors, "recipients": found.recipients, "chars": found.chars,
              "words": found.words[0], "marks": found.marks}
    assert found.marks and not set(found.marks) & set(json.dumps(dumped).split('"'))
    assert found.entries == entries.load(dumped, beside)
    both = document("d", entries_of(MARKED, replace(MARKED, captured_at=MARKED.captured_at + 5)))
    assert both.entries == entries.load(json.loads(json.dumps(entries.dump_beside(both))))


@pytest.mark.parametrize("stored", [[], [entries.SHAPE - 1], [entries.SHAPE + 1, []]])
def test_another_shape_is_refused(stored: list[object]) -> None:
    """Never guessed at: the index is rebuilt."""
    with pytest.raises(Refused, match="rebuild"):
        entries.load(stored)
