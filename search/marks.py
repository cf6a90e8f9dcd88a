"""What a message holds beside words: identifiers in its text, attachments, flags. Pure.

Owns the labels, for both sides: what a message is marked with (`marks_of`), and what a query looks
for (`attachment_label`, `pattern_label`, `flag_label`). An index holds each label as a blind token,
the reference evaluator as it is; `search/patterns.py` says what an identifier is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from schemas import events, limits
from schemas.errors import Refused
from schemas.events import Attachment, CapturedEvent
from search import patterns, registries, tokens

Label = tuple[str, ...]
Labels = tuple[Label, ...]

PATTERN: Final = "pattern"
ATTACHMENT: Final = "attachment"
FLAG: Final = "flag"
ANY: Final = "any"
NAME: Final = "name"
ANY_FLAG: Final = "*"

# What a policy found in a message is an event of this kind about it, with these details.
FLAG_KIND: Final = events.POLICY
_ACTION: Final = ("action", "flag")
_RULE: Final = "rule"
_VERSION: Final = "version"
_NO_PATTERNS: Final[tuple[frozenset[tuple[str, str]], bool]] = (frozenset(), False)


def marks_of(event: CapturedEvent) -> Labels:
    """Everything that `event` is marked with, sorted, each once."""
    return marks_and_cut(event)[0]


def marks_and_cut(event: CapturedEvent) -> tuple[Labels, bool]:
    """`marks_of`, and whether its text may hold identifiers beyond limits.MARKS_MAX."""
    if event.kind == FLAG_KIND:
        # What a policy's own events quote is no mark of the message that they are about.
        return tuple(sorted(_flag_labels(event))), False
    held, is_cut = _NO_PATTERNS if event.text is None else patterns.values(event.text)
    shared = [_SHARED[name] for name, _ in event.details if name in _SHARED]
    if not (held or shared or event.attachments):
        return (), False
    found: set[Label] = {(PATTERN, kind) for kind, _ in held}
    found.update((PATTERN, kind, one) for kind, value in held for one in _answers_to(kind, value))
    if shared or event.attachments:
        found.add((ATTACHMENT, ANY))
        found.update((ATTACHMENT, one) for one in shared)
        found.update(_file_labels(event))
    return tuple(sorted(found)), is_cut


# --- the side of a query -------------------------------------------------------------------------


def attachment_label(value: str) -> Labels:
    """What `attachment:value` looks for, all of it: "yes" and "any" any attachment; one of FAMILIES
    or of the well-known kinds that; else the words of a file name. Empty where `value` holds
    nothing that could be looked for."""
    plain = tokens.normalise(value).strip()
    if plain in ("yes", ANY):
        return ((ATTACHMENT, ANY),)
    plain = _BY_EXTENSION.get(plain, plain)
    if plain in FAMILIES or plain in KINDS:
        return ((ATTACHMENT, plain),)
    return tuple(sorted((ATTACHMENT, NAME, word) for word in _name_words(value)))


def pattern_label(kind: str, value: str | None = None) -> Label:
    """What `pattern:kind` or `pattern:kind=value` looks for. A domain of `url` stands for those
    below it, one of `email` for every mailbox there, a number of `amount` for any currency.

    Raises Refused, with what is expected, for a kind that is none of patterns.KINDS and for a value
    that no text could hold as that kind.
    """
    if kind not in patterns.KINDS:
        raise Refused(f"expected {', '.join(patterns.KINDS[:-1])} or {patterns.KINDS[-1]}")
    if value is None:
        return PATTERN, kind
    found = patterns.canonical(kind, value)
    if found is None:
        raise Refused(f"expected {_EXPECTED[kind]}")
    return PATTERN, kind, found


def flag_label(rule: str, version: str | None = None) -> Label:
    """What `flag:rule` looks for, one version's flags or all; "*" is any rule."""
    plain = tokens.normalise(rule).strip()
    if plain == ANY_FLAG:
        return (FLAG,)
    return (FLAG, plain) if version is None else (FLAG, plain, version)


_EXPECTED: Final = {
    patterns.IBAN: "an account number with the right check digits",
    patterns.ISIN: "a securities number with the right check digit",
    patterns.CARD: "a card number with the right check digit",
    patterns.PHONE: "a telephone number of 7 to 15 digits",
    patterns.EMAIL: "a mail address, or the domain behind its @",
    patterns.URL: "a domain",
    patterns.AMOUNT: "a number, with or without a currency",
}


# --- the side of a message -----------------------------------------------------------------------


def _answers_to(kind: str, value: str) -> Iterator[str]:
    """The values that a query may name an identifier by."""
    yield value
    if kind == patterns.EMAIL:
        yield value.rpartition("@")[2]
    elif kind == patterns.URL:
        labels = value.split(".")
        if not labels[-1].isdigit():
            yield from (".".join(labels[at:]) for at in range(1, len(labels) - 1))
    elif kind == patterns.AMOUNT:
        currency, _, number = value.partition(" ")
        yield number
        yield from (f"{one} {number}" for one in registries.CURRENCY_READINGS.get(currency, ()))


def _flag_labels(event: CapturedEvent) -> Iterator[Label]:
    if event.target_key is None or _ACTION not in event.details:
        return
    rule, version = event.detail(_RULE), event.detail(_VERSION)
    yield flag_label(ANY_FLAG)
    if rule:
        yield flag_label(rule)
        if version:
            yield flag_label(rule, version)


