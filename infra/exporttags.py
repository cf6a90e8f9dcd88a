"""The tag files of a package: certificate, verifier, and where to begin.

Owns which files stand at the root of a package and what the certificate is filled with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources

from archive.tlog import note
from infra.wire import Wire
from schemas.gaps import Gap
from search.export import naming, proof, wording
from search.export.bagit import MANIFEST, Listed
from search.export.certificate import CertificateFacts, Cosigned, Stamped
from search.export.model import Counts, Job, Sink
from search.export.package import Sources
from search.export.proof import Trust
from search.export.wanted import Wanted


@dataclass(frozen=True, slots=True)
class Made:
    """What was made, for its certificate. `manifest`: the payload's manifest; `sink`: the package;
    `gaps`: those of its period."""

    job: Job
    trust: Trust
    wanted: Wanted
    counts: Counts
    sources: Sources
    payload: tuple[Listed, ...]
    manifest: bytes
    gaps: tuple[Gap, ...]
    sink: Sink


def statics(job: Job) -> dict[str, bytes]:
    """What is the same in every package, but for its names: the verifiers and START-HERE.txt."""
    offline = resources.files("search.export") / "offline"
    return {"verify.py": (offline / "verify.py").read_bytes(),
            "verify.html": (offline / "verify.html").read_bytes(),
            "START-HERE.txt": _start_here(job)}


def certificates(wire: Wire, made: Made) -> dict[str, bytes]:
    """certificate.json and certificate.pdf."""
    from search.export import pdf_certificate

    return pdf_certificate.files(made.job, made.counts, _facts(wire, made))


def _facts(wire: Wire, made: Made) -> CertificateFacts:
    with made.sink.open(f"{proof.FOLDER}/complete.json") as file:
        claim = json.load(file)
    count = made.counts.exported + made.counts.context
    documents = (naming.document(made.job.prefix, 1),
                 naming.document(made.job.prefix, count)) if count else ("", "")
    trust = made.trust
    times = {one.key: (one.time or 0) * 1000
             for one in (note.verify(trust.signed, trust.witnesses) if trust.witnesses else ())}
    signers = {one.key for one in note.verify(trust.signed, trust.log)}
    return CertificateFacts(
        made.job.produced_by.rpartition(" ")[2], "", made.payload,
        ((MANIFEST, sha256(made.manifest).hexdigest()),), made.sources,
        "" if wire.config.store.driver == "folder" else "COMPLIANCE",
        tuple(one.vkey() for one in trust.log),
        next(one.vkey() for one in trust.log if one in signers), trust.package.vkey(),
        claim["kind"], claim["why"],
        tuple(Cosigned(one.name, one.vkey(), times[one])
              for one in trust.witnesses if one in times),
        tuple(Stamped(one.authority, one.at, one.size,
                      f"{proof.FOLDER}/timestamps/{one.size}/{one.authority}.tsr")
              for one in trust.stamps),
        made.sources.keys,
        claim["since"], claim["until"], made.gaps, wording.lines(made.wanted),
        documents)


def _start_here(job: Job) -> bytes:
    matter = f"Matter: {job.matter}\n" if job.matter else ""
    return f"""\
{job.title}
{matter}Export {job.export_id}, made by {job.produced_by}

WHAT THIS IS
This folder holds messages from an archive, and the proof that they are what was
archived. Nothing in it needs the program that made it.

READ
data/transcript/index.html   the conversations, every version of each message
certificate.pdf              what was asked for, what is here, what was withheld
custody.jsonl                who asked for it, who agreed, what was done when

USE IN A REVIEW SYSTEM
data/rsmf/       RSMF 2.0, one file for each conversation and day
data/loadfile/   Concordance DAT and Opticon OPT (UTF-8), with text files
data/eml/        one mail for each conversation and day
data/csv/        one table, safe to open in a spreadsheet
data/native/     each archived record byte for byte, raw bytes of the provider,
                 attachments
data/withheld.csv, data/gaps.csv   what stays behind; where capture was interrupted

CHECK
python3 -I verify.py         says in words what is proved and what is not
verify.html                  the same in a browser, without a network

The keys that this package is checked with lie in it. Ask the archive's owner, by
another way, for two verifier keys and give both:
    python3 -I verify.py --log-key KEY --package-key KEY
--log-key      the log {job.origin}: whose records these are
--package-key  the seal: who made this package of them. Without it whatever is not
               proved by the log (transcripts, certificate, custody, what was left
               out) is the word of whoever sealed the folder last
Whoever trusts nobody keeps verify.py elsewhere, not in this folder: it is one file
and uses the standard library of Python alone. -I keeps other files of the folder
from being run with it.
""".encode()
