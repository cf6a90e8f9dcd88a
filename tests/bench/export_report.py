"""The bench `export` in the report: its rows among the targets, and its section.

No target has a number (issue 8, line 7): each figure stands beside the peer's of the same run.
"""

from __future__ import annotations

from statistics import median
from typing import Any, Final

from tests.bench.export_archive import DAY, MESSAGE
from tests.bench.export_peer import CHECK, RESTORE, STORE
from tests.bench.report_parts import table, where

_LAYOUTS: Final = {DAY: "a file a conversation-day", MESSAGE: "a file a message"}
_WHAT: Final = {STORE: "import-tar", RESTORE: "restore the chosen", CHECK: "check --verify-data"}
_READS: Final = ("gets", "bytes", "lists", "heads")


def targets(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(what, target, measured)."""
    run, verify = found["exports"][0], found["verifies"][0]
    events = f"{run['messages']:,} messages out of {found['made']['events']:,}"
    read = (f"{_ratio(run['cell_bytes'], run['held']['cell_bytes']):.2f} × of cells, "
            f"{_ratio(_stored(run), run['held']['cell_bytes']):.2f} × in all; "
            f"{_requests(run):,} requests")
    rows = [(f"export, {events}: bytes read ÷ bytes of the cells needed", "none set",
             _said(run, read))]
    ours = _seconds(found, "exports")
    rows.append((f"export ÷ {_name(found)} restoring the same", "none set", _said(run, "; ".join(
        f"{_ratio(ours, _peer_s(found, RESTORE, layout)):.1f} × ({_LAYOUTS[layout]})"
        for layout in _layouts(found)) or "the peer is not installed")))
    checked = "; ".join(
        f"{_ratio(_mb_s(verify), _peer_mb_s(found, layout)):.2f} × {_name(found)} check "
        f"({_LAYOUTS[layout]})" for layout in _layouts(found))
    rows.append(("verify.py, MB/s, ÷ the peer's check and ÷ SHA-256 alone", "none set", _said(
        verify, f"{_mb_s(verify):.0f} MB/s, {verify['records'] / verify['seconds']:,.0f} records/s"
        f"; {checked or 'the peer is not installed'}; "
        f"{_ratio(_mb_s(verify), found['sha256_mb_s']):.3f} × SHA-256")))
    return rows


def section(found: dict[str, Any]) -> str:
    """The section `export`."""
    made, plan = found["made"], found["plan"]
    laps = ", ".join(f"{what} {seconds:,.0f} s" for what, seconds in made["seconds"].items())
    parts = [
        "## `export` and `verify`: a choice out of an archive, and its check", where(found),
        f"{made['events']:,} WhatsApp webhooks of 110 people's conversations in 30 days (some "
        "of them edits, retractions and reactions), captured, archived, indexed and put into the "
        f"transparency log in {plan['rounds']} rounds by the product's own parts, on an embedded "
        f"data folder: {made['segments']:,} segments of {made['segment_bytes'] / 1e6:,.0f} MB, an "
        f"index of {made['index_bytes'] / 1e6:,.0f} MB. After each {plan['every']} posts the "
        "next message has a word that nothing else has; the export asks for it and finds "
        f"{found['exports'][0]['messages']:,}, in cells of every segment (checked). Edits, "
        "retractions and reactions go along: records are more than messages. *Needed* are the "
        "cells that the chosen records lie in, each once; *datums* are those records alone, before "
        "compression. A cell is compressed and encrypted as one, so nobody can read less of it.",
        _exports(found),
        "What it asked of the store. On this folder a request costs nearly nothing; on S3 each is "
        "a round trip, one after the other. The index and the keys are not the store; *from files* "
        "counts what the process read of everything, its own program included.", _reads(found),
        "Stages, seconds. *Hashing files* is all from the last message to the end: manifests, "
        "certificate, seal, and an fsync of each file of the package; *writing messages* has the "
        "paths of its cells in the log at its end.", _stages(found),
        _peer_says(found), _peers(found),
        "`verify.py` of the package, in a clean interpreter without any library (python3 -I -S): "
        "each record decoded and compared, its commitment, its paths, the checkpoint, the seal and "
        "each file's hash. MB are those of the package, which is mostly text, and of the peer's "
        "repository, which is compressed. One core of this machine hashes "
        f"{found['sha256_mb_s']:,.0f} MB/s (SHA-256 over 1 GiB in memory, same library, same run).",
        _verifies(found),
        "Checked: each chosen message is in the package once, with its text, and no other message "
        "is; `verify.py` ends with 0; after one bit of one record was changed it ends with 1 and "
        "names the file; each file that the peer restored is the original, and there is no other.",
        f"Until all this was ready: {laps}."]
    return "\n\n".join(one for one in parts if one)


def _exports(found: dict[str, Any]) -> str:
    rows = [("package", "messages", "records", "s", "CPU s", "peak MB", "MB read of cells",
             "MB of cells needed", "÷", "MB of datums", "files", "MB", "")]
    for one in found["exports"]:
        held = one["held"]
        rows.append((
            one["what"], f"{one['messages']:,}", f"{held['records']:,}", f"{one['seconds']:,.1f}",
            f"{one['cpu_s']:,.1f}", f"{one['peak_mb']:,.0f}", f"{one['cell_bytes'] / 1e6:,.1f}",
            f"{held['cell_bytes'] / 1e6:,.1f} ({held['cells']:,} cells)",
            f"{_ratio(one['cell_bytes'], held['cell_bytes']):.2f}",
            f"{held['datum_bytes'] / 1e6:,.1f}", f"{held['files']:,}",
            f"{held['bytes'] / 1e6:,.1f}", _checked(one)))
    return table(rows)


def _reads(found: dict[str, Any]) -> str:
    rows = [("package", "of", "GET", "MB", "LIST", "HEAD", "MB from files in all")]
    for one in found["exports"]:
        for name, reads in one["reads"].items():
            rows.append((f"{one['what']}, {one['messages']:,}", f"`{name}/`",
                         f"{reads['gets']:,}", f"{reads['bytes'] / 1e6:,.1f}",
                         f"{reads['lists']:,}", f"{reads['heads']:,}",
                         f"{one['file_bytes'] / 1e6:,.0f}"))
    return table(rows)


def _stages(found: dict[str, Any]) -> str:
    names = list(dict.fromkeys(name for one in found["exports"] for name in one["stages"]))
    rows = [("package", *names)]
    rows += [(f"{one['what']}, {one['messages']:,}",
              *(f"{one['stages'].get(name, 0):,.1f}" for name in names))
             for one in found["exports"]]
    return table(rows)


def _peer_says(found: dict[str, Any]) -> str:
    if not found["peer"]:
        return ("**The peer is not installed** (`borg`, Debian's borgbackup): nothing is beside "
                "these figures.")
    made = found["made"]
    sizes = "; ".join(
        f"{_LAYOUTS[layout]}: {made['files'][layout]:,} files of "
        f"{made['file_bytes'][layout] / 1e6:,.0f} MB, a repository of "
        f"{found['repository_bytes'][layout] / 1e6:,.0f} MB" for layout in _layouts(found))
    return (
        f"**The peer** is {found['peer']} (Debian's), encrypted and authenticated "
        "(repokey-blake2), zstd. It holds the same webhooks as they were posted, with their "
        "signatures, and nothing that is made of them, so half as many bytes an event as ours. "
        "Twice, because the two habits favour different things: of a file a message it restores "
        "exactly what was chosen but has to look at each name; of a file a conversation-day there "
        f"are fewer names, and more is restored than was chosen. {sizes}. It is told by name which "
        "files to restore; the exporter's time includes its search for them. It gives back files, "
        "and nothing that proves them to somebody else; it does not fsync them, the exporter does. "
        "restic was left out: Debian's takes what to restore as patterns on the command line "
        "alone, and tries each on each file. What is read lies in the page cache: no run "
        "waits for a disk to read.")


def _peers(found: dict[str, Any]) -> str:
    if not found["peers"]:
        return ""
    rows = [("borg", "as", "files", "MB", "s", "CPU s", "MB/s", "peak MB", "MB from files",
             "export ÷ it", "")]
    ours = _seconds(found, "exports")
    rows += [(
        _WHAT[one["what"]], _LAYOUTS[one["layout"]], f"{one['files']:,}",
        f"{one['bytes'] / 1e6:,.1f}", f"{one['seconds']:,.1f}", f"{one['cpu_s']:,.1f}",
        f"{_mb_s(one):,.1f}", f"{one['peak_mb']:,.0f}", f"{one['file_bytes'] / 1e6:,.0f}",
        f"{_ratio(ours, one['seconds']):.1f}" if one["what"] == RESTORE else "",
        _checked(one)) for one in found["peers"]]
    return table(rows)


def _verifies(found: dict[str, Any]) -> str:
    layouts = _layouts(found)
    rows = [("package", "records", "MB", "s", "CPU s", "peak MB", "records/s", "MB/s",
             *(f"÷ borg check, {_LAYOUTS[layout]}" for layout in layouts), "÷ SHA-256", "")]
    rows += [(
        one["what"], f"{one['records']:,}", f"{one['bytes'] / 1e6:,.1f}",
        f"{one['seconds']:,.1f}", f"{one['cpu_s']:,.1f}", f"{one['peak_mb']:,.0f}",
        f"{one['records'] / one['seconds']:,.0f}", f"{_mb_s(one):,.1f}",
        *(f"{_ratio(_mb_s(one), _peer_mb_s(found, layout)):.2f}" for layout in layouts),
        f"{_ratio(_mb_s(one), found['sha256_mb_s']):.3f}", _checked(one))
        for one in found["verifies"]]
    return table(rows)


def _layouts(found: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(one["layout"] for one in found["peers"]))


def _seconds(found: dict[str, Any], runs: str) -> float:
    """The median of the large one's runs: it is the first."""
    first = found[runs][0]
    return float(median(one["seconds"] for one in found[runs]
                        if (one["what"], one["messages"]) == (first["what"], first["messages"])))


def _peer_s(found: dict[str, Any], what: str, layout: str) -> float:
    return float(median(one["seconds"] for one in found["peers"]
                        if (one["what"], one["layout"]) == (what, layout)))


def _peer_mb_s(found: dict[str, Any], layout: str) -> float:
    size = next(one["bytes"] for one in found["peers"]
                if (one["what"], one["layout"]) == (CHECK, layout))
    return float(size) / 1e6 / _peer_s(found, CHECK, layout)


def _mb_s(one: dict[str, Any]) -> float:
    return float(one["bytes"] / 1e6 / one["seconds"])


def _stored(run: dict[str, Any]) -> float:
    return float(sum(one["bytes"] for one in run["reads"].values()))


def _requests(run: dict[str, Any]) -> int:
    return sum(one[name] for one in run["reads"].values() for name in _READS if name != "bytes")


def _ratio(one: float, other: float) -> float:
    return one / other if other else 0.0


def _name(found: dict[str, Any]) -> str:
    return str(found["peer"] or "the peer")


def _checked(one: dict[str, Any]) -> str:
    return f"**0: {one['wrong']}**" if one["wrong"] else "checked"


def _said(one: dict[str, Any], said: str) -> str:
    return f"**0: {one['wrong']}**" if one["wrong"] else said
