"""The hash certificate on paper: the same facts for people, and lines for who certifies.

Owns the data of its template: which facts stand under which heading, in words, and how much of the
list of files is printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from schemas.gaps import Gap
from search.export import certificate, pdf_fonts, pdf_typeset
from search.export import transcript_words as words
from search.export.certificate import CertificateFacts
from search.export.model import Counts, Job
from search.export.pdf import foot
from search.export.pdf_text import Setter
from search.web import chat
from search.web.times import Zone

PATH: Final = "certificate.pdf"
# Of a long list of files the first and the last are printed; the JSON has all.
FILES_FIRST: Final = 200
FILES_LAST: Final = 50

_NO_FILES: Final = (
    ("files_missing", "more are stored by the record's word, and are not here"),
    ("files_not_archived", "more whose bytes the archive never had"),
)

Pairs = Sequence[tuple[str, str]]


def files(job: Job, counts: Counts, facts: CertificateFacts) -> dict[str, bytes]:
    """certificate.json and certificate.pdf, by path."""
    said = certificate.certificate(job, counts, facts)
    return {certificate.PATH: certificate.body(said), PATH: to_pdf(job, said)}


def to_pdf(job: Job, said: Mapping[str, Any]) -> bytes:
    """`said`: of `certificate.certificate`. The same facts give the same bytes."""
    setter = Setter()
    moments = _Moments(Zone(job.zone_name, job.zone))
    listed = [(one["path"], f"{one['bytes']:,}", one["sha256"]) for one in said["files"]]
    shown, left = _some(listed)

    def pairs(found: Iterable[tuple[str, str]]) -> list[tuple[str, Any]]:
        return [(name, setter.inline(value)) for name, value in found if value]

    sections = [(title, pairs(found)) for title, found in (
        ("The export", _export(said, moments)), ("The system", _system(said)),
        ("What came of it", _counts(said)), ("Where it was captured", _capture(said, moments)),
        ("What it is proved under", _proof(said, moments)))]
    data = {
        "title": f"Hash certificate of export {job.export_id}", "author": job.produced_by,
        "export": job.export_id, "left": setter.inline("Hash certificate"),
        "foot": setter.inline(foot(job.matter or job.title or job.organisation)),
        "fonts": pdf_fonts.families(),
        "heading": setter.inline(job.title or job.export_id),
        "organisation": setter.inline(job.organisation), "sections": sections,
        "query": setter.lines(said["query"] or "No query: see the selection."),
        "scope": setter.lines(said["scope"] or "not said"),
        "selection": pairs((one["name"], one["value"]) for one in said["selection"]),
        "manifests": [(setter.inline(name), digest)
                      for name, digest in sorted(said["manifests"].items())],
        "shows": [setter.inline(one) for one in said["shows"]],
        "hides": [setter.inline(one) for one in said["does_not_show"]],
        "gaps": [setter.inline(_gap(one, moments)) for one in said["gaps"]],
        "notes": [setter.inline(f"{what}: {times:,} times")
                  for what, times in sorted(said["notes"].items())],
        "verify": said["verify"]["command"], "with_key": setter.inline(said["verify"]["with_key"]),
        "files": [[(setter.inline(path), size, digest) for path, size, digest in part]
                  for part in shown],
        "files_said": (f"All {len(listed):,} files of the payload." if not left else
                       f"The payload has {len(listed):,} files. The first {FILES_FIRST} and the "
                       f"last {FILES_LAST} are printed here, {left:,} are not; certificate.json "
                       "and manifest-sha256.txt have all of them."),
    }
    return pdf_typeset.pdf("certificate.typ", data, job.requested_at)


class _Moments:
    """Times in the export's zone with UTC beside."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    def __call__(self, at: int | None, otherwise: str = "") -> str:
        if at is None:
            return otherwise
        found = words.at(at, self.zone)
        return f"{found.local} {self.zone.name} ({found.utc})"


def _export(said: Mapping[str, Any], moments: _Moments) -> Pairs:
    approved = said["approved"]
    period = said["period"]
    return (
        ("Export id", said["export_id"]), ("Matter", said["matter"]),
        ("Legal basis", said["basis"] or "none was given"),
        ("Asked for", f"by {said['requested']['by']}, {moments(said['requested']['at'])}"),
        ("Approved", f"by {approved['by']}, {moments(approved['at'])}" if approved
         else "no approval was needed"),
        ("Period", f"from {moments(period['since'], 'the beginning')} until "
                   f"{moments(period['until'], 'the checkpoint')}"),
        ("Trial", "This archive is a trial: its records are locked for days, not for years."
         if said["trial"] else ""))


