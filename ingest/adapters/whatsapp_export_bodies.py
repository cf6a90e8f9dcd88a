"""What the body of an exported message says: words, a file, a place, or something the app wrote.

Owns the telling of the app's own words (`whatsapp_export_strings.py`) from a person's, and the form
of a body that is the same in every export of it, whatever the language, the platform and whether
files were exported too. A marker is only ever the whole body, or its end where the app puts it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ingest import align
from ingest.adapters import whatsapp_export_strings as strings
from ingest.adapters.whatsapp_export_text import compared, folded, unmarked
from ingest.values import Facts

# Before what the app itself wrote, in languages that run right and left.
_MARKED: Final = ("\u200e", "\u200f")
_MARKS: Final = "".join(_MARKED)
_TOMBSTONES: Final = {
    **dict.fromkeys(strings.DELETED, "sender"), **dict.fromkeys(strings.DELETED_BY_ME, "me"),
    **dict.fromkeys(strings.DELETED_BY_ADMIN, "admin"),
}
_NAMED: Final = re.compile("|".join(
    re.escape(before) + "(.+)" + re.escape(after)
    for before, _, after in (one.partition("%") for one in strings.DELETED_BY_NAMED)))
_OMITTED: Final = {
    **dict.fromkeys(strings.MEDIA_OMITTED, "media"),
    **dict.fromkeys(strings.IMAGE_OMITTED, "image"),
    **dict.fromkeys(strings.VIDEO_OMITTED, "video"),
    **dict.fromkeys(strings.AUDIO_OMITTED, "audio"),
    **dict.fromkeys(strings.GIF_OMITTED, "gif"),
    **dict.fromkeys(strings.STICKER_OMITTED, "sticker"),
    **dict.fromkeys(strings.DOCUMENT_OMITTED, "document"),
    **dict.fromkeys(strings.CONTACT_OMITTED, "contact"),
}
_EDITED: Final = frozenset(strings.EDITED)
# "%s (file attached)": what follows the name, and what stands before it.
_AFTER_NAME: Final = frozenset(one[1:].strip() for one in strings.FILE_ATTACHED
                               if one.startswith("%"))
_BARE_AFTER_NAME: Final = tuple(one for one in _AFTER_NAME if not one.startswith("("))
_BEFORE_NAME: Final = tuple(one[:-1].strip() for one in strings.FILE_ATTACHED
                            if one.endswith("%"))
# "<attached: %>" without its brackets, on either side of the name.
_INSIDE: Final = tuple(one.strip("<> ") for one in strings.ATTACHED if one.startswith("<"))
_LABELS: Final = frozenset(one[:-1].strip(" :：") for one in _INSIDE if one.endswith("%"))
_TAILS: Final = tuple(one[1:].strip() for one in _INSIDE if one.startswith("%"))
_OLD_ATTACHED: Final = "<attached>"
# What an app writes where it has nothing to show: Android for a picture to be seen once, all for a
# message that has not come yet. It says nothing of the message, least of all that it was deleted.
_VIEW_ONCE: Final = "null"
_WAITING: Final = frozenset(strings.WAITING)
# `Body.same` of every placeholder: one export writes this one, the next another.
HIDDEN_SAME: Final = "h"
_MARKER_CHARS_MAX: Final = 400
_LOCATION: Final = re.compile(
    r"[^:\n]{0,40}: ?(https://(?:maps\.google\.com|(?:www\.)?google\.com/maps)/?\S{0,80}?"
    r"[?&]q=(-?\d{1,3}\.\d{1,20}),(-?\d{1,3}\.\d{1,20})\S{0,80})\s*")
_POLL: Final = re.compile(r"(?:POLL|UMFRAGE|ENCUESTA|SONDAGE|SONDAGGIO|ENQUETE):?\s*$")
_VOTES: Final = re.compile(r"\s*\(\d{1,6}[^()]{0,30}\)\s*$")
_CALL: Final = re.compile(
    r"(?P<missed>(?:missed|silenced) )?(?P<group>group )?(?P<way>voice|video) call\b.{0,80}"
    r"|verpasster (?P<de>sprach|video)anruf.{0,80}|llamada (?P<es>perdida).{0,80}"
    r"|appel (?P<fr>vocal|vidéo) manqué.{0,80}|chiamata (?P<it>vocale|video) persa.{0,80}"
    r"|ligação de (?P<pt>voz|vídeo) perdida.{0,80}", re.IGNORECASE)
_DOCUMENT: Final = " • "
_EXTENSIONS: Final = {
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "gif": "image/gif",
    "webp": "image/webp", "heic": "image/heic", "mp4": "video/mp4", "mov": "video/quicktime",
    "3gp": "video/3gpp", "opus": "audio/opus", "ogg": "audio/ogg", "m4a": "audio/mp4",
    "mp3": "audio/mpeg", "aac": "audio/aac", "amr": "audio/amr", "wav": "audio/wav",
    "pdf": "application/pdf", "vcf": "text/vcard", "txt": "text/plain", "csv": "text/csv",
    "zip": "application/zip", "doc": "application/msword", "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_MEDIA_TYPES: Final = {"image": "image/*", "video": "video/*", "audio": "audio/*",
                       "gif": "video/*", "sticker": "image/webp", "contact": "text/vcard"}


@dataclass(frozen=True, slots=True)
class Media:
    """A file that the body names, or one that was left out (`name` null where it is not said)."""

    name: str | None
    media_type: str | None
    omitted: bool


@dataclass(frozen=True, slots=True)
class Body:
    """What a body is. `kind` as in `ingest.align`; `same` is equal in every export of it; `extra`
    is what only some exports show of it. `text` is null where nobody wrote anything."""

    kind: str
    same: str
    text: str | None = None
    extra: str = ""
    media: Media | None = None
    edited: bool = False
    is_ambiguous: bool = False
    is_call: bool = False
    details: tuple[tuple[str, str], ...] = ()


def read(shown: str, *, has_sender: bool) -> Body:
    """The body as the export shows it, its lines joined by "\\n". Never raises."""
    marked = shown.startswith(_MARKED)
    if not has_sender:
        return _notice(shown)
    if len(shown) <= _MARKER_CHARS_MAX:
        plain = folded(shown)
        found = (_placeholder(shown, plain, marked) or _tombstone(shown, plain, marked)
                 or _omitted(shown, plain))
        if found is not None:
            return found
    text, edited = _without_edited(shown)
    found = _attached(text) or _location(text) or _poll(text)
    if found is None and marked and not edited:
        # iOS writes its notices as if somebody had said them, with a mark before them.
        return _notice(shown)
    if found is None:
        said = _trimmed(text)
        found = Body(align.MESSAGE, "t\0" + compared(said), said)
    if not edited:
        return found
    return Body(found.kind, "e\0" + found.same, found.text, found.extra, found.media, True,
                details=(*found.details, ("edited", "true")))


def media_type_of(name: str) -> str | None:
    """A file's type by its name, or null."""
    return _EXTENSIONS.get(name.rpartition(".")[2].casefold()) if "." in name else None


