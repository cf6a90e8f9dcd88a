"""Emails of an export: one for each conversation and day, for whoever loads emails.

Owns the writer: what the parts are and what stands in the headers. A transcript as text and as
HTML, the canonical record as JSON, and the files as they are. The grammar is `eml_parts.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, time
from hashlib import sha256
from typing import Final

from schemas.errors import Refused
from schemas.events import Identity
from search.export import eml_html as html
from search.export import eml_parts as parts
from search.export import eml_record
from search.export import loadfile_text as words
from search.export.model import Counts, Item, Job, PackedFile, Sink, Slice
from search.web import chat, texts

FOLDER: Final = "data/eml"
# RFC 2606: what is sent there reaches nobody.
DOMAIN: Final = "counterfoil.invalid"
_TEXT: Final = "text/plain"
# An email that is larger goes out in pieces.
_WAITING_MAX: Final = 8 << 20
_NAME_MAX: Final = 80
# Hex digits of the record's hash in names: lines stay short; all 64 are in a header.
_SHOWN: Final = 40
_FIRST_YEAR: Final = 1900


@dataclass(frozen=True, slots=True)
class Emails:
    """A `model.Writer`."""

    def begin(self, job: Job, sink: Sink) -> None:
        """Nothing: each slice is a file of its own."""

    def slice(self, job: Job, one: Slice, sink: Sink) -> None:
        """The email of one slice. Raises Refused for an attachment that is not what was packed."""
        out = _Out(sink, f"{FOLDER}/{one.name}.eml")
        record = eml_record.record(job, one)
        digest = sha256(record).hexdigest()
        # "=_" is in no base64: no line of a part can be a boundary.
        outer, inner = f"=_{digest[:_SHOWN]}_m", f"=_{digest[:_SHOWN]}_a"
        found = tuple(words.blocks(job, one))
        out.write(_headers(job, one, digest))
        out.write(parts.content("multipart/mixed", [("boundary", outer)]) + parts.CRLF)
        out.write(f"--{outer}{parts.CRLF}")
        out.write(parts.content("multipart/alternative", [("boundary", inner)]) + parts.CRLF)
        for kind, body in ((_TEXT, _plain(job, one, found, sink)),
                           ("text/html", html.page(subject(job, one), found, _foot(job)))):
            out.write(f"--{inner}{parts.CRLF}")
            out.write(parts.content(kind, [("charset", "utf-8")]))
            out.body(body.replace("\n", parts.CRLF).encode())
        out.write(f"--{inner}--{parts.CRLF}{parts.CRLF}")
        out.write(f"--{outer}{parts.CRLF}")
        out.write(parts.content("application/json"))
        out.write(parts.disposition("attachment", f"{one.name}.json"))
        out.body(record)
        for item in one.items:
            for file in item.files:
                out.write(f"--{outer}{parts.CRLF}")
                _attach(item, file, sink, out)
        out.write(f"--{outer}--{parts.CRLF}")
        out.close()

    def end(self, job: Job, counts: Counts, slices: Iterable[str], sink: Sink) -> None:
        """Nothing."""


def subject(job: Job, one: Slice) -> str:
    """What the talk is called, where, and the day."""
    more = f" ({one.part} of {one.parts})" if one.parts > 1 else ""
    title = words.one_line(one.title) or one.conversation
    return f"{title} - {chat.channel(one.channel)} - {one.day.isoformat()}{more}"


def mailbox(who: Identity, channel: str) -> tuple[str, str]:
    """(What somebody is called, an address that nobody answers)."""
    host = "".join(one for one in channel.lower() if one.isascii() and one.isalnum())[:12] or "chat"
    return (words.one_line(who.display_name) or words.one_line(who.native_id),
            f"{parts.local_part(who.native_id)}@{host}.{DOMAIN}")


def custodian(one: Slice) -> Identity:
    """Whose data it is: the party with the slice's account, else the account as it is called."""
    own = next((who for who in one.parties if _bare(who.native_id) == _bare(one.account)), None)
    return own or Identity(one.account, "unknown", one.custodian or None)


def _headers(job: Job, one: Slice, digest: str) -> str:
    records = [record for item in one.items for record in item.records]
    sender = custodian(one)
    everybody = one.parties or (sender,)
    lines = [
        parts.addresses("From", [mailbox(sender, one.channel)]),
        parts.addresses("To", [mailbox(who, one.channel) for who in everybody]),
        f"Date: {parts.date(_first(job, one))}{parts.CRLF}",
        parts.header("Subject", subject(job, one)),
        f"Message-ID: <{digest[:_SHOWN]}@{DOMAIN}>{parts.CRLF}",
        f"MIME-Version: 1.0{parts.CRLF}",
    ]
    facts = (
        ("Export", job.export_id), ("Matter", job.matter), ("Slice", one.name),
        ("Conversation", one.conversation), ("Custodian", one.custodian),
        ("Account", one.account), ("Platform", chat.channel(one.channel)),
        ("Items", str(len(one.items))), ("Withheld", str(len(one.withheld))),
        ("Gaps", str(len(one.gaps))),
        ("Documents", _documents(job, one)),
        ("Records", words.ranges(record.number for record in records).replace(";", "; ")),
        ("Leaves", words.ranges(record.leaf for record in records).replace(";", "; ")),
        ("Log", job.origin), ("Checkpoint-Size", str(job.tree_size)),
        ("Checkpoint-Root", job.tree_root), ("Record-SHA256", digest),
    )
    lines += [parts.header(f"X-Archive-{name}", value) for name, value in facts if value]
    return "".join(lines)


