"""Whether an RSMF file is what it should be: the official schema, the rules of Relativity's
validator that are known, and stricter ones of our own. Pure.

Owns the way through the three layers and the comparison of the headers with the manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from search.export import canonical, rsmfopen, rsmfrules, rsmfschema
from search.export.rsmffindings import ERROR, Finding, Findings, quoted

PASSED: Final = "passed"
WITH_WARNINGS: Final = "passed_with_warnings"
FAILED: Final = "failed"
VERSION: Final = "2.0.0"
GENERATOR: Final = "Counterfoil"
_HEADER_CHARS_MAX: Final = 100


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found. `events`: null = the manifest could not be read so far."""

    findings: tuple[Finding, ...]
    events: int | None

    @property
    def verdict(self) -> str:
        """PASSED, WITH_WARNINGS or FAILED."""
        if any(one.level == ERROR for one in self.findings):
            return FAILED
        return WITH_WARNINGS if self.findings else PASSED


def check(body: bytes, name: str) -> Report:
    """An RSMF file of this name. Never raises for what is in it."""
    findings = Findings()
    if not name.lower().endswith(".rsmf"):
        findings.add("eml_extension", name)
    email = rsmfopen.email_of(body, findings)
    if email is None:
        return Report(findings.all(), None)
    version = email.headers.get("x-rsmf-version", "")
    if not version:
        findings.add("eml_version_missing")
    elif version != VERSION:
        findings.add("eml_version_unknown", "X-RSMF-Version", quoted(version))
    data = rsmfopen.packed(email, findings)
    opened = rsmfopen.zip_of(data, findings) if data is not None else None
    if opened is None or opened.manifest is None:
        return Report(findings.all(), None)
    said = _manifest(opened.manifest, opened.sizes, findings)
    if said is not None:
        _headers(email.headers, said, findings)
        if email.headers.get("x-rsmf-generator") == GENERATOR and not (
                opened.is_plain and _is_canonical(said, opened.manifest)):
            findings.add("not_reproducible")
    return Report(findings.all(), None if said is None else len(said["events"]))


def check_manifest(body: bytes) -> Report:
    """A manifest alone, without zip and email around it."""
    findings = Findings()
    said = _manifest(body, None, findings)
    return Report(findings.all(), None if said is None else len(said["events"]))


def _manifest(body: bytes, sizes: Mapping[str, int] | None,
              findings: Findings) -> dict[str, Any] | None:
    """The manifest where the schema holds, else null."""
    said = rsmfschema.parsed(body, findings)
    if said is None:
        return None
    if not rsmfschema.violations(said, findings):
        # As the official validator does: one such error hides the later checks.
        findings.add("manifest_not_tried")
        return None
    rsmfrules.check(said, sizes, findings)
    found: dict[str, Any] = said
    return found


def _is_canonical(said: Mapping[str, Any], written: bytes) -> bool:
    """Whether equal content would be equal bytes."""
    try:
        return canonical.document(said) == written
    except ValueError:
        # Half a character, or a number without an end: read, and never written by us.
        return False


def _headers(headers: Mapping[str, str], said: Mapping[str, Any], findings: Findings) -> None:
    version = headers.get("x-rsmf-version")
    if version and version != said["version"]:
        findings.add("eml_version_differs", "X-RSMF-Version", quoted(said["version"]))
    counts = {"X-RSMF-EventCount": len(said["events"]),
              "X-RSMF-AttachmentCount": rsmfrules.attachments(said)}
    for name, count in counts.items():
        stated = headers.get(name.lower())
        if stated is not None and stated != str(count):
            findings.add("eml_header_differs", name, f"{quoted(stated)}, and there are {count}")
    collection = headers.get("x-rsmf-eventcollectionid")
    if collection is not None and collection != said.get("eventcollectionid", collection):
        findings.add("eml_header_differs", "X-RSMF-EventCollectionID", quoted(collection))
    span = rsmfrules.span(said)
    if span is None:
        return
    for name, at in zip(("X-RSMF-BeginDate", "X-RSMF-EndDate"), span, strict=True):
        stated = headers.get(name.lower())
        if stated is not None and rsmfschema.moment(stated) != at:
            findings.add("eml_header_differs", name, f"{quoted(stated)}, not {at.isoformat()}")
    stated = headers.get("date")
    if stated is not None and not _is_same(stated, span[0]):
        findings.add("eml_date_differs", "Date", quoted(stated))


def _is_same(stated: str, at: datetime) -> bool:
    """Whether an RFC 5322 date, which has no parts of a second, is this time."""
    try:
        found = parsedate_to_datetime(stated[:_HEADER_CHARS_MAX])
        return found.tzinfo is not None and timedelta(0) <= at - found < timedelta(seconds=1)
    except (ValueError, TypeError, IndexError, OverflowError):
        return False
