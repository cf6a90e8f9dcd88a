# ruff: noqa: E501 - the prose of a page keeps the page's own line width
"""Walks one message, its edit and its retraction through the fifteen files of the road and writes
down what each of them made of it: `python -m tests.docs.life` writes docs/life-of-a-message.md.

Keys, randomness and clock are fixed, so the page is the same on every machine; a test regenerates
it and compares. What stands on the page was therefore seen.
"""

from __future__ import annotations

import base64
import hmac
import json
import tempfile
from pathlib import Path
from typing import Any

from archive.batch import Batch, BatchLimits
from archive.seal import SegmentSealer
from archive.unseal import Unsealer
from infra.embedded.index import SqliteIndexSet
from ingest.adapters import ADAPTERS
from ingest.delivery import Deliverer
from ingest.doors import DOORS, Knock, Passed, request_of
from ingest.parts import items_of
from schemas import codec, identity
from schemas.directory import Account, Custodian, Directory
from schemas.events import CapturedEvent
from search import machine
from search.bodies import Bodies
from search.follow import Follower, bind
from search.project import Projector
from search.query import compile_query
from search.thread import message
from search.tokens import Tokenizer
from tests.world import NOW, World

PAGE = Path(__file__).parents[2] / "docs" / "life-of-a-message.md"
SECRET = b"app secret of the example"
CLIENT, ANNA = "447700900123", "442079460101"
ROAD = (
    "ingest/gateway.py", "ingest/adapters/whatsapp.py", "schemas/events.py", "ingest/transit.py",
    "ingest/publish.py", "archive/consume.py", "archive/batch.py", "archive/seal.py",
    "archive/segment.py", "archive/commit.py", "archive/reader.py", "search/project.py",
    "search/follow.py", "search/query.py", "search/thread.py",
)


def page() -> str:
    """The whole page."""
    with tempfile.TemporaryDirectory() as folder:
        return _walk(World(Path(folder), seed="life of a message"), Path(folder))


def _walk(world: World, folder: Path) -> str:
    out = [_OPENING]
    deliverer = Deliverer(world.router, Directory(
        (Custodian("anna.lindt", "Anna Lindt"),),
        (Account("whatsapp", f"+{ANNA}", "anna.lindt"),)))
    bodies = [_body(item) for item in _items()]
    knock = _knock(bodies[0])
    passed = DOORS["whatsapp"].check([SECRET], knock)
    assert isinstance(passed, Passed)
    out.append(_station(1, f"""\
Meta POSTs {len(bodies[0])} bytes to `/hooks/whatsapp`. The signature is checked over exactly these bytes, before anything
parses them: `{passed.verdict}`, with secret number {passed.secret_id} of the list. The answer waits.""",
                        _shorten(bodies[0].decode())))
    events: list[CapturedEvent] = []
    for number, body in enumerate(bodies):
        request = request_of(_knock(body), passed, NOW + number * 60_000)
        events += deliverer.deliver(request, ADAPTERS["whatsapp"].parse)
    said, edited, retracted = events
    out.append(_station(2, f"""\
A pure function from bytes to events: no clock, no network, no exception. The client's number, the firm's number, the id and the
time are where Meta put them; the conversation is the sorted pair, whoever speaks. The same client then edits the message and
retracts it: two more webhooks, two more events, kinds `{edited.kind}` and `{retracted.kind}`, both with the first one's id as
their target.""", _fields(said, "kind", "channel", "account", "conversation", "native_id", "direction",
                          "occurred_at", "occurred_meaning", "text")))
    keys = {identity.message_key(event).hex() for event in events}
    assert len(keys) == 1
    out.append(_station(3, f"""\
An event is a frozen value that is never rewritten. The directory said whose it is (`{said.custodian}`, class
`{said.retention_class}`, {said.retention_years} years). All three events share one message key, `{keys.pop()}`, because the
edit and the retraction carry their target's: joining them needs no lookup, and a retraction that comes first waits for nobody.
As Avro they are {', '.join(str(len(codec.encode(event))) for event in events)} bytes; the first holds the whole request, so
that its signature can be checked again.""", "event_id  " + "\nevent_id  ".join(
        f"{identity.event_id(event).hex()}  {event.kind}" for event in events)))
    out += _archive(world, events)
    out += _search(world, folder)
    out.append(_CLOSING)
    return "\n".join(out)