def _documents(job: Job, one: Slice) -> str:
    runs = words.ranges(item.number for item in one.items)
    return "; ".join("-".join(f"{job.prefix}-{int(end):07d}" for end in run.split("-"))
                     for run in runs.split(";")) if runs else ""


def _first(job: Job, one: Slice) -> datetime:
    """When the first item was; where no email can say so, when the day began."""
    try:
        found = job.local(one.items[0].at)
    except (IndexError, OverflowError, ValueError, OSError):
        found = None
    if found is None or found.year < _FIRST_YEAR:
        return datetime.combine(one.day, time(), job.zone)
    return found


def _plain(job: Job, one: Slice, found: Iterable[words.Block], sink: Sink) -> str:
    text, changed = words.plain(found)
    if changed:
        sink.note(f"email: {words.CONTROLS_SHOWN}", changed)
    return f"{subject(job, one)}\n\n{text}\n{_foot(job)}\n"


def _foot(job: Job) -> str:
    return (f"Times are in {job.zone_name}, with UTC beside them. This is a rendering: each item's "
            "archived records are in data/native/events.jsonl under the numbers of the JSON "
            "attached.")


def _attach(item: Item, file: PackedFile, sink: Sink, out: _Out) -> None:
    identity = words.file_id(item, file)
    if not file.path:
        out.write(parts.content(_TEXT, [("charset", "utf-8")]))
        out.write(parts.disposition("attachment", f"{identity}_UNAVAILABLE.txt"))
        out.write(parts.header("X-Archive-Document", identity))
        out.body(f"{words.file_line(item, file)}{parts.CRLF}".encode())
        return
    out.write(parts.content(parts.safe_type(file.view.media_type)))
    out.write(parts.disposition("attachment", _file_name(identity, file, sink)))
    out.write(parts.header("X-Archive-Document", identity))
    out.write(parts.header("X-Archive-SHA256", file.sha256))
    out.begin_body()
    digest = sha256()
    with sink.open(file.path) as opened:
        for piece in parts.pieces(opened):
            digest.update(piece)
            out.raw(parts.encoded(piece))
    if digest.hexdigest() != file.sha256:
        raise Refused(f"{file.path} is not what was packed for {identity}")
    out.write(parts.CRLF)


def _file_name(identity: str, file: PackedFile, sink: Sink) -> str:
    """The file's own name behind its document id: names come twice, and any name is possible."""
    said = texts.plain(file.view.name)
    name = "".join("_" if one in '/\\:*?"<>|' else one for one in words.one_line(said))
    if len(name) > _NAME_MAX:
        stem, dot, end = name.rpartition(".")
        end = f"{dot}{end}" if stem and len(end) <= 10 else ""
        name = name[:_NAME_MAX - len(end)] + end
        sink.note("email: a file's name was cut; the JSON has all of it")
    return f"{identity} {name}" if name else f"{identity}.{file.path.rpartition('.')[2]}"


def _bare(account: str) -> str:
    """A number is written with and without its plus."""
    return account.removeprefix("+").lower()


@dataclass(slots=True)
class _Out:
    """The email on its way: whole where it is small, in pieces where its files are large."""

    sink: Sink
    path: str
    waiting: list[bytes] = field(default_factory=list)
    size: int = 0
    is_begun: bool = False

    def write(self, text: str) -> None:
        """Lines of ours."""
        self.raw(text.encode("ascii"))

    def begin_body(self) -> None:
        """The end of a part's headers."""
        self.write(f"Content-Transfer-Encoding: base64{parts.CRLF}{parts.CRLF}")

    def body(self, body: bytes) -> None:
        """A part's body."""
        self.begin_body()
        self.raw(parts.encoded(body))
        self.write(parts.CRLF)

    def raw(self, body: bytes) -> None:
        """Bytes as they are."""
        self.waiting.append(body)
        self.size += len(body)
        if self.size > _WAITING_MAX:
            self._send()

    def close(self) -> None:
        """The email is whole."""
        if self.is_begun:
            self._send()
        else:
            self.sink.put(self.path, b"".join(self.waiting))

    def _send(self) -> None:
        self.sink.append(self.path, b"".join(self.waiting))
        self.waiting, self.size, self.is_begun = [], 0, True
