"""docs/BENCHMARKS.md from the results: targets beside what was measured, misses included."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any, Final

from tests.bench import console_report, export_report, policy_report, search_report
from tests.bench.drain import BARE, SAME
from tests.bench.report_parts import table as _table
from tests.bench.report_parts import where as _where

PATH: Final = Path(__file__).parents[2] / "docs" / "BENCHMARKS.md"
_MB: Final = 200


def write(results: dict[str, Any]) -> None:
    """Replace the page."""
    PATH.write_text(render(results), "utf-8")


def render(results: dict[str, Any]) -> str:
    """The page as text."""
    parts = [_INTRODUCTION, _targets(results)]
    for name, section in (("drain", _drain), ("sizes", _sizes), ("line", _line),
                          ("import", _imports), ("policy", policy_report.section),
                          ("search", search_report.section),
                          ("console", console_report.section),
                          ("export", export_report.section)):
        if name in results:
            parts.append(section(results[name]))
    return "\n\n".join(parts) + "\n"


_INTRODUCTION: Final = """\
# Benchmarks

*Written by `make bench` (`python -m tests.bench all --write`); not by hand. Every timed run checks
itself: all that was written is read back, opened, counted, compared in order; a run that loses,
doubles or changes one event scores 0. CPU is that of the measured process alone (getrusage), and
the main figure: broker, store and index share the machine's cores, so wall time says little.*"""


def _targets(results: dict[str, Any]) -> str:
    rows = [("what", "target", "measured", "")]
    drain, sizes, line = (results.get(name) for name in ("drain", "sizes", "line"))
    if drain:
        for peer in (SAME, BARE):
            best = max((one for one in drain["rows"] if one["who"] not in (SAME, BARE)),
                       key=lambda one: one["ratios"][peer])
            ratio = best["ratios"][peer]
            rows.append((f"archiver drain ÷ {peer}, events per CPU-second", "≥ 0.5",
                         f"{ratio:.2f} ({best['who']})", _met(ratio >= 0.5)))
        peaks, backlogs = drain["memory_mb"]["peaks"], drain["memory_mb"]["events"]
        rows.append(("memory of a worker", f"≤ {_MB} MB, flat at 10 × backlog",
                     f"{peaks[0]:.0f} MB at {backlogs[0]:,} events, {peaks[1]:.0f} MB at "
                     f"{backlogs[1]:,}",
                     _met(peaks[1] <= _MB and peaks[1] <= 1.1 * peaks[0])))
    if sizes:
        dense = sizes["full"][-1]
        for what, row in (("the whole event", dense), ("bare webhooks, as the peer's",
                                                       sizes["bare"])):
            rows.append((f"bytes per event at 62 events a cell, all included: {what}", "≤ 110",
                         f"{row['with_dictionary']:.0f}", _met(row["with_dictionary"] <= 110)))
    if line:
        runs = _quoted(line)
        best_run = max(runs, key=lambda one: one["load"]["per_s"])
        held = [one for one in runs if one["plan"]["rate"]]
        rows.append(("end to end, accepted and archived", "≥ 2,000 events/s",
                     f"{best_run['load']['per_s']:,.0f}/s",
                     _met(best_run["load"]["per_s"] >= 2000)))
        if held:
            p95 = held[-1]["searchable_s"][1]
            rows.append((f"searchable p95 at {held[-1]['plan']['rate']:,.0f} events/s", "≤ 5 s",
                         f"{p95:.1f} s", _met(p95 <= 5)))
        ratio = _rebuild_ratio(line["rebuild"])
        rows.append(("rebuild ÷ Elasticsearch's own bulk rate", "≥ 0.8", f"{ratio:.2f}",
                     _met(ratio >= 0.8)))
    if "policy" in results:
        rows += [(what, target, measured, _met(is_met))
                 for what, target, measured, is_met in policy_report.targets(results["policy"])]
    if "search" in results:
        rows += [(what, target, measured, _met(is_met))
                 for what, target, measured, is_met in search_report.targets(results["search"])]
    if "console" in results:
        rows += [(*row, "") for row in console_report.targets(results["console"])]
    if "export" in results:
        rows += [(*row, "") for row in export_report.targets(results["export"])]
    return "## Targets (DESIGN §9)\n\n" + _table(rows)


