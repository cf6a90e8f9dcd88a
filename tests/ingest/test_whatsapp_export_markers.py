"""The app's own words are told from a person's in every language that the table has."""

from __future__ import annotations

from pathlib import Path

from ingest import align
from ingest.adapters import whatsapp_export_bodies as bodies
from ingest.adapters import whatsapp_export_strings as strings

_SHARED = Path(__file__).parents[3] / "shared" / "data" / "whatsapp_marker_strings.tsv"
_TOMBSTONES = (*strings.DELETED, *strings.DELETED_BY_ME, *strings.DELETED_BY_ADMIN)
_OMITTED = (*strings.IMAGE_OMITTED, *strings.VIDEO_OMITTED, *strings.AUDIO_OMITTED,
            *strings.GIF_OMITTED, *strings.STICKER_OMITTED, *strings.DOCUMENT_OMITTED,
            *strings.CONTACT_OMITTED)


def is_told(key: str, body: str) -> bool:
    """Whether a string of the apps' resources is what its key says; its name is a.jpg."""
    found = bodies.read(body, has_sender=True)
    if key.startswith(("revoked", "deleted")):
        return found.kind == align.TOMBSTONE
    if key in ("attached", "email_file_attached"):
        return found.media is not None and found.media.name == "a.jpg"
    return found.media is not None and found.media.omitted


def test_tombstones_of_every_language_are_one() -> None:
    """Whole bodies, with or without a full stop or a mark, in any case, say the same."""
    for text in _TOMBSTONES:
        for shown in (text, f"\u200e{text}.", f"\u200f{text.upper()}"):
            if shown.casefold().strip("\u200e\u200f.") == text:
                assert "x" == bodies.read(shown, has_sender=True).same, text
    for text in strings.DELETED_BY_NAMED:
        found = bodies.read("\u200e" + text.replace("%", "Ada Byron"), has_sender=True)
        assert "x" == found.same, text
        assert "Ada Byron" == dict(found.details)["deleted_by_name"]


def test_a_marker_inside_a_sentence_is_a_sentence() -> None:
    """Nothing but the whole body is a marker."""
    for text in (*_TOMBSTONES, *_OMITTED):
        assert align.MESSAGE == bodies.read(f"I saw: {text}", has_sender=True).kind
        assert bodies.read(f"I saw: {text}", has_sender=True).media is None


def test_omitted_files_of_every_language_are_facts() -> None:
    """A mark and the words are a file that was left out; the words alone are words, flagged."""
    for text in _OMITTED:
        media = bodies.read(f"\u200e{text}", has_sender=True).media
        assert media is not None, text
        assert media.omitted
        assert bodies.read(text, has_sender=True).is_ambiguous


def test_every_string_of_the_shared_table_is_told() -> None:
    """All strings of the apps' resources, where they lie beside the checkout; else ours stand."""
    rows = []
    if _SHARED.exists():
        rows = [line.split("\t") for line in _SHARED.read_text("utf-8").splitlines()[1:]]
    missed = [(place, key) for _, place, key, text in rows if not key.startswith("Edited")
              and not is_told(key, text.replace("%@", "a.jpg").replace("%s", "a.jpg"))]
    assert [] == missed
