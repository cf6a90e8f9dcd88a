"""The bag around a package: BagIt 1.0 (RFC 8493), and the seal over it. Pure.

Owns bagit.txt, bag-info.txt, the manifests and the text that `seal.note` signs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from schemas.errors import Refused
from search.export.model import Job

PAYLOAD: Final = "data/"
MANIFEST: Final = "manifest-sha256.txt"
TAG_MANIFEST: Final = "tagmanifest-sha256.txt"
SEAL: Final = "seal.note"
DECLARATION: Final = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
SEAL_LABEL: Final = "counterfoil export package v1"
_ESCAPED: Final = {"%": "%25", "\r": "%0D", "\n": "%0A"}


@dataclass(frozen=True, slots=True)
class Listed:
    """One file: its path in the package, its size and SHA-256 (hex)."""

    path: str
    size: int
    sha256: str


def manifest(files: Iterable[Listed]) -> bytes:
    """The lines of a manifest, by path."""
    return "".join(f"{one.sha256}  {_escaped(one.path)}\n"
                   for one in sorted(files, key=lambda one: one.path)).encode()


def info(job: Job, payload: Iterable[Listed]) -> bytes:
    """bag-info.txt. No clock: the date is that of the request."""
    files = list(payload)
    day = datetime.fromtimestamp(job.requested_at / 1000, UTC).date()
    said: Mapping[str, str] = {
        "Source-Organization": job.organisation,
        "External-Identifier": job.export_id,
        "External-Description": job.title,
        "Bagging-Date": day.isoformat(),
        "Bag-Software-Agent": job.produced_by,
        "Payload-Oxum": f"{sum(one.size for one in files)}.{len(files)}",
    }
    # One line a value, and no line that is folded: a label at a line's start would be another one.
    return "".join(f"{name}: {' '.join(value.split())}\n" for name, value in said.items()
                   if value.strip()).encode()


def sealed_text(export_id: str, tag_manifest_sha256: str) -> str:
    """What seal.note signs."""
    return f"{SEAL_LABEL}\n{export_id}\n{tag_manifest_sha256}\n"


def _escaped(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/") or "\\" in path:
        raise Refused(f"no path of a package: {path[:80]}")
    return "".join(_ESCAPED.get(one, one) for one in path)
