"""RSMF files as a stranger would build them, with the standard library alone, and one fault each.

Owns a manifest without fault, the building of a file around any manifest, and the reading of one.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from typing import Any

MANIFEST = "rsmf_manifest.json"
HEADERS = {
    "From": "Ann <ann@example.test>", "To": "Bob <bob@example.test>", "Subject": "talk",
    "Date": "Thu, 14 May 2026 08:00:00 +0000", "X-RSMF-Version": "2.0.0",
    "X-RSMF-Generator": "stranger", "X-RSMF-EventCount": "3", "X-RSMF-AttachmentCount": "1",
    "X-RSMF-BeginDate": "2026-05-14T08:00:00Z", "X-RSMF-EndDate": "2026-05-14T08:02:00Z",
}


def manifest() -> dict[str, Any]:
    """Two people, three events, everything that the specification knows and no fault."""
    return {
        "version": "2.0.0", "eventcollectionid": "c",
        "participants": [
            {"id": "P1", "display": "Ann", "email": "ann@example.test", "avatar": "ann.png"},
            {"id": "P2", "display": "Bob", "custom": [{"name": "n", "value": "v"}]}],
        "conversations": [{"id": "C1", "platform": "sms", "type": "direct", "display": "talk",
                           "participants": ["P1", "P2"], "custodian": "P2"}],
        "events": [
            {"id": "1", "type": "message", "conversation": "C1", "participant": "P1",
             "timestamp": "2026-05-14T08:00:00Z", "body": "three",
             "edits": [{"participant": "P1", "timestamp": "2026-05-14T08:01:00Z",
                        "previous": "one", "new": "two"},
                       {"participant": "P1", "timestamp": "2026-05-14T08:02:00Z",
                        "previous": "two", "new": "three"}],
             "reactions": [{"value": "👍", "count": 1, "participants": ["P2"]}]},
            {"id": "2", "type": "message", "conversation": "C1", "participant": "P2",
             "timestamp": "2026-05-14T08:01:00Z", "body": "yes", "parent": "1",
             "attachments": [{"id": "a.txt", "display": "note", "size": 5}],
             "read_receipts": [{"participant": "P1", "timestamp": "2026-05-14T08:03:00Z",
                                "action": "read"}]},
            {"id": "3", "type": "unknown", "conversation": "C1",
             "timestamp": "2026-05-14T08:02:00Z"}],
    }


def files() -> dict[str, bytes]:
    """What the manifest names."""
    return {"ann.png": b"\x89PNG", "a.txt": b"hello"}


@dataclass(slots=True)
class Parts:
    """What a file is made of; change what should be wrong. `header` values of "" are left out;
    `packed`: instead of a zip of `files` and the manifest; `more`: further attachments; `names`:
    of the zip entries, by what they are called now."""

    said: Any = field(default_factory=manifest)
    files: dict[str, bytes] = field(default_factory=files)
    headers: dict[str, str] = field(default_factory=lambda: dict(HEADERS))
    packed: bytes | None = None
    zip_name: str = "rsmf.zip"
    encoding: str = "base64"
    text: str | None = "Ann\nthree\n"
    more: Sequence[tuple[str, bytes]] = ()

    def zipped(self) -> bytes:
        """The zip."""
        body = self.said if isinstance(self.said, bytes) else json.dumps(self.said).encode()
        return pack([(MANIFEST, body), *self.files.items()])

    def made(self) -> bytes:
        """The whole file."""
        email = EmailMessage(policy=SMTP)
        for name, value in self.headers.items():
            if value:
                email[name] = value
        email.make_mixed(boundary="=_stranger")
        if self.text is not None:
            text = EmailMessage(policy=SMTP)
            text.set_content(self.text)
            email.attach(text)
        attached = [(self.zip_name, self.zipped() if self.packed is None else self.packed),
                    *self.more]
        for name, body in attached:
            email.add_attachment(body, "application", "octet-stream", filename=name,
                                 cte=self.encoding if name == self.zip_name else "base64")
        return email.as_bytes()


def pack(entries: Sequence[tuple[str, bytes]]) -> bytes:
    """A zip as anybody makes it: compressed, with the time of the day in it."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, body in entries:
            entry = zipfile.ZipInfo("x", (2026, 5, 14, 8, 0, 0))
            entry.filename = name
            opened.writestr(entry, body, zipfile.ZIP_DEFLATED)
    return held.getvalue()


@dataclass(frozen=True, slots=True)
class Read:
    """An RSMF file as the standard library reads it."""

    headers: Mapping[str, str]
    text: str
    names: list[str]
    files: dict[str, bytes]
    manifest: dict[str, Any]
    defects: list[Any]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The manifest's."""
        found: list[dict[str, Any]] = self.manifest["events"]
        return found

    def event(self, source: str) -> dict[str, Any]:
        """The one event of this id."""
        found, = (one for one in self.events if one.get("id") == source)
        return found


def read(body: bytes) -> Read:
    """Opened with the standard library alone."""
    email = message_from_bytes(body, policy=default)
    text, packed = email.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(packed, EmailMessage)
    assert (packed.get_filename(), packed.get_content_disposition(),
            packed["Content-Transfer-Encoding"]) == ("rsmf.zip", "attachment", "base64")
    with zipfile.ZipFile(io.BytesIO(packed.get_payload(decode=True))) as opened:  # type: ignore[arg-type]
        assert opened.testzip() is None
        held = {name: opened.read(name) for name in opened.namelist()}
        names = opened.namelist()
    return Read({name: str(value) for name, value in email.items()}, text.get_content(), names,
                held, json.loads(held[MANIFEST]),
                [*email.defects, *text.defects, *packed.defects])


def custom(of: Mapping[str, Any]) -> dict[str, str]:
    """Custom properties by name."""
    return {one["name"]: one["value"] for one in of.get("custom", ())}