def _system(said: Mapping[str, Any]) -> Pairs:
    system = said["system"]
    return (("Name", system["name"]), ("Version", system["version"]),
            ("Source, commit", system["commit"] or "not known"))


def _counts(said: Mapping[str, Any]) -> Pairs:
    counts, documents = said["counts"], said["documents"]
    context = counts["context"]
    files = [f"{counts['files']:,} files, {counts['file_bytes']:,} bytes",
             *(f"{counts[name]:,} {what}" for name, what in _NO_FILES if counts[name])]
    return (
        ("Matched", f"{counts['matched']:,} messages"
                    + (f", and {context:,} around them" if context else "")),
        ("Exported", f"{counts['exported']:,} messages of {counts['conversations']:,} "
                     f"conversations, {counts['records']:,} archived records"),
        ("Documents", f"{documents['first']} to {documents['last']}" if documents["first"]
         else "none"),
        ("Attachments", "; ".join(files)),
        ("Withheld", _reasons(counts["withheld"]) or "nothing"),
        ("Payload", f"{said['payload']['files']:,} files, {said['payload']['bytes']:,} bytes"))


def _capture(said: Mapping[str, Any], moments: _Moments) -> Pairs:
    capture, retention = said["capture"], said["retention"]
    known = [chat.KNOWN.get(one, one) for one in capture["provenances"]]
    return (
        ("Adapters", ", ".join(capture["adapters"])), ("Accounts", ", ".join(capture["accounts"])),
        ("Channels", ", ".join(map(chat.channel, capture["channels"]))),
        ("How it is known", ", ".join(known)),
        ("Kept until", f"from {moments(retention['first'])} to {moments(retention['last'])}"
         if retention["last"] else ""),
        ("Lock", retention["mode"] or "none: who holds the store can delete its objects"),
        ("Keys, by id", ", ".join(said["key_ids"])))


def _proof(said: Mapping[str, Any], moments: _Moments) -> Pairs:
    point = said["checkpoint"]
    found = [("Log", point["origin"]), ("Entries", f"{point['size']:,}"), ("Root", point["root"])]
    found += [("Key of the log", one) for one in said["log_keys"]]
    found += [("Cosigned", f"by {one['name']}, {moments(one['at'])}, key {one['key']}")
              for one in said["cosignatures"]] or [("Cosigned", "by nobody")]
    found += [("Time stamp", f"of {one['authority']}, "
                             f"{moments(one['at'], 'its time is in the token')}, over "
                             f"{one['size']:,} entries: {one['token']}")
              for one in said["time_stamps"]] or [("Time stamp", "none")]
    return (*found, ("Key of the seal", said["package_key"]))


def _reasons(found: Mapping[str, Mapping[str, int]]) -> str:
    return "; ".join(f"{words.counted(one['messages'], 'message')}, "
                     f"{words.counted(one['records'], 'record')}: {words.reason(reason)}"
                     for reason, one in sorted(found.items()))


def _gap(one: Mapping[str, Any], moments: _Moments) -> str:
    hole = chat.hole(Gap(one["reason"], one["channel"], one["account"], one["since"], one["until"],
                         one["settled"], one["missing"], one["note"]), moments.zone)
    where = " ".join(filter(None, (chat.channel(one["channel"]), one["account"])))
    missing = f" {one['missing']:,} messages are known to be missing." if one["missing"] else ""
    return (f"{moments(one['since'], 'From before anything is known')} until "
            f"{moments(one['until'], 'now: it is open')}{f', {where}' if where else ''}: "
            f"{hole.why}. {hole.state}{missing}" + (f" ({hole.note})" if hole.note else ""))


def _some(listed: list[tuple[str, str, str]]) -> tuple[list[list[tuple[str, str, str]]], int]:
    """The parts that are printed, and how many files between them are not."""
    left = len(listed) - FILES_FIRST - FILES_LAST
    if left <= 0:
        return [listed], 0
    return [listed[:FILES_FIRST], listed[-FILES_LAST:]], left
