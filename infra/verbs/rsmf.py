"""`rsmf-check FILE…`: whether RSMF files, ours or anybody's, are what they should be.

Owns the reading of the files and what is printed; the rules are `search/export/rsmfcheck.py`. It
needs no data folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from infra.verbs.screen import OUT, bad, emit, good, shown, strong
from schemas.errors import Missing, Refused
from search.export.rsmfcheck import FAILED, PASSED, WITH_WARNINGS, Report, check, check_manifest
from search.export.rsmffindings import ERROR
from search.export.rsmfopen import FILE_BYTES_MAX

_WORDS: Final = {PASSED: "passed", WITH_WARNINGS: "passed, with warnings", FAILED: "failed"}


def rsmf_check(files: Sequence[Path], *, json: bool) -> int:
    """Check each file; 1 when one failed. A name that ends with .json is a manifest alone. Raises
    Missing and Refused for what is no file that can be read."""
    reports = [(file, _checked(file)) for file in files]
    for file, report in reports:
        if json:
            emit({"file": _name(file), "ok": report.verdict != FAILED, "verdict": report.verdict,
                  "events": report.events,
                  "findings": [asdict(one) for one in report.findings]})
        else:
            _print(file, report)
    return 1 if any(report.verdict == FAILED for _, report in reports) else 0


def _checked(file: Path) -> Report:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise Refused(f"{_name(file)} is larger than 2 GB: no RSMF file may be")
        body = file.read_bytes()
    except FileNotFoundError as error:
        raise Missing(f"there is no file {_name(file)}") from error
    except OSError as error:
        raise Refused(f"{_name(file)} cannot be read: {error.strerror}") from error
    if file.suffix.lower() == ".json":
        return check_manifest(body)
    return check(body, file.name)


def _name(file: Path) -> str:
    """A name may hold bytes that are no text."""
    return str(file).encode("utf-8", "backslashreplace").decode()


def _print(file: Path, report: Report) -> None:
    verdict = _WORDS[report.verdict]
    OUT.print(bad(verdict) if report.verdict == FAILED else good(verdict), shown(_name(file)),
              "" if report.events is None else f"({report.events} events)", soft_wrap=True)
    for one in report.findings:
        word = bad("error") if one.level == ERROR else strong("warning")
        where = f" {one.place}" if one.place else ""
        OUT.print("  ", word, f"{one.layer}{where}: {one.words} [{one.code}]", soft_wrap=True)