def _trimmed(text: str) -> str:
    """The words alone: without the mark that the app puts before them, and the last empty lines."""
    return text.lstrip(_MARKS).rstrip("\n")


def _notice(shown: str) -> Body:
    text = _trimmed(shown)
    plain = compared(text)
    call = _CALL.fullmatch(plain)
    facts = Facts()
    facts.add("type", "call" if call else "notice")
    if call:
        facts.add("missed", "true" if call["missed"] or not call["way"] else None)
        facts.add("call", call["way"])
    return Body(align.NOTICE, "n\0" + plain, text, is_call=call is not None,
                details=facts.pairs())


def _placeholder(shown: str, plain: str, marked: bool) -> Body | None:
    is_waiting = plain.removeprefix("⌛").lstrip("\ufe0f ") in _WAITING
    if not is_waiting and (plain != _VIEW_ONCE or marked):
        return None
    # Without the app's mark somebody can have typed it.
    return Body(align.PLACEHOLDER, HIDDEN_SAME, None if marked else _trimmed(shown),
                is_ambiguous=not marked, details=(("type", "placeholder"),))


def _tombstone(shown: str, plain: str, marked: bool) -> Body | None:
    by = _TOMBSTONES.get(plain)
    facts = Facts()
    if by is None and (named := _NAMED.fullmatch(plain)) is not None:
        by = "admin"
        begin, end = named.span(named.lastindex or 0)
        # In its own letters: folding keeps the length of nearly all names.
        facts.add("deleted_by_name", compared(shown)[begin:end])
    if by is None:
        return None
    facts.add("deleted_by", by)
    return Body(align.TOMBSTONE, "x", _trimmed(shown), is_ambiguous=not marked,
                details=facts.pairs())