def _archive(world: World, events: list[CapturedEvent]) -> list[str]:
    out = []
    log = world.capture_log.identity()
    items = [item for event in events for item in items_of(event, world.router)]
    record = world.sealer.seal(log, 0, items)
    assert all(event.text.encode() not in record.value for event in events if event.text)
    out.append(_station(4, f"""\
The gateway holds the archiver's *public* key. It makes a session key, wraps it (HPKE, RFC 9180), signs the opening, and seals:
three events in one pack of {len(record.value)} bytes. It cannot open what it has sealed. The broker sees a domain id and a
conversation tag per event, both opaque.""", f"""\
session   {record.session_id.hex()}  record {record.counter}
domain    {items[0].domain.hex()}
tag       {items[0].tag.hex()}"""))
    offset = world.capture_log.append(0, record.value, log.topic_id)
    out.append(_station(5, f"""\
The pack goes to the partition that the tag names, at offset {offset}. Only now does the provider get its 200. Had the log been
silent for two seconds, the sealed pack would lie fsynced on the gateway's own spool instead, and be answered 200 as well.""",
                        f"topic     {log.topic}  id {log.topic_id.hex()}\npartition 0  offset {offset}"))
    world.log.poll(0.01, 10)
    world.log.seek(0, 0)
    polled = world.log.poll(0.2, 10).records[0]
    out.append(_station(6, """\
On assignment the archiver asks the store, not the log, where it stopped: the last authentic segment is the truth, committed
offsets are a hint. There is none yet, so it reads from offset 0.""",
                        f"expected  0\nrecords   {len(polled)}"))
    batch = Batch(BatchLimits(age_ms_max=1_000))
    batch.add(polled, NOW)
    out.append(_station(7, f"""\
A segment closes by bytes, by count or by age. After {batch.limits.age_ms_max} ms this one is due. A crash while it waits loses
nothing: the records are on the log.""",
                        f"due at 999 ms   {batch.due(NOW + 999)}\ndue at 1000 ms  {batch.due(NOW + 1000)}"))
    sealer = SegmentSealer(
        Unsealer({world.transit_id: world.transit}, world.enrolled), world.keys(), world.dictionary,
        world.sealing_key.sign, world.writer, world.policy, world.random)
    sealed = sealer.seal(log, 0, 0, bytes(32), polled, NOW + 1000)
    out.append(_station(8, f"""\
The archiver opens the pack, checks who signed it and what he may say, and groups by key domain without decoding an event: one
custodian, class and month here, so one cell. It is compressed, encrypted under keys derived from the domain key, and committed
to by a Merkle root over salted hashes. ({sealed.events} events in it; {len(sealed.refused)} records refused.)""",
                        f"locked until  {sealed.header.retain_until}  (trial: one day)"))
    out.append(_station(9, f"""\
The cell goes into a valid Avro container of {len(sealed.body)} bytes whose header says where it stands, what came before it, and
who wrote it, signed. Equal content is equal bytes.""", f"""\
first     {sealed.header.first}
last      {sealed.header.last}
previous  {sealed.header.previous.hex()}
writer    {sealed.header.writer.hex()}"""))
    world.now = NOW + 1000
    assert world.archive() == 1
    found = world.watcher.segments[0]
    out.append(_station(10, """\
One PUT with `If-None-Match: *` and a compliance lock. That is the whole commit: from here the segment is part of the record, a
crash loses nothing, and a rival who tries the same offset gets 412 and reads this one.""",
                        found.key))
    return out


