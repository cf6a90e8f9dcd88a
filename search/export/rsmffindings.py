"""What a check of an RSMF file can find: the one table of codes.

Owns code, level, layer and the sentence of each. Four names are those of Relativity's own
validator, where its rule is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ERROR: Final = "error"
WARNING: Final = "warning"
EML: Final = "eml"
ZIP: Final = "zip"
JSON: Final = "json"

# Of one code so many are listed; the rest are counted.
LISTED_MAX: Final = 100

CODES: Final[Mapping[str, tuple[str, str, str]]] = {
    # Outside: the email.
    "eml_extension": (ERROR, EML, "the file's name does not end with .rsmf"),
    "eml_too_large": (ERROR, EML, "the file is larger than 2 GB, which is not supported"),
    "eml_unreadable": (ERROR, EML, "it is not an email of several parts"),
    "eml_text_missing": (WARNING, EML, "there is no text part: nothing can be searched for"),
    "eml_attachments": (ERROR, EML, "there is not exactly one attachment named rsmf.zip"),
    "eml_encoding": (ERROR, EML, "the attachment is not declared as base64, or is none"),
    "eml_version_missing": (ERROR, EML, "the header X-RSMF-Version is missing"),
    "eml_version_differs": (ERROR, EML, "header and manifest name different versions"),
    "eml_version_unknown": (WARNING, EML, "not version 2.0.0: it was checked as if it were"),
    "eml_header_differs": (ERROR, EML, "a header says something else than the manifest"),
    "eml_date_differs": (WARNING, EML, "the header Date is not the time of the first event"),
    # Between: the zip.
    "zip_unreadable": (ERROR, ZIP, "the attachment is not a zip that can be read"),
    "zip_too_large": (ERROR, ZIP, "the zip unpacks to more than a real one would"),
    "zip_damaged": (ERROR, ZIP, "a file of the zip cannot be unpacked"),
    "zip_name": (ERROR, ZIP, "a file's name is too long, or names a folder or nothing"),
    "zip_names_alike": (ERROR, ZIP, "two names are the same but for capital letters"),
    "zip_manifest_missing": (ERROR, ZIP, "there is no rsmf_manifest.json"),
    "zip_attachment_missing": (ERROR, ZIP, "an attachment that an event names is not there"),
    "zip_picture_missing": (WARNING, ZIP, "an avatar or icon is named and is not there"),
    "zip_file_unreferenced": (WARNING, ZIP, "nothing in the manifest names this file"),
    "zip_attachment_size": (WARNING, ZIP, "an attachment's size is not the one that is stated"),
    # Inside: the manifest.
    "json_unreadable": (ERROR, JSON, "the manifest is not JSON"),
    "json_too_large": (ERROR, JSON, "the manifest is larger or deeper than a real one would be"),
    "json_name_twice": (ERROR, JSON, "an object has the same name twice"),
    "json_mark": (WARNING, JSON, "the manifest begins with a byte order mark"),
    "ManifestSchemaViolation": (ERROR, JSON, "the schema does not allow this"),
    "ManifestUndefinedProperty": (WARNING, JSON, "the specification knows no such property"),
    "ManifestInvalidConversationParticipant": (
        WARNING, JSON, "a conversation names a participant that is not listed"),
    "ManifestInvalidEventParticipant": (
        WARNING, JSON, "an event names a participant that is not listed"),
    "manifest_not_tried": (WARNING, JSON, "further rules were not tried: the schema does not hold"),
    "manifest_conversation_unknown": (ERROR, JSON, "an event names no conversation that is listed"),
    "manifest_custodian_unknown": (
        ERROR, JSON, "the custodian is not a participant of the conversation"),
    "manifest_id_twice": (ERROR, JSON, "an id is given twice"),
    "manifest_parent_unknown": (
        ERROR, JSON, "a parent is not an event of the same conversation"),
    "manifest_edit_order": (ERROR, JSON, "edits are not in the order of their times"),
    "manifest_edit_chain": (ERROR, JSON, "an edit does not begin with the text before it"),
    "manifest_edit_body": (ERROR, JSON, "the body is not what the last edit left"),
    "manifest_event_order": (WARNING, JSON, "events are not sorted by time and id"),
    "manifest_events_many": (WARNING, JSON, "more than 10,000 events: split the file"),
    "manifest_time_zone": (WARNING, JSON, "a time does not say its zone: write UTC with Z"),
    "manifest_reaction_long": (WARNING, JSON, "a reaction of more than 30 characters"),
    "not_reproducible": (WARNING, ZIP, "made by Counterfoil, and not as Counterfoil makes it"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """`place`: where in the layer ("events/3/timestamp", a file's or header's name); `words`: the
    code's sentence and what was found. Both are ASCII: what a file says is quoted."""

    level: str
    layer: str
    code: str
    place: str
    words: str


@dataclass(slots=True)
class Findings:
    """Findings as they come."""

    listed: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, code: str, place: str = "", found: str = "") -> None:
        """One more. Above LISTED_MAX of one code they are only counted."""
        self.counts[code] += 1
        if self.counts[code] > LISTED_MAX:
            return
        level, layer, words = CODES[code]
        self.listed.append(Finding(level, layer, code, quoted(place, bare=True),
                                   f"{words}: {found}" if found else words))

    def all(self) -> tuple[Finding, ...]:
        """What was listed, and for each code that was cut off, how many more there are."""
        more = [Finding(*CODES[code][:2], code, "", f"{count - LISTED_MAX} more like these")
                for code, count in sorted(self.counts.items()) if count > LISTED_MAX]
        return (*self.listed, *more)


def quoted(said: object, *, bare: bool = False) -> str:
    """What a file says, safe to print: ASCII, short, in quotes unless `bare`."""
    text = str(said)
    cut = text[:120].encode("ascii", "backslashreplace").decode("ascii")
    shown = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in cut)
    shown = shown + ("..." if len(text) > 120 else "")
    return shown if bare else f'"{shown}"'