def _file_labels(event: CapturedEvent) -> Iterator[Label]:
    sent_as = event.detail("type") or ""
    if event.attachments and (event.detail("voice") == "true" or sent_as in _SENT_AS):
        yield ATTACHMENT, _SENT_AS.get(sent_as, "voice")
    for one in event.attachments:
        # What the message says is for a file that says nothing itself.
        for label in _kinds_of(one) or ((sent_as,) if sent_as in FAMILIES else ()):
            yield ATTACHMENT, label
        for word in _name_words(one.name or ""):
            yield ATTACHMENT, NAME, word


def _kinds_of(attachment: Attachment) -> frozenset[str]:
    """The well-known kinds and the families of a file: by its media type, and by its name, should
    the two differ."""
    media_type = tokens.normalise(attachment.media_type or "").partition(";")[0].strip()
    kinds = [_BY_MEDIA_TYPE.get(media_type)]
    if attachment.name:
        extension = tokens.normalise(attachment.name).rpartition(".")[2].strip()
        kinds.append(_BY_EXTENSION.get(extension))
    found = {one for kind in kinds if kind for one in (kind, *_FAMILIES_OF[kind])}
    return frozenset(found or _MAIN_TYPES.get(media_type.partition("/")[0], ()))


def _name_words(name: str) -> list[str]:
    """Words and emoji, pairs of units instead of runs, and single units: what is part of a name has
    a part of these."""
    found = {*tokens.pairs_and_words(name), *tokens.units(name)} if name else set()
    return sorted(found)[:_NAME_WORDS_MAX]


_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
# Kind: families; media types; extensions beside the kind's own name.
_KINDS: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("pdf", "document", "application/pdf application/x-pdf", ""),
    ("doc", "document", "application/msword", "dot"),
    ("docx", "document", _OFFICE + "wordprocessingml.document", "docm dotx"),
    ("xls", "document", "application/vnd.ms-excel", "xlt"),
    ("xlsx", "document", _OFFICE + "spreadsheetml.sheet", "xlsm xlsb"),
    ("ppt", "document", "application/vnd.ms-powerpoint", "pps"),
    ("pptx", "document", _OFFICE + "presentationml.presentation", "pptm ppsx"),
    ("odt", "document", "application/vnd.oasis.opendocument.text", ""),
    ("ods", "document", "application/vnd.oasis.opendocument.spreadsheet", ""),
    ("odp", "document", "application/vnd.oasis.opendocument.presentation", ""),
    ("rtf", "document", "application/rtf text/rtf", ""),
    ("txt", "document text", "text/plain", "log"),
    ("csv", "document text", "text/csv text/comma-separated-values", "tsv"),
    ("html", "document text", "text/html", "htm"),
    ("json", "document text", "application/json", ""),
    ("xml", "document text", "application/xml text/xml", ""),
    ("eml", "document", "message/rfc822", "msg"),
    ("ics", "document", "text/calendar", ""),
    ("vcf", "contact", "text/vcard text/x-vcard text/directory", "vcard"),
    ("zip", "archive", "application/zip application/x-zip-compressed", ""),
    ("rar", "archive", "application/vnd.rar application/x-rar-compressed application/x-rar", ""),
    ("7z", "archive", "application/x-7z-compressed", ""),
    ("gz", "archive", "application/gzip application/x-gzip", "tgz"),
    ("tar", "archive", "application/x-tar", ""),
    ("apk", "archive", "application/vnd.android.package-archive", ""),
    ("exe", "", "application/x-msdownload application/vnd.microsoft.portable-executable", "msi"),
    ("jpg", "image", "image/jpeg image/jpg", "jpeg"),
    ("png", "image", "image/png", ""),
    ("gif", "image", "image/gif", ""),
    ("webp", "image", "image/webp", ""),
    ("heic", "image", "image/heic image/heif", "heif"),
    ("tiff", "image", "image/tiff", "tif"),
    ("svg", "image", "image/svg+xml", ""),
    ("mp3", "audio", "audio/mpeg audio/mp3", ""),
    ("m4a", "audio", "audio/mp4 audio/x-m4a audio/m4a", ""),
    ("aac", "audio", "audio/aac", ""),
    ("ogg", "audio", "audio/ogg", "opus oga"),
    ("amr", "audio", "audio/amr", ""),
    ("wav", "audio", "audio/wav audio/x-wav", ""),
    ("mp4", "video", "video/mp4", "m4v"),
    ("3gp", "video", "video/3gpp video/3gpp2", "3gpp"),
    ("mov", "video", "video/quicktime", ""),
    ("webm", "video", "video/webm", ""),
    ("mkv", "video", "video/x-matroska", ""),
    ("avi", "video", "video/x-msvideo", ""),
)
_MAIN_TYPES: Final = {
    "image": ("image",), "audio": ("audio",), "video": ("video",), "text": ("document", "text"),
}
# What the details of a message say of how it was sent, and what of it is no file.
_SENT_AS: Final = {"sticker": "sticker", "voice": "voice"}
_SHARED: Final = {"latitude": "location", "contacts": "contact"}
FAMILIES: Final = (
    "image", "audio", "video", "document", "text", "contact", "location", "archive",
)
KINDS: Final = (*(kind for kind, *_ in _KINDS), *_SENT_AS)
_FAMILIES_OF: Final = {kind: tuple(families.split()) for kind, families, *_ in _KINDS}
_BY_MEDIA_TYPE: Final = {
    one: kind for kind, _, media_types, _ in _KINDS for one in media_types.split()}
_BY_EXTENSION: Final = {
    one: kind for kind, _, _, others in _KINDS for one in (kind, *others.split())}
# Of one file name; more are no name but a text.
_NAME_WORDS_MAX: Final = limits.MARKS_MAX