def _drain(found: dict[str, Any]) -> str:
    plan = found["plan"]
    rows = [("", "events per CPU-second: median", "min to max", f"÷ {SAME}", f"÷ {BARE}",
             "ours / clients",
             "B per event stored", "objects", "events a cell", "peak MB", "")]
    for one in found["rows"]:
        ours = one["ours_share"]
        rows.append((
            one["who"], f"{one['median']:,.0f}", f"{one['low']:,.0f} to {one['high']:,.0f}",
            f"{one['ratios'][SAME]:.2f}", f"{one['ratios'][BARE]:.2f}",
            f"{ours:.0%} / {1 - ours:.0%}" if ours else "",
            f"{one['bytes_per_event']:.1f}", f"{one['objects']:,}",
            f"{one['events_per_cell']:.0f}" if one["events_per_cell"] else "",
            f"{one['peak_mb']:.0f}", f"**0: {one['wrong']}**" if one["wrong"] else "checked"))
    return "\n\n".join((
        "## `drain`: a backlog from Kafka to S3 with Object Lock", _where(found),
        f"{plan['events']:,} WhatsApp webhooks of {found['body_bytes']:.0f} bytes (mean) from "
        f"{plan['people']} people's conversations; texts: {found['texts']}. Ours archives the "
        f"sealed packs that the gateway makes of them: the parsed event, the webhook itself and "
        f"its signature, {found['datum_bytes']:.0f} bytes before compression; each pack alone in "
        f"its broker batch, as the gateway sends it; 4 partitions, one process, segments of 8 MiB, "
        f"COMPLIANCE locks of a day. mq-bridge takes from the same broker, well batched and in the "
        f"clear, once the same events and once the bare webhooks, half as many bytes: zstd, "
        f"AES-256-GCM, objects by source position, batches of 10,000, into a "
        f"bucket whose default is the same lock. (Its raw format parts records at newlines: in its "
        f"copy of the events they are another byte.) Interleaved forth and back, "
        f"{plan['repeats']} times.", _table(rows),
        "What ours does for that and the peer does not: opens a signed session, verifies and "
        "decrypts each pack, groups by key domain, a salted commitment per event and two Merkle "
        "roots per cell, a key per cell, a signed and chained header, one conditional PUT read "
        "back and its lock checked. *Clients* is kafka-python (its thread included) and boto3, "
        f"the opening of {plan['people']} domain keys included, which a process does once a month. "
        "Making the clients (imports, service models) is not counted for ours; connecting, "
        "joining and recovery are."))


def _sizes(found: dict[str, Any]) -> str:
    rows = [("events a cell", "events a segment", "zstd level", "B per event",
             "without dictionary")]
    rows += [(f"{one['events_per_cell']:.0f}", f"{one['events']:,}", str(one["level"]),
              f"{one['with_dictionary']:.0f}", f"{one['without']:.0f}")
             for one in found["full"] + found["small"]]
    bare = found["bare"]
    rows.append((f"{bare['events_per_cell']:.0f}, bare webhooks", f"{bare['events']:,}",
                 str(bare["level"]), f"{bare['with_dictionary']:.0f}", f"{bare['without']:.0f}"))
    traces = [("people", "partitions", "`segment_age_s_max`", "events a day", "PUTs a day",
               "events a segment", "B per event", "objects in 7 years", "GB in 7 years")]
    traces += [(f"{one['people']:,}", str(one["partitions"]), str(one["age_s_max"]),
                f"{one['events_per_day']:,}", f"{one['puts_per_day']:,}",
                f"{one['events_per_segment']:.1f}", f"{one['bytes_per_event']:,.0f}",
                f"{one['objects_7_years']:,}", f"{one['gigabytes_7_years']:,.1f}")
               for one in found["traces"]]
    return "\n\n".join((
        "## Bytes and objects", _where(found),
        f"The whole object counts: header, keys' salts, roots, tags. A webhook here has "
        f"{found['body_bytes']:.0f} bytes and its signature 71; the datum (parsed event, webhook, "
        f"signature) {found['datum_bytes']:.0f}. Of what is stored, the provider's random id and "
        "the signature alone are 42 bytes that nothing compresses, 60 as they are written.",
        _table(rows),
        "A segment of less than 64 KiB of records is compressed at level 19, less than 1 MiB at 9, "
        "a backlog at 2: what comes slowly has the time.",
        "A firm in real time: 60 messages a person and working day with its curve, a tenth on "
        "weekends, one event a record; key records included.", _table(traces)))


