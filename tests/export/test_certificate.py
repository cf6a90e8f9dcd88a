"""The hash certificate: every field, for machines and on paper, and nothing claimed too much."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from search.export import certificate, model, pdf_certificate
from search.export.bagit import Listed
from search.export.certificate import CertificateFacts, Cosigned, Stamped
from search.export.model import Counts
from search.export.package import Sources
from tests.export import slices
from tests.export.test_pdf import bare, off_page, pages, text_of

LOG_KEY = "archive.firm.example/log1+12345678+ASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4mrze8B"
SEAL_KEY = "export.firm.example+87654321+Afedcba9876543210fedcba9876543210fedcba9876543"
MANIFEST = sha256(b"manifest").hexdigest()


def listed(count: int) -> tuple[Listed, ...]:
    """That many files."""
    return tuple(Listed(f"data/text/CF-{number:07d}.txt", number,
                        sha256(str(number).encode()).hexdigest()) for number in range(1, count + 1))


def facts(**more: Any) -> CertificateFacts:
    """Everything that a certificate may say."""
    values: dict[str, Any] = {
        "version": "0.1.0", "commit": "c0ffee12", "files": listed(3),
        "manifests": (("manifest-sha256.txt", MANIFEST),),
        "sources": Sources(("whatsapp-cloud/1", "sms-backup/2"), ("+442079460001",), ("whatsapp",),
                           ("provider_signed",), slices.NINE, slices.NINE + 10 ** 11),
        "lock_mode": "COMPLIANCE", "log_keys": (LOG_KEY,), "log_key": LOG_KEY,
        "package_key": SEAL_KEY,
        "claim": "conversations", "cosignatures": (
            Cosigned("witness.example", "witness.example+aabbccdd+AAAA", slices.NINE),),
        "stamps": (Stamped("tsa.example", slices.NINE, 1_234,
                           "data/proof/timestamps/1234/tsa.example.tsr"),),
        "key_ids": ("master-2",), "since": slices.NINE, "until": None, "gaps": (slices.gap(),),
        "selection": (("privileged", "withheld, and listed"),),
        "documents": ("CF-0000001", "CF-0000040"),
    }
    return CertificateFacts(**{**values, **more})


def counts() -> Counts:
    """With every kind of loss."""
    made = slices.counts()
    made.matched += 4
    made.withheld |= {model.UNREADABLE: 4}
    made.left |= {model.UNREADABLE: 7, model.ERASED: 5}
    made.notes["loadfile: a line end became ®"] = 7
    return made


def paper(**more: Any) -> str:
    """The text of the printed one, bare."""
    return text_of(pdf_certificate.files(slices.job(), counts(), facts(**more))["certificate.pdf"])


def test_the_file_says_all_of_it_in_the_package_s_spelling() -> None:
    """Sorted names, no spaces, one line; every field that a court may ask for."""
    body = pdf_certificate.files(slices.job(), counts(), facts())["certificate.json"]
    said = json.loads(body)
    assert body == json.dumps(said, sort_keys=True, separators=(",", ":"),
                              ensure_ascii=False).encode() + b"\n"
    job = slices.job()
    assert {"origin": job.origin, "size": 1_234, "root": "ab" * 32,
            "note": job.checkpoint} == said["checkpoint"]
    assert (job.export_id, "pay AND invoice", "all custodians", "M-2026-014") == (
        said["export_id"], said["query"], said["scope"], said["matter"])
    assert {"by": "erin", "at": job.requested_at} == said["requested"]
    assert {"by": "dana", "at": job.approved_at} == said["approved"]
    assert {"name": "", "role": "", "qualification": ""} == said["certifier"]
    assert {"path": "data/text/CF-0000001.txt", "bytes": 1,
            "sha256": sha256(b"1").hexdigest()} == said["files"][0]
    assert {"files": 3, "bytes": 6} == said["payload"]
    assert {"manifest-sha256.txt": MANIFEST} == said["manifests"]
    assert {"adapters": ["sms-backup/2", "whatsapp-cloud/1"], "accounts": ["+442079460001"],
            "channels": ["whatsapp"], "provenances": ["provider_signed"]} == said["capture"]
    assert {"first": slices.NINE, "last": slices.NINE + 10 ** 11,
            "mode": "COMPLIANCE"} == said["retention"]
    assert {"kind": "conversations", "why": ""} == said["completeness"]
    assert "spool_overflow" == said["gaps"][0]["reason"]


def test_messages_and_records_that_stay_behind_are_told_apart() -> None:
    """Of each reason both: a message is withheld as a whole, and a record may be missing of one
    that is here."""
    said = certificate.certificate(slices.job(), counts(), facts())["counts"]
    assert {"privileged": {"messages": 1, "records": 3},
            "outside_period": {"messages": 0, "records": 6},
            "unreadable": {"messages": 4, "records": 7},
            "erased": {"messages": 0, "records": 5}} == said["withheld"]
    assert (44, 0, 40, 70, 2, 3, 1_005, 2, 1) == tuple(said[name] for name in (
        "matched", "context", "exported", "records", "conversations", "files", "file_bytes",
        "files_missing", "files_not_archived"))


def test_what_one_types_to_check_names_both_keys() -> None:
    """As a shell reads it, also where a key has a name that a shell would take apart."""
    said = certificate.certificate(slices.job(), counts(), facts())["verify"]
    assert {"command": "python3 -I verify.py",
            "with_key": f"python3 -I verify.py --log-key {LOG_KEY} --package-key {SEAL_KEY}"
            } == said
    odd = "the firm's log$(x)+12345678+AAAA"
    typed = certificate.with_key(odd, SEAL_KEY)
    assert ["python3", "-I", "verify.py", "--log-key", odd, "--package-key", SEAL_KEY
            ] == shlex.split(typed)


@pytest.mark.parametrize("words", [
    "pay AND invoice", "all custodians", "court order of 2 June 2026", "by erin,", "by dana,",
    "c0ffee12", "40 messages of 2 conversations, 70 archived records", "CF-0000001 to CF-0000040",
    "0 messages, 6 records: outside the period that was asked for; 1 message, 3 records: privileged"
    "; 4 messages, 7 records: it cannot be read", "2 more are stored by the record's word",
    "1 more whose bytes the archive never had", "signed by the provider", "COMPLIANCE",
    "master-2", LOG_KEY, SEAL_KEY, "ab" * 32, "by witness.example, Thu 14 May 2026 09:00:00",
    "of tsa.example,", "3 files, 6 bytes", MANIFEST, certificate.with_key(LOG_KEY, SEAL_KEY),
    "neither the log nor the spool could take a request", "a line end became ®: 7 times",
    "Qualified because", "Signature", "All 3 files of the payload.",
    sha256(b"3").hexdigest(), *certificate.DOES_NOT_SHOW,
])
def test_paper_says_the_same(words: str, printed: str) -> None:
    """Each fact in words, and room for whoever certifies."""
    assert bare(words) in printed


@pytest.fixture(scope="module")
def printed() -> str:
    """The certificate with everything."""
    return paper()


@pytest.mark.parametrize(("more", "words", "never"), [
    ({"claim": "conversations"}, "Every archived record of the conversations", "not claimed"),
    ({"claim": "custodians"}, "Every archived record of the custodians", "not claimed"),
    ({"claim": "none", "why": "single messages were chosen."},
     "Completeness is not claimed: single messages were chosen.", "chosen.."),
    ({"claim": "none", "why": ""}, "Completeness is not claimed.", "Every archived record"),
    ({"cosignatures": ()}, "No witness cosigned it.", "who saw that the log had only grown"),
    ({"stamps": ()}, "No time stamp of an authority is in the package.", "existed at the time"),
])
def test_nothing_is_claimed_that_is_not_there(more: dict[str, Any], words: str,
                                              never: str) -> None:
    """What is shown follows from what the package has."""
    shown = " ".join(certificate.certificate(slices.job(), counts(), facts(**more))["shows"])
    assert words in shown and never not in shown


def test_without_an_approval_it_says_so() -> None:
    """Null for machines, words for people."""
    job = slices.job(approved_by="", approved_at=0, trial=True)
    said = certificate.certificate(job, counts(), facts())
    assert said["approved"] is None
    shown = text_of(pdf_certificate.to_pdf(job, said))
    assert bare("no approval was needed") in shown and bare("This archive is a trial") in shown


def test_of_many_files_the_first_and_the_last_are_printed() -> None:
    """And it says how many are not; the JSON has all of them."""
    made = pdf_certificate.files(slices.job(), counts(), facts(files=listed(700)))
    assert len(json.loads(made["certificate.json"])["files"]) == 700
    shown = text_of(made["certificate.pdf"])
    assert bare("The payload has 700 files. The first 200 and the last 50 are printed here, "
                "450 are not") in shown
    for number, is_there in ((1, True), (200, True), (201, False), (650, False), (651, True),
                             (700, True)):
        assert is_there == (f"CF{number:07d}.txt" in shown)
    assert [] == off_page(made["certificate.pdf"])


def test_every_page_is_numbered_and_nothing_runs_off() -> None:
    """With texts that nobody foresaw: a long query, other writing, no place to break."""
    job = slices.job(query="(نص OR 合同 OR " + "x" * 400 + ")\nAND more", matter="M" * 300,
                     basis="b" * 200, organisation="同" * 90, title="\u202etitle \u1400")
    body = pdf_certificate.to_pdf(job, certificate.certificate(job, counts(), facts()))
    count = len(list(pages(body)))
    for number, (_, text) in enumerate(pages(body), 1):
        assert f"page {number} of {count}" in text
    assert [] == off_page(body)
    assert bare("RLOtitle U+1400") in text_of(body)
    assert text_of(body).count("x") >= 400


def test_the_same_facts_give_the_same_bytes() -> None:
    """In whatever order the files are listed."""
    first = pdf_certificate.files(slices.job(), counts(), facts())
    turned = replace(facts(), files=tuple(reversed(listed(3))))
    assert first == pdf_certificate.files(slices.job(), counts(), turned)
