"""Names in a package: of people, conversations and files. Pure.

Owns what is safe to be a file's name everywhere, and how somebody is called who has a number only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from schemas.events import Identity
from search.files import FileView

_EXTENSION_MAX: Final = 8
_TITLE_PARTIES_MAX: Final = 6
# Of types that the standard table leaves to the machine it runs on.
# Ours, because the standard table takes what the machine says.
_TYPES: Final = {
    "application/pdf": "pdf", "application/zip": "zip", "application/msword": "doc",
    "application/vnd.ms-excel": "xls", "application/json": "json", "audio/aac": "aac",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "audio/amr": "amr", "audio/mp4": "m4a", "audio/mpeg": "mp3", "audio/ogg": "ogg",
    "image/gif": "gif", "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp",
    "text/csv": "csv", "text/plain": "txt", "text/vcard": "vcf", "video/3gpp": "3gp",
    "video/mp4": "mp4",
}
_RAW: Final = (("json", "json"), ("xml", "xml"), ("text", "txt"), ("form", "txt"))


def person(one: Identity | None) -> str:
    """ "Maria (+447700900123)", or what there is."""
    if one is None:
        return ""
    return f"{one.display_name} ({one.native_id})" if one.display_name and one.native_id and \
        one.display_name != one.native_id else one.display_name or one.native_id


def title(parties: Iterable[Identity], accounts: Collection[str]) -> str:
    """What a conversation is called: the people at the other end; the firm's own where there is
    nobody else."""
    every = list(parties)
    others = [one for one in every if one.native_id not in accounts] or every
    names = [one.display_name or one.native_id for one in others]
    more = len(names) - _TITLE_PARTIES_MAX
    return ", ".join(names[:_TITLE_PARTIES_MAX]) + (f" and {more} more" if more > 0 else "")


def attachment(document_id: str, one: FileView) -> str:
    """The path of a file in the package: no name of the source's is in it, which could be
    anything; it stands in the record."""
    return f"data/native/attachments/{document_id}_{one.number}.{extension(one)}"


def extension(one: FileView) -> str:
    """As the source's name ends, where that is plain; else by its media type; else "bin"."""
    _, dot, end = (one.name or "").rpartition(".")
    if dot and 0 < len(end) <= _EXTENSION_MAX and end.isascii() and end.isalnum():
        return end.lower()
    kind = (one.media_type or "").partition(";")[0].strip().lower()
    return _TYPES.get(kind, "bin")


def document(prefix: str, number: int) -> str:
    """ "CF-0000001": what a court cites."""
    return f"{prefix}-{number:07d}"


def raw(record: int, raw_type: str) -> str:
    """The path of a record's raw bytes."""
    kind = raw_type.lower()
    end = next((end for word, end in _RAW if word in kind), "bin")
    return f"data/native/raw/{record:07d}.{end}"
