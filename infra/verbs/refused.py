"""`quarantine`, `rejected`, `spool`: what was not taken the ordinary way, listed and tried again.

Lists show no content. Replays are operator's commands: they hold both sides' keys while they run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from infra.embedded.ring import SqliteRing
from infra.embedded.spool import SqliteSpool
from infra.verbs.audit import record_act
from infra.verbs.refused_records import record_again, refused_records
from infra.verbs.screen import ERR, OUT, emit, instant, short, shown
from infra.wire import Wire
from ingest import quarantine, rejected
from ingest.adapters import ADAPTERS
from ingest.delivery import Deliverer
from ingest.doors import Knock, readmit
from ingest.own import own_event
from ingest.rejected import SEAL_LABEL
from ingest.routing import Router
from ingest.spool import SpoolEntry, recover
from ingest.transit import Item
from schemas import codec, events
from schemas.errors import Halt, Missing, Refused
from schemas.events import CapturedEvent
from search.bodies import Bodies
from search.index import pages
from search.query import compile_query
from search.waiting import Waiting, tried_name

_PAGE = 200


def quarantine_list(wire: Wire, *, json: bool) -> int:
    """Every quarantined item, and every record that did not authenticate."""
    rows = []
    for doc_id, event in _quarantined(wire):
        row = next(quarantine.rows([event]))
        rows.append({"id": doc_id, "at": instant(row.at), "door": row.door or None,
                     "reason": row.reason, "bytes": row.size, "file": event.detail("file"),
                     "member": event.detail("member")})
    rows += [{"id": one.doc_id, "at": instant(one.at), "door": None, "reason": one.reason,
              "bytes": len(one.value), "file": None, "member": None}
             for one in refused_records(wire)]
    if json:
        for line in rows:
            emit(line)
        return 0
    table = Table("id and reason", "when (UTC)", "door", "bytes", show_lines=True)
    table.columns[0].min_width = 32  # whole on 80 columns, so that it can be given to `replay`
    table.columns[1].max_width = 13
    for column in table.columns:
        column.overflow = "fold"
    for line in rows:
        where = " / ".join(shown(str(line[name])) for name in ("file", "member") if line[name])
        why = shown(str(line["reason"])) + (f" ({where})" if where else "")
        table.add_row(f"{line['id']}\n{why}", str(line["at"] or "-").replace("T", " "),
                      str(line["door"] or "-"), str(line["bytes"]))
    OUT.print(table if rows else "nothing is in quarantine")
    return 0


def quarantine_replay(wire: Wire, item: str | None, *, json: bool) -> int:
    """Read items again; what is readable now is captured, the item itself stays for ever."""
    record_act(wire, "quarantine_replay", {"item": item or "all"})
    wanted = [(doc_id, event) for doc_id, event in _quarantined(wire) if item in (None, doc_id)]
    refused = [one for one in refused_records(wire) if item in (None, one.doc_id)]
    if item is not None and not wanted and not refused:
        raise Missing(f"nothing in quarantine has the id {item}")
    siblings = _siblings(wire, {quarantine.belongs_to(event) for _, event in wanted})
    recorder = wire.recorder("gateway")
    keys = wire.keys_folder
    deliverer = Deliverer(Router(keys.routing_key(), bytes(16)), wire.directory())
    read = still = captured = 0
    for doc_id, event in wanted:
        try:
            again = quarantine.replay(event, siblings.get(quarantine.belongs_to(event), ()),
                                      {name: one.parse for name, one in ADAPTERS.items()},
                                      deliverer)
        except Refused as error:
            again = quarantine.ReadAgain((), str(error))
        wire.expect_media(again.events)
        for made in again.events:
            recorder.record(made)  # durable, one by one: a second replay is further sightings
        read, still = read + bool(again.events), still + (not again.events)
        captured += len(again.events)
        if again.reason and not json:
            OUT.print(f"{doc_id}: still not readable: {again.reason}")
    for one in refused:
        try:
            captured, read = captured + record_again(wire, one), read + 1
        except Refused as error:
            still += 1
            if not json:
                OUT.print(f"{one.doc_id}: still not readable: {error}")
    _say_tried(wire, [doc_id for doc_id, _ in wanted] + [one.doc_id for one in refused])
    if json:
        emit({"read": read, "still": still, "captured": captured})
    else:
        OUT.print(f"{read} items read, {captured} events captured, {still} still not readable")
    return 0


def _say_tried(wire: Wire, items: Sequence[str]) -> None:
    """Somebody looked: each item waits for nobody any more, read or not (search/waiting.py). A
    crash before this line leaves the alarm up."""
    name = wire.indexes().current()
    if name is None or not items:
        return
    known = Waiting(wire.tokenizer()).tried(wire.indexes().open(name), items)
    now, years = wire.clock(), wire.directory().firm_years()
    wire.recorder("search").record_all(
        own_event(events.AUDIT, tried_name(item), now, years,
                  {"action": "quarantine_tried", "item": item})
        for item in items if item not in known)


def _quarantined(wire: Wire) -> Iterator[tuple[str, CapturedEvent]]:
    indexes = wire.indexes()
    name = indexes.current()
    if name is None:
        return
    _, asked = compile_query(f"kind:{events.QUARANTINE}", wire.tokenizer())
    index, bodies = indexes.open(name), Bodies(wire.reader())
    for found in pages(index, asked, _PAGE):
        for entry in found.entries:
            if entry.kind == events.QUARANTINE:
                yield found.doc_id, bodies.event(found, entry)
                break


def _siblings(wire: Wire, wanted: set[bytes]) -> dict[bytes, list[CapturedEvent]]:
    out: dict[bytes, list[CapturedEvent]] = {}
    if not wanted:
        return out
    reader = wire.reader()
    with Progress(SpinnerColumn(), TextColumn("reading the archive: {task.completed} segments"),
                  console=ERR, transient=True) as progress:
        task = progress.add_task("", total=None)
        for topic_id, partition in reader.partitions():
            for read in reader.follow(topic_id, partition, 0):
                progress.advance(task)
                for one in read.events:
                    if one.datum is None or one.problem:
                        continue
                    try:
                        event = codec.decode(one.datum)
                    except Refused:
                        continue
                    if not isinstance(event, CapturedEvent) or event.delivery is None:
                        continue
                    delivery = quarantine.belongs_to(event)
                    if delivery in wanted:
                        out.setdefault(delivery, []).append(event)
    return out


def rejected_list(wire: Wire, *, json: bool) -> int:
    """Every kept request that failed its check."""
    ring = _ring(wire)
    rows = list(ring.rows())
    if json:
        for row in rows:
            emit({"sequence": row.sequence, "at": instant(row.at), "door": row.door,
                  "reason": row.reason, "bytes": row.size})
        return 0
    table = Table("", "when (UTC)", "door", "bytes", "reason")
    table.columns[4].overflow = "fold"
    for row in rows:
        table.add_row(str(row.sequence), short(row.at), row.door, str(row.size), row.reason)
    OUT.print(table if rows else "no request was rejected")
    return 0


def rejected_replay(wire: Wire, *, json: bool) -> int:
    """Check them again with the secrets of today."""
    record_act(wire, "rejected_replay")
    unsealer, recorder = wire.unsealer(), wire.recorder("gateway")
    deliverer = Deliverer(Router(wire.keys_folder.routing_key(), bytes(16)), wire.directory())
    secrets = {"whatsapp": wire.config.secrets_of("whatsapp_app_secret"),
               "twilio": wire.config.secrets_of("twilio_auth_token")}
    parses = {name: one.parse for name, one in ADAPTERS.items()}

    def accept(knock: Knock, came_at: int) -> bool:
        made = readmit(knock, came_at, secrets, deliverer, parses)
        wire.expect_media(made or ())
        for event in made or ():
            recorder.record(event)
        return made is not None

    done = rejected.replay(_ring(wire), lambda blob: unsealer.open_once(SEAL_LABEL, blob), accept)
    if json:
        emit({"accepted": done.accepted, "still_refused": done.still_refused,
              "unopened": done.unopened})
    else:
        OUT.print(f"{done.accepted} accepted now, {done.still_refused} still refused, "
                  f"{done.unopened} sealed for a key that is not here")
    return 0


def spool_list(wire: Wire, *, json: bool) -> int:
    """What waits for the log."""
    summary = _spool(wire).summary()
    if json:
        emit({"count": summary.count, "bytes": summary.size,
              "oldest_at": instant(summary.oldest_at),
              "lanes": [{"topic_id": topic.hex(), "partition": partition, "count": count}
                        for topic, partition, count in summary.lanes]})
        return 0
    OUT.print(f"{summary.count} records, {summary.size} bytes, oldest {short(summary.oldest_at)}")
    for topic, partition, count in summary.lanes:
        OUT.print(f"  log {topic.hex()} partition {partition}: {count}")
    return 0


def spool_recover(wire: Wire, *, json: bool) -> int:
    """Open what was sealed for a log that is gone, and record it on today's."""
    record_act(wire, "spool_recover")
    unsealer, recorder = wire.unsealer(), wire.recorder("gateway")

    def opener(entry: SpoolEntry) -> Sequence[Item]:
        try:
            opened = unsealer.open(entry.topic_id, entry.partition, entry.value)
        except Halt as halt:
            raise Refused(str(halt)) from halt  # this one stays in the spool; the others go on
        items, at = [], 0
        for domain, tag, length in opened.rows:
            items.append(Item(domain, tag, opened.plain[at:at + length]))
            at += length
        return items

    done = recover(_spool(wire), wire.capture_log().identity(), opener, recorder.record_items)
    if json:
        emit({"records": done.records, "events": done.events,
              "unopened": [{"sequence": number, "reason": reason}
                           for number, reason in done.unopened]})
    else:
        OUT.print(f"{done.records} records with {done.events} events recorded again, "
                  f"{len(done.unopened)} did not open and stay")
    return 1 if done.unopened else 0


def _ring(wire: Wire) -> SqliteRing:
    folder = wire.home / "gateway"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return SqliteRing(folder / "rejected.db")


def _spool(wire: Wire) -> SqliteSpool:
    folder = wire.home / "gateway"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return SqliteSpool(folder / "spool.db", wire.config.gateway.spool_mb_max << 20)

