"""What each source can tell us, and what it cannot: the first thing to know of a silence (G8).

Owns the table. `counterfoil doctor` prints it, docs/COVERAGE.md is made of it, and an adapter
without a row here fails a test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

YES: Final = "yes"
PARTLY: Final = "partly"
NO: Final = "no"

# What of a conversation a source may deliver, in the order in which it is shown.
PARTS: Final[Mapping[str, str]] = {
    "in": "messages to the firm",
    "out": "messages of the firm",
    "edits": "changed messages, with their text before and after",
    "retractions": "messages taken back",
    "media": "pictures, voice notes, files",
    "groups": "group conversations",
    "backfill": "what was said before, or while capture failed",
}


@dataclass(frozen=True, slots=True)
class Cover:
    """Whether (yes | partly | no), and in words what that means."""

    answer: str
    words: str


@dataclass(frozen=True, slots=True)
class Source:
    """One reader. `source` is what its events are marked with, `name` what people call it; `cover`
    has one entry for each of PARTS."""

    source: str
    name: str
    cover: Mapping[str, Cover]


COVERAGE: Final[tuple[Source, ...]] = (
    Source("whatsapp-cloud/1", "WhatsApp Business Platform (Cloud API)", {
        "in": Cover(YES, "each message by webhook; retried for days while we do not answer 200"),
        "out": Cover(PARTLY, "what is typed in the Business app comes as an echo (coexistence "
                             "only); what is sent over the API comes as a receipt without text"),
        "edits": Cover(PARTLY, "coexistence numbers only; at present many come without text and "
                               "target: archived as that, with the alarm edit_without_content"),
        "retractions": Cover(PARTLY, "coexistence numbers only; other numbers are not told"),
        "media": Cover(YES, "by id, for seven days after the webhook"),
        "groups": Cover(PARTLY, "groups of the Groups API; other groups never reach a business "
                                "number"),
        "backfill": Cover(PARTLY, "180 days once, at the start of coexistence, without groups, if "
                                  "the owner agrees; there is no interface for missed webhooks"),
    }),
    Source("twilio/1", "Twilio (SMS, MMS, WhatsApp)", {
        "in": Cover(YES, "each message by webhook; an SMS that is not answered in 15 s is not "
                         "sent again: `counterfoil reconcile` finds it"),
        "out": Cover(PARTLY, "a status callback without text; the text with "
                             "`counterfoil reconcile --import`"),
        "edits": Cover(NO, "SMS and MMS have none; those of WhatsApp do not come through Twilio"),
        "retractions": Cover(NO, "as edits"),
        "media": Cover(YES, "by address, with the account's credentials, until it is deleted "
                            "there"),
        "groups": Cover(PARTLY, "group MMS with its other recipients; no WhatsApp groups"),
        "backfill": Cover(YES, "the Messages API lists what the account keeps: "
                               "`counterfoil reconcile --channel sms`"),
    }),
    Source("whatsapp-export/1", "WhatsApp chat export (.txt, .zip)", {
        "in": Cover(YES, "as the phone shows the chat on the day of the export"),
        "out": Cover(YES, "as above; which side is the firm's needs `--me`"),
        "edits": Cover(PARTLY, "a mark without the earlier text; the earlier text only from an "
                               "earlier export"),
        "retractions": Cover(PARTLY, "a tombstone without time; some vanish from the chat whole"),
        "media": Cover(PARTLY, "only what was exported with the chat and still was on the phone"),
        "groups": Cover(YES, "one chat a file; members by the names that the phone knows"),
        "backfill": Cover(PARTLY, "the whole chat as it is today; nothing proves that it is "
                                  "complete"),
    }),
    Source("sms-backup/1", "SMS Backup & Restore (XML)", {
        "in": Cover(YES, "what was on the phone when the backup was made"),
        "out": Cover(YES, "as above, drafts and failed ones marked as such"),
        "edits": Cover(NO, "SMS and MMS have none"),
        "retractions": Cover(NO, "a message that a later backup lacks was deleted on the phone, "
                                 "or was not backed up"),
        "media": Cover(YES, "the parts of an MMS are in the file"),
        "groups": Cover(YES, "group MMS with their addresses"),
        "backfill": Cover(PARTLY, "what the phone still holds; calls from the calls file"),
    }),
)


def page() -> str:
    """docs/COVERAGE.md."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# What each source covers"
    yield ""
    yield "Made from `ingest/coverage.py` (`python -m tests.docs.coverage` writes it, a test"
    yield "compares); `counterfoil doctor` prints it. A gap that a source can tell of is an event"
    yield "and an alarm; what a source never tells stands here."
    yield ""
    yield "| source | " + " | ".join(PARTS) + " |"
    yield "|---" * (len(PARTS) + 1) + "|"
    for one in COVERAGE:
        yield f"| {one.name} | " + " | ".join(one.cover[part].answer for part in PARTS) + " |"
    for one in COVERAGE:
        yield ""
        yield f"## {one.name}"
        yield ""
        yield f"Its events are marked `{one.source}`."
        yield ""
        yield "| what | covered | in words |"
        yield "|---|---|---|"
        for part, words in PARTS.items():
            cover = one.cover[part]
            yield f"| {part}: {words} | {cover.answer} | {cover.words} |"
