"""certificate.json as docs/FORMAT.md §17 has it, made from the files of a package by hand.

Owns what somebody writes who holds the package's key: it says of any files what they hold, also of
files that he has changed. What does not read is left out.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from shlex import quote
from typing import Any, Final

EXPORT_ID: Final = "0123456789abcdef0123456789abcdef"
_PROOF: Final = "data/proof/"
_FILES: Final = "data/native/attachments/"
_COSIGNATURE_BYTES: Final = 76
_SENSELESS: Final = (ValueError, KeyError, TypeError, IndexError, AttributeError)


def certified(files: Mapping[str, bytes], **more: Any) -> bytes:
    """The file. `more`: names of it that say something else."""
    said: dict[str, Any] = {
        "v": 1, "export_id": EXPORT_ID, "title": "", "matter": "", "basis": "",
        "organisation": "Example LLP", "trial": False,
        "certifier": {"name": "", "role": "", "qualification": ""},
        "system": {"name": "counterfoil", "version": "0", "commit": ""},
        "requested": {"by": "c.officer", "at": 1}, "approved": None, "query": "all",
        "scope": "everything", "zone": "UTC", "selection": [], "gaps": [], "notes": {},
        "verify": {"command": "", "with_key": ""}, "shows": [], "does_not_show": [],
        "cosignatures": [], "time_stamps": [], "log_keys": [], "package_key": ""}
    payload = {path: body for path, body in sorted(files.items()) if path.startswith("data/")}
    for part in (_records, _cells, _head, _claim):
        with suppress(*_SENSELESS):
            said |= part(files)
    said |= {
        "payload": {"files": len(payload), "bytes": sum(map(len, payload.values()))},
        "manifests": {"manifest-sha256.txt": sha256(manifest(payload)).hexdigest()},
        "files": [{"path": path, "bytes": len(body), "sha256": sha256(body).hexdigest()}
                  for path, body in payload.items()]}
    return json.dumps(said | more, sort_keys=True, separators=(",", ":"),
                      ensure_ascii=False).encode() + b"\n"


def manifest(files: Mapping[str, bytes]) -> bytes:
    """manifest-sha256.txt of these files."""
    return "".join(f"{sha256(body).hexdigest()}  {path}\n"
                   for path, body in sorted(files.items())).encode()


def _rows(files: Mapping[str, bytes], path: str) -> Iterator[dict[str, Any]]:
    for line in files.get(path, b"").splitlines():
        with suppress(*_SENSELESS):
            row = json.loads(line)
            if isinstance(row, dict):
                yield row


def _records(files: Mapping[str, bytes]) -> dict[str, Any]:
    rows = list(_rows(files, "data/native/events.jsonl"))
    left = list(_rows(files, _PROOF + "withheld.jsonl"))
    documents = sorted({one["document"] for one in rows})
    behind = {(one["document"], one["reason"]) for one in left if "-W-" in one["document"]}
    messages, records = (Counter(reason for _, reason in behind),
                         Counter(one["reason"] for one in left))
    shown = [(one["document"], each) for one in rows
             for each in (one["event"], one.get("whole")) if each and "source" in each]
    stored = {(document, one["sha256"]) for document, each in shown
              for one in each["attachments"] if one["state"] == "stored" and one["sha256"]}
    there = {path: body for path, body in files.items() if path.startswith(_FILES)}
    here = {(path[len(_FILES):].partition("_")[0], sha256(body).hexdigest())
            for path, body in there.items()}
    return {
        "counts": {
            "matched": len(documents) - bool(documents) + len(behind),
            "context": int(bool(documents)), "exported": len(documents) - bool(documents),
            "records": len(rows), "files": len(there), "file_bytes": sum(map(len, there.values())),
            "conversations": len({one["conversation"] for one in (*rows, *left)} - {""}),
            "files_missing": len(stored - here), "files_not_archived": 0,
            "withheld": {reason: {"messages": messages[reason], "records": count}
                         for reason, count in records.items()}},
        "documents": {"first": documents[0] if documents else "",
                      "last": documents[-1] if documents else ""},
        "capture": {name: sorted({each[field] for _, each in shown} - {""}) for name, field in (
            ("adapters", "source"), ("accounts", "account"), ("channels", "channel"),
            ("provenances", "provenance"))}}


def _cells(files: Mapping[str, bytes]) -> dict[str, Any]:
    entries = [json.loads(one["entry"]) for one in _rows(files, _PROOF + "cells.jsonl")]
    times = [one["retain_until"] for one in entries]
    return {"key_ids": sorted({f"{one['domain']}/{one['generation']}" for one in entries}),
            "retention": {"first": min(times, default=0), "last": max(times, default=0),
                          "mode": ""}}


def _head(files: Mapping[str, bytes]) -> dict[str, Any]:
    note = files[_PROOF + "checkpoint"].decode()
    origin, size, root = note.split("\n")[:3]
    trust = json.loads(files[_PROOF + "trust.json"])
    times, signers = {}, set()
    for line in note.rpartition("\n\n")[2].splitlines():
        body = base64.b64decode(line.split(" ")[2])
        signers.add((line.split(" ")[1], body[:4].hex()))
        if len(body) == _COSIGNATURE_BYTES:
            times[line.split(" ")[1], body[:4].hex()] = int.from_bytes(body[4:12], "big") * 1000
    seen = [(one, tuple(one.split("+")[:2])) for one in trust["witnesses"]]
    log = next((one for one in trust["log"] if tuple(one.split("+")[:2]) in signers), "")
    return {
        "verify": {"command": "python3 -I verify.py", "with_key":
                   f"python3 -I verify.py --log-key {quote(log)} --package-key "
                   f"{quote(trust['package'])}"},
        "checkpoint": {"origin": origin, "size": int(size), "root": base64.b64decode(root).hex(),
                       "note": note},
        "log_keys": trust["log"], "package_key": trust["package"],
        "cosignatures": [{"name": who[0], "key": key, "at": times[who]}
                         for key, who in seen if who in times],
        "time_stamps": [{"authority": one["name"], "at": None, "token": _PROOF + one["token"],
                         "size": int(one["token"].split("/")[1])}
                        for one in trust["authorities"]]}


def _claim(files: Mapping[str, bytes]) -> dict[str, Any]:
    said = json.loads(files[_PROOF + "complete.json"])
    return {"completeness": {"kind": said["kind"], "why": said["why"]},
            "period": {"since": said["since"], "until": said["until"]}}