def _omitted(shown: str, plain: str) -> Body | None:
    """A file that the export leaves out: `<Media omitted>`, or a marked tail of the body (iOS)."""
    at = max(shown.rfind(mark) for mark in _MARKED)
    before, tail = shown[:max(0, at)], shown[at + 1:]
    kind = _OMITTED.get(folded(tail) if at >= 0 else plain)
    if kind is None:
        return None
    is_sure = at >= 0 or tail.strip().startswith("<")
    caption, name = _trimmed(before), None
    if kind == "document" and _DOCUMENT in caption:
        name, caption = unmarked(caption.partition(_DOCUMENT)[0]).strip(), ""
    if not is_sure:
        return Body(align.MESSAGE, "m", _trimmed(shown), is_ambiguous=True)
    media = Media(name, media_type_of(name or "") or _MEDIA_TYPES.get(kind), True)
    return _with_media(media, caption, kind)


def _with_media(media: Media, caption: str, kind: str) -> Body:
    caption = caption.strip("\n ").strip(_MARKS)
    text = caption if compared(caption) else None
    return Body(align.MESSAGE, "m", text, compared(caption), media,
                details=(("type", kind),))


def _without_edited(shown: str) -> tuple[str, bool]:
    """(the body without the app's remark that it was edited, whether it was there)."""
    stripped = shown.rstrip("\n ")
    if not stripped.endswith(">"):
        return shown, False
    at = stripped.rfind("<", max(0, len(stripped) - 120))
    if at < 0 or folded(stripped[at + 1:-1]) not in _EDITED:
        return shown, False
    return stripped[:at].rstrip(_MARKS + " "), True


def _attached(text: str) -> Body | None:
    """A file that lies beside the text, named in one line; the other lines are its caption."""
    if "." not in text:
        return None
    lines = text.split("\n")
    # Android names the file first, iOS after the caption.
    for at in dict.fromkeys((0, len(lines) - 1)):
        name, rest = _file_name(lines[at])
        if name is None:
            continue
        caption = "\n".join([*lines[:at], *([rest] if rest else []), *lines[at + 1:]])
        kind = (media_type_of(name) or "file").partition("/")[0]
        return _with_media(Media(name, media_type_of(name), False), caption, kind)
    return None


def _file_name(line: str) -> tuple[str | None, str]:
    """(the file that a line names or null, what else the line says)."""
    if len(line) > _MARKER_CHARS_MAX:
        return None, ""
    plain = unmarked(line).strip()
    if plain.endswith(")"):
        at = plain.rfind(" (")
        if at > 0 and folded(plain[at + 1:]) in _AFTER_NAME and "." in plain[:at]:
            return plain[:at].strip(), ""
    elif plain.endswith(">"):
        at = plain.rfind("<")
        inner = plain[at + 1:-1].strip()
        found = _inside(inner)
        if found is not None:
            before = plain[:at].strip()
            # "Name.pdf • 2 pages <attached: ...>": the app's own description.
            return found, "" if _DOCUMENT in before else before
        if plain[at:].casefold() == _OLD_ATTACHED and "." in plain[:at]:
            return plain[:at].strip(), ""
    for after in _BARE_AFTER_NAME:
        if plain.endswith(" " + after) and "." in plain:
            return plain[:-len(after)].strip(), ""
    for before in _BEFORE_NAME:
        if plain.startswith(before + " ") and "." in plain:
            return plain[len(before):].strip(), ""
    return None, ""


def _inside(inner: str) -> str | None:
    for colon in (":", "："):
        label, found, name = inner.partition(colon)
        if found and folded(label) in _LABELS and name.strip():
            return name.strip()
    for tail in _TAILS:
        if folded(inner).endswith(" " + tail):
            return inner[:len(inner) - len(tail)].strip()
    return None


def _location(text: str) -> Body | None:
    if "https://" not in text or "\n" in text.strip():
        return None
    match = _LOCATION.fullmatch(unmarked(text).strip())
    if match is None:
        return None
    facts = Facts()
    facts.add("type", "location")
    facts.add("latitude", match[2])
    facts.add("longitude", match[3])
    # One platform writes 14 places after the point, the other seven: a metre is enough.
    same = f"l\0{float(match[2]):.4f}\0{float(match[3]):.4f}"
    return Body(align.MESSAGE, same, _trimmed(text).strip(), details=facts.pairs())


def _poll(text: str) -> Body | None:
    lines = unmarked(text).strip().split("\n")
    if len(lines) < 2 or not _POLL.match(lines[0].strip()):
        return None
    votes = [one for one in lines[2:] if _VOTES.search(one)]
    # Votes are counted anew in each export; the question stays.
    same = "p\0" + compared("\n".join(_VOTES.sub("", one) for one in lines[1:]))
    return Body(align.MESSAGE, same, _trimmed(text), compared("\n".join(votes)),
                details=(("type", "poll"),))