def _search(world: World, folder: Path) -> list[str]:
    out = []
    reader = world.reader()
    [(topic_id, partition)] = reader.partitions()
    [read] = list(reader.follow(topic_id, partition, 0))
    pointer = read.events[0].pointer
    out.append(_station(11, """\
The indexer follows the archive, never the log. Signature, chain, place, roots: checked for every segment. What is handed out
has been read back from storage. A pointer is enough for one range GET later.""", f"""\
offset {pointer.offset} index {pointer.index}: bytes {pointer.start} to {pointer.start + pointer.length} of the object, place \
{pointer.position} in the cell"""))
    tokenizer = Tokenizer(world.random(32))
    projector = Projector(tokenizer)
    indexes = SqliteIndexSet(folder / "index")
    name = bind(indexes)
    turn = Follower(reader, indexes.open(name), projector).turn()
    _, asked = compile_query("deposit", tokenizer)
    [found] = indexes.open(name).search(asked, 5).documents
    words = tokenizer.words("deposit friday")
    out.append(_station(12, f"""\
Three events of one message become one document with {len(found.entries)} entries. Words are HMAC tokens with their positions:
*deposit* is `{words[0]}`, *friday* `{words[1]}`. A document is a function of its set of entries, so order, repetition and
partition do not matter.""", f"""\
id        {found.doc_id}
state     {found.state}
versions  {found.version_count}
kinds     {', '.join(found.kinds)}"""))
    out.append(_station(13, """\
Documents first, cursor after: a crash in between repeats the turn and stores the same. The cursor lives in the index itself.""",
                        f"segments {turn.segments}  events {turn.events}  documents {turn.documents}\n"
                        f"next     offset {next(iter(indexes.open(name).state().cursors.values()))}"))
    out.append(_station(14, """\
A supervisor types `deposit`. The query becomes a tree, the tree a question about tokens; every version answers, the retracted
one included. The question is narrowed to what she may see (`search/access/bound.py`, `scoped.py`: a wall beats every grant), and the search is
recorded before the answer is given.""", str(asked.root)[:200]))
    view = machine.message(message(found, Bodies(reader)))
    lines = [f"{one['occurred_at']}  {one['kind']:10} {one['text'] or '(withdrawn)'}"
             for one in view["versions"]]
    out.append(_station(15, f"""\
What a person sees: state **{view['state']}**, {view['version_count']} versions, each with who, when, how it is known, where it
lies and until when. The text was read from the archive by its pointer just now.""",
                        "\n".join(lines)))
    return out


def _items() -> list[dict[str, Any]]:
    wamid = _wamid("3AADF8441347E8571C10")
    at = NOW // 1000 - 5
    common = {"from": CLIENT}
    return [
        common | {"id": wamid, "timestamp": str(at), "type": "text",
                  "text": {"body": "I will pay the deposit on Friday."}},
        common | {"id": _wamid("3A0000000000000000E1"), "timestamp": str(at + 60), "type": "edit",
                  "edit": {"original_message_id": wamid, "message": {
                      "context": {"id": "M0"}, "type": "text",
                      "text": {"body": "I will pay the deposit on Monday."}}}},
        common | {"id": _wamid("3A0000000000000000D1"), "timestamp": str(at + 120),
                  "type": "revoke", "revoke": {"original_message_id": wamid}},
    ]


def _wamid(stanza: str) -> str:
    data = (b"\x1c\x18" + bytes([len(CLIENT)]) + CLIENT.encode() + b"\x15\x02\x00\x12\x18"
            + bytes([len(stanza)]) + stanza.encode() + b"\x00")
    return "wamid." + base64.b64encode(data).decode()


def _body(item: dict[str, Any]) -> bytes:
    value = {"messaging_product": "whatsapp",
             "metadata": {"display_phone_number": ANNA, "phone_number_id": "106540352242922"},
             "contacts": [{"profile": {"name": "Maria Souza"}, "wa_id": CLIENT}],
             "messages": [item]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [
        {"id": "102290129340398", "changes": [{"field": "messages", "value": value}]}]},
        separators=(",", ":")).encode()


def _knock(body: bytes) -> Knock:
    mac = "sha256=" + hmac.digest(SECRET, body, "sha256").hex()
    return Knock("whatsapp", "POST", "https://hooks.example.com/hooks/whatsapp",
                 "application/json", (("content-type", "application/json"),
                                      ("x-hub-signature-256", mac)), body)


def _station(number: int, words: str, seen: str) -> str:
    return f"## {number}. `{ROAD[number - 1]}`\n\n{words}\n\n```\n{seen}\n```\n"


def _fields(event: CapturedEvent, *names: str) -> str:
    return "\n".join(f"{name:17} {getattr(event, name)}" for name in names)


def _shorten(text: str) -> str:
    return text if len(text) <= 240 else text[:200] + " … " + text[-36:]


_OPENING = """\
# Life of a message

A client writes *I will pay the deposit on Friday*, changes Friday to Monday a minute later, and takes the message back. This
page follows the three webhooks through the fifteen files of the road, in the order in which a reader opens them. Every value on
it was seen: `python -m tests.docs.life` walks the message again and writes the page, and a test compares.
"""
_CLOSING = """\
## And then

The log is shortened a week behind what was archived and read back. The index can be thrown away: `counterfoil rebuild` walks
steps 11 to 13 from the beginning and ends with the same document. The lock ends when the header says; until then nobody, the
firm's own administrators included, can change or remove what was said, what it was changed to, or that it was taken back.
"""

if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
