"""The hash certificate of a package: what was done, by whom, from what, and what it proves. Pure.

Owns certificate.json (docs/FORMAT.md §17) and its words. Who certifies is a person and signs the
printed one (pdf_certificate.py); the file speaks of the payload, whose manifest it names.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from schemas.gaps import REASONS, Gap
from search.export import canonical, complete
from search.export.bagit import Listed
from search.export.model import Counts, Job
from search.export.package import Sources

PATH: Final = "certificate.json"
# -I: nothing that somebody laid into the folder is run with it.
VERIFY: Final = "python3 -I verify.py"


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A witness's signature on the checkpoint. `key`: its verifier key; `at`: UTC ms."""

    name: str
    key: str
    at: int


@dataclass(frozen=True, slots=True)
class Stamped:
    """A time stamp of an authority. `at`: UTC ms, null = not read here; `size`: entries of the log
    at the checkpoint that was stamped; `token`: its path in the package, "data/proof/…"."""

    authority: str
    at: int | None
    size: int
    token: str


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says beside its job and counts.

    `version`, `commit`: of the system, "" = not known. `files`: the payload; `manifests`: name and
    SHA-256 (hex) of each manifest over it. `lock_mode`: of the archive's objects ("COMPLIANCE"),
    "" = not locked. `key_ids`: of the keys that sealed the records, never keys. `log_keys`,
    `package_key`: verifier keys; `log_key`: the first of them that signed the checkpoint. `claim`,
    `why`, `since`, `until`: kind, words and period (UTC ms, null = open) of complete.json; `gaps`:
    those that touch the period. `cosignatures`, `stamps`: in the order of trust.json. `selection`:
    what was asked for, name and value. `documents`: first and last id, "" = none.
    """

    version: str
    commit: str
    files: tuple[Listed, ...]
    manifests: tuple[tuple[str, str], ...]
    sources: Sources
    lock_mode: str
    log_keys: tuple[str, ...]
    log_key: str
    package_key: str
    claim: str
    why: str = ""
    cosignatures: tuple[Cosigned, ...] = ()
    stamps: tuple[Stamped, ...] = ()
    key_ids: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None
    gaps: tuple[Gap, ...] = ()
    selection: tuple[tuple[str, str], ...] = ()
    documents: tuple[str, str] = ("", "")


def certificate(job: Job, counts: Counts, facts: CertificateFacts) -> dict[str, Any]:
    """certificate.json as values; times UTC ms."""
    files = sorted(facts.files, key=lambda one: one.path)
    return {
        "v": 1, "export_id": job.export_id, "title": job.title, "matter": job.matter,
        "basis": job.basis, "organisation": job.organisation, "trial": job.trial,
        "certifier": {"name": "", "role": "", "qualification": ""},
        "system": {"name": job.produced_by, "version": facts.version, "commit": facts.commit},
        "requested": {"by": job.requested_by, "at": job.requested_at},
        "approved": {"by": job.approved_by, "at": job.approved_at} if job.approved_by else None,
        "query": job.query, "scope": job.scope, "zone": job.zone_name,
        "selection": [{"name": name, "value": value} for name, value in facts.selection],
        "period": {"since": facts.since, "until": facts.until},
        "checkpoint": {"origin": job.origin, "size": job.tree_size, "root": job.tree_root,
                       "note": job.checkpoint},
        "log_keys": list(facts.log_keys), "package_key": facts.package_key,
        "cosignatures": [{"name": one.name, "key": one.key, "at": one.at}
                         for one in facts.cosignatures],
        "time_stamps": [{"authority": one.authority, "at": one.at, "size": one.size,
                         "token": one.token} for one in facts.stamps],
        "counts": _counts(counts),
        "documents": {"first": facts.documents[0], "last": facts.documents[1]},
        "payload": {"files": len(files), "bytes": sum(one.size for one in files)},
        "manifests": dict(facts.manifests),
        "files": [{"path": one.path, "bytes": one.size, "sha256": one.sha256} for one in files],
        "capture": _capture(facts.sources),
        "retention": {"first": facts.sources.retain_first, "last": facts.sources.retain_last,
                      "mode": facts.lock_mode},
        "key_ids": sorted(facts.key_ids),
        "completeness": {"kind": facts.claim, "why": facts.why},
        "gaps": [_gap(one) for one in facts.gaps],
        "notes": dict(counts.notes),
        "verify": {"command": VERIFY, "with_key": with_key(facts.log_key, facts.package_key)},
        "shows": list(shows(job, facts)), "does_not_show": list(DOES_NOT_SHOW),
    }


def with_key(log_key: str, package_key: str) -> str:
    """What one types to check a package under two keys (verifier keys), as a shell reads it."""
    return (f"{VERIFY} --log-key {shlex.quote(log_key)} "
            f"--package-key {shlex.quote(package_key)}")


def body(said: dict[str, Any]) -> bytes:
    """The file."""
    return canonical.long_document(said) + b"\n"


def shows(job: Job, facts: CertificateFacts) -> Iterable[str]:
    """What a check of the package shows, in words."""
    yield ("Each record in data/native/events.jsonl was in the archive, byte for byte as it is "
           f"here, when its log had {job.tree_size:,} entries: a path of hashes leads from the "
           "record to the root that the checkpoint states.")
    yield "The checkpoint is signed with the log's key" + (
        f", and cosigned by {_names(one.name for one in facts.cosignatures)}, who saw that the "
        "log had only grown." if facts.cosignatures else ". No witness cosigned it.")
    for one in facts.stamps:
        yield (f"{one.authority} states that it had seen the checkpoint at the time in its stamp."
               if one.size == job.tree_size else
               f"{one.authority} states that it had seen the log's first {one.size:,} entries at "
               "the time in its stamp; later ones it had not seen.")
    if not facts.stamps:
        yield "No time stamp of an authority is in the package."
    yield "No file of the package was changed, added or removed since it was sealed."
    if facts.claim == complete.CONVERSATIONS:
        yield ("Every archived record of the conversations that are named is here, or is listed as "
               "withheld, in every cell of the domains that are named.")
    elif facts.claim == complete.CUSTODIANS:
        yield ("Every archived record of the custodians that are named is here, or is listed as "
               "withheld, in every cell of the domains that are named.")
    else:
        why = facts.why.removesuffix(".")
        yield f"Completeness is not claimed{f': {why}' if why else ''}."


DOES_NOT_SHOW: Final = (
    "That what people wrote is true, or who held the telephone: only what was captured.",
    "That the archive was given everything that the provider sent: nobody can prove that. Times "
    "at which capture is known to have failed are listed under gaps.",
    "That a time which a source states is right. The time of capture is the archive's own clock.",
    "Who signed the log, and who sealed the package, from this package alone: it brings its own "
    "keys. Compare both with keys that you were given by another way, and check with both, "
    "--log-key and --package-key. What somebody else's key has sealed is no package of the firm, "
    "though the records in it may be the firm's.",
    "That transcripts, RSMF, e-mail and load files render the records rightly: hashes and the seal "
    "cover them, the log does not. In doubt read the native record of the same document id.",
    "That the domains named are all that a custodian has: that is the archive's word. Where a "
    "conversation is shown to be absent from a cell, the key that names it is the exporter's word; "
    "a court can have that one cell opened.",
    "That something was withheld for the reason that is stated: reasons are the exporter's word.",
    "What could not be read when it arrived: it lies in the archive's quarantine, under no "
    "conversation, and is not part of an export of conversations.",
)


def _counts(counts: Counts) -> dict[str, Any]:
    return {
        "matched": counts.matched, "context": counts.context, "exported": counts.exported,
        "records": counts.records, "conversations": counts.conversations, "files": counts.files,
        "file_bytes": counts.file_bytes, "files_missing": counts.files_missing,
        "files_not_archived": counts.files_not_archived,
        "withheld": {reason: {"messages": counts.withheld.get(reason, 0), "records": records}
                     for reason, records in counts.left.items()},
    }


def _capture(sources: Sources) -> dict[str, Any]:
    return {"adapters": sorted(sources.sources), "accounts": sorted(sources.accounts),
            "channels": sorted(sources.channels), "provenances": sorted(sources.provenances)}


def _gap(one: Gap) -> dict[str, Any]:
    return {"reason": one.reason, "words": REASONS.get(one.reason, one.reason),
            "channel": one.channel, "account": one.account, "since": one.since,
            "until": one.until, "settled": one.settled, "missing": one.missing, "note": one.note}


def _names(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))