def _line(found: dict[str, Any]) -> str:
    rows = [("load", "accepted/s", "archived/s", "answer p50 / p95 / p99",
             "searchable p50 / p95 / p99", "caught up after", "")]
    cpu = [("load", *sorted(found["runs"][0]["cpu_s"]))]
    for one in found["runs"]:
        plan, load = one["plan"], one["load"]
        name = f"{plan['rate']:,.0f}/s open" if plan["rate"] else "closed, 64 connections"
        name += ", to warm up" if plan["warms_up"] else ""
        rows.append((
            name, f"{load['per_s']:,.0f}", f"{one['archived_per_s']:,.0f}",
            " / ".join(f"{load[cut]:,.0f} ms" for cut in ("p50_ms", "p95_ms", "p99_ms")),
            " / ".join(f"{cut:.1f} s" for cut in one["searchable_s"]),
            f"{one['caught_up_s']:.1f} s", f"**0: {one['wrong']}**" if one["wrong"] else "checked"))
        cpu.append((name, *(f"{one['cpu_s'][who] / load['accepted'] * 1e6:,.0f}"
                            for who in cpu[0][1:])))
    rebuild = found["rebuild"]
    return "\n\n".join((
        "## `line`: a webhook in, found by a search", _where(found),
        "`counterfoil run` and the real Kafka, SeaweedFS and Elasticsearch, all on the cores named "
        "above together with the load generator. Signed webhooks, one message each, 110 people; "
        "`segment_age_s_max` 2, 4 partitions, refresh each second. An answer's time counts from "
        "the moment at which the request was due. Markers are posted four times a second and "
        "looked for five times a second with a search.", _table(rows),
        "CPU microseconds per accepted event, by process:", _table(cpu),
        f"**Rebuild**: {rebuild['events']:,} archived events read, verified, decrypted, projected "
        f"and stored in {median(rebuild['rebuild_s']):.1f} s by {rebuild['workers']} processes "
        f"(median; {rebuild['events'] / median(rebuild['rebuild_s']):,.0f} events/s, our CPU "
        f"{median(rebuild['cpu_s']):.1f} s), by one in {median(rebuild['alone_s']):.1f} s. The "
        f"same bulk requests, ready made: {median(rebuild['bulk_s']):.1f} s. Ratio "
        f"{_rebuild_ratio(rebuild):.2f}. Server and processes share the cores: one core of ours "
        "projects less than one core of the server stores."))


def _imports(found: dict[str, Any]) -> str:
    rows = [("what", "messages", "MB", "processes", "messages/s", "CPU µs a message",
             "peak MB, all processes", "")]
    rows += [(one["what"], f"{one['messages']:,}", f"{one['bytes'] / 1e6:,.0f}",
              str(one["processes"]), f"{one['per_s']:,.0f}",
              f"{one['cpu_s'] / one['messages'] * 1e6:,.0f}", f"{one['peak_mb']:,.0f}",
              f"**0: {one['wrong']}**" if one["wrong"] else "checked") for one in found["runs"]]
    return "\n\n".join((
        "## `import`: exports and backups, until they are durable", _where(found),
        "`counterfoil import`'s own road on an embedded data folder: read, aligned with what is "
        "known of the chat, stamped, sealed in packs, on the log, remembered in the ledger. "
        "Archiving and indexing are measured above. *Again* is the same files once more: all is "
        "known, nothing is recorded. An export is held as its lines while it is read (a chat is "
        "aligned as a whole), a backup is not: its memory does not grow with its size. Files that "
        "may be of one chat are one process's; of one telephone, too.", _table(rows)))


def _quoted(line: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in line["runs"] if not one["plan"]["warms_up"]]


def _rebuild_ratio(rebuild: dict[str, Any]) -> float:
    return float(median(rebuild["bulk_s"]) / median(rebuild["rebuild_s"]))


def _met(is_met: bool) -> str:
    return "met" if is_met else "**missed**"
