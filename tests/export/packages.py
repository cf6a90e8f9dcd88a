"""Whole export packages made by hand from docs/FORMAT.md §17, with nothing of the exporter.

Owns the shapes that `verify.py` must accept, as files in memory that a test changes, and the
resealing that somebody does who holds the package's key. `write` puts one into a folder.
"""

from __future__ import annotations

import base64
import io
import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import fastavro

from archive.tlog import note
from archive.tlog.note import Note, Signer
from schemas import codec
from schemas.domains import facts_of
from schemas.events import CapturedEvent, EventPart
from schemas.identity import delivery_id, message_key
from search.export.offline import verify
from tests.export.certified import EXPORT_ID, certified, manifest
from tests.export.offline_archive import (
    ANN,
    BEN,
    CAT,
    DAN,
    EVE,
    FILE,
    LOG,
    ORIGIN,
    PACKAGE,
    WITNESSES,
    Archive,
    Opened,
    archive,
    cosigned,
    path_of,
)
from tests.golden.firm import NOW

ROOT: Final = Path(__file__).parents[2]
RELEASED: Final = ROOT / "schemas" / "released" / "v1"
Files = dict[str, bytes]
SCHEMAS: Final = {"48fccfefccbc5698": "captured.avsc", "6fb7d9aa1515f359": "part.avsc"}


@dataclass(frozen=True)
class Shape:
    """What a package holds. `chosen`: conversations; `withheld`: conversation -> reason;
    `claim`: none, conversations, custodians; `erased`: leaves whose key is gone; `only`: the first
    so many records; `stamps`: (authority, head's checkpoint, token, roots)."""

    chosen: tuple[tuple[int, int], ...] = (ANN, BEN, CAT)
    withheld: Mapping[tuple[int, int], str] = field(default_factory=dict)
    claim: str = "none"
    erased: frozenset[int] = frozenset()
    only: int = 0
    witnesses: tuple[Signer, ...] = ()
    stamps: tuple[tuple[str, Note, bytes, bytes], ...] = ()


@dataclass
class _Row:
    cell: Opened
    position: int
    said: CapturedEvent | EventPart
    native: str
    key: bytes


def spelled(value: Any) -> bytes:
    """JSON as a package has it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def lines(values: Iterable[Any]) -> bytes:
    """A `.jsonl` file."""
    return b"".join(spelled(one) + b"\n" for one in values)


def b64(hashes: Iterable[bytes]) -> list[str]:
    """A path."""
    return [base64.b64encode(one).decode() for one in hashes]


def package(shape: Shape) -> Files:
    """A whole package, sealed."""
    made, out = archive(), Files()
    shape = _whole_keys(made, shape)
    rows, left = _rows(made, shape)
    events, proofs = _records(rows, {
        made.names[who]: f"C-{number:04d}" for number, who in enumerate(shape.chosen, 1)}, out)
    out["data/native/events.jsonl"] = lines(events)
    out["data/proof/events.jsonl"] = lines(proofs)
    withheld = _withheld(made, shape, left, proofs)
    out["data/proof/withheld.jsonl"] = lines(withheld)
    named = sorted({one["leaf"] for one in (*proofs, *withheld)})
    out["data/proof/cells.jsonl"] = lines({
        "leaf": leaf, "entry": made.cells[leaf].leaf.entry().decode(),
        "path": b64(path_of(made.entries, leaf))} for leaf in named)
    _trust(made, shape, out)
    _claimed(made, shape, out)
    for name, file in SCHEMAS.items():
        out[f"data/proof/schemas/{name}.avsc"] = (RELEASED / file).read_bytes()
    out["data/transcript/index.html"] = b"<!doctype html><title>All of it</title>\n"
    out["data/withheld.csv"] = b"document,reason\r\n"
    return sealed(tagged(out))


def _whole_keys(made: Archive, shape: Shape) -> Shape:
    """A key that is gone is gone of every cell that lies under it."""
    gone = {_key(made.cells[one]) for one in shape.erased}
    return replace(shape, erased=frozenset(
        one.index for one in made.cells if _key(one) in gone))


def _key(cell: Opened) -> tuple[str, int]:
    return cell.leaf.cell.domain, cell.leaf.cell.generation


def tagged(files: Files) -> Files:
    """With its tag files. The certificate says of it all that both it and a verifier know."""
    return files | {
        "START-HERE.txt": b"Run: python3 -I verify.py\n", "custody.jsonl": b"",
        "certificate.pdf": b"%PDF-1.7\n", "verify.html": b"<!doctype html>\n",
        "verify.py": (ROOT / "search" / "export" / "offline" / "verify.py").read_bytes(),
        "certificate.json": certified(files)}


def bagged(files: Files) -> Files:
    """With bag-info and both manifests made anew, and no seal: what anybody can do."""
    out = {path: body for path, body in files.items() if path not in (
        "bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt")}
    payload = {path: body for path, body in out.items() if path.startswith("data/")}
    out["bagit.txt"] = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    oxum = f"{sum(map(len, payload.values()))}.{len(payload)}"
    out["bag-info.txt"] = (f"Source-Organization: Example LLP\nExternal-Identifier: {EXPORT_ID}\n"
                           f"Payload-Oxum: {oxum}\n").encode()
    out["manifest-sha256.txt"] = manifest(payload)
    out["tagmanifest-sha256.txt"] = manifest({
        path: body for path, body in out.items()
        if not path.startswith("data/") and path != "seal.note"})
    return out


def sealed(files: Files, by: Signer = PACKAGE) -> Files:
    """Bagged and sealed anew: what somebody can do who holds the package's key."""
    out = bagged(files)
    digest = sha256(out["tagmanifest-sha256.txt"]).hexdigest()
    text = f"counterfoil export package v1\n{EXPORT_ID}\n{digest}\n"
    out["seal.note"] = Note(text, (note.sign(text, by),)).render().encode()
    return out


def resealed(files: Files, by: Signer = PACKAGE) -> Files:
    """Sealed anew, with a certificate that says what is there now."""
    return sealed(files | {"certificate.json": certified(files)}, by)


def write(files: Files, folder: Path) -> Path:
    """Into a new folder."""
    for path, body in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(body)
    return folder


def checked(folder: Path, *options: str) -> verify.Report:
    """What the verifier finds, in this process."""
    return verify.verify(str(folder), verify.arguments([*options, str(folder)]), lambda _line: None)


def edit(files: Files, path: str, row: int, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change one line of a `.jsonl` file, in its one spelling."""
    found = files[path].splitlines(keepends=True)
    value = json.loads(found[row])
    change(value)
    found[row] = spelled(value) + b"\n"
    files[path] = b"".join(found)


# -- records

def _rows(made: Archive, shape: Shape) -> tuple[list[_Row], list[tuple[_Row, str]]]:
    """What is in, in the package's order, and what stays behind with its reason."""
    rows, left = [], []
    natives = {tag: name for name, tag in made.tags.items()}
    order = {made.names[one]: number for number, one in enumerate((*shape.chosen,
                                                                   *shape.withheld))}
    reasons = {made.names[who]: reason for who, reason in shape.withheld.items()}
    for cell in made.cells:
        for position, one in enumerate(cell.events):
            said = codec.decode(one.datum)
            key = said.message_key if isinstance(said, EventPart) else message_key(said)
            row = _Row(cell, position, said, natives[one.tag], key)
            if cell.index in shape.erased or row.native not in order:
                continue
            if row.native in reasons:
                left.append((row, reasons[row.native]))
            else:
                rows.append(row)
    first: dict[bytes, int] = {}
    for number, row in enumerate(rows):
        first.setdefault(row.key, number)
    rows.sort(key=lambda row: (order[row.native], first[row.key]))   # stable: by address inside
    return rows[:shape.only or None], left


def _records(rows: list[_Row], conversations: Mapping[str, str],
             out: Files) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    proofs, documents = [], dict[bytes, str]()
    wholes = {_name(row): number for number, row in enumerate(rows, 1) if _name(row)}
    for number, row in enumerate(rows, 1):
        document = documents.setdefault(row.key, f"CF-{len(documents) + 1:07d}")
        one, place = row.cell.events[row.position], row.cell.place
        said, whole = _readable(one.datum), None
        event: CapturedEvent | None = row.said if isinstance(row.said, CapturedEvent) else None
        if isinstance(row.said, EventPart) and row.said.number == 0:
            event = _joined(row.said, rows)
            whole = _readable(codec.encode(event)) if event is not None else None
        line = {
            "record": number, "document": document,
            "conversation": conversations[row.native],
            "custodian": row.said.custodian, "datum": base64.b64encode(one.datum).decode(),
            "address": {"topic_id": place.topic_id.hex(), "partition": place.partition,
                        "offset": one.offset, "index": one.index},
            "event": said, "raw": _raw(number, event, wholes, rows, out)}
        events.append(line if whole is None else line | {"whole": whole})
        proofs.append({"record": number, "leaf": row.cell.index, "position": row.position,
                       "salt": row.cell.salts[row.position].hex(),
                       "path": b64(path_of(row.cell.commitments, row.position))})
        if event is not None and event.kind == "derived":
            out[f"data/native/attachments/{document}_1.png"] = FILE
    return events, proofs


def _joined(first: EventPart, rows: list[_Row]) -> CapturedEvent | None:
    """The event of which this is the first part, if the parts after it are there and fit."""
    rest = [each.said.body for each in rows if isinstance(each.said, EventPart)
            and each.said.set_id == first.set_id and each.said.number]
    if len(rest) != first.total - 1 or not first.body.startswith(b"\xc3\x01"):
        return None
    event = codec.decode(b"".join((first.body, *rest)))
    assert isinstance(event, CapturedEvent)
    return event


def _name(row: _Row) -> bytes:
    said = row.said
    if isinstance(said, CapturedEvent) and said.delivery and said.delivery.whole and said.raw:
        return delivery_id(said.captured_at, said.raw)
    return b""


def _raw(number: int, event: CapturedEvent | None, wholes: Mapping[bytes, int], rows: list[_Row],
         out: Files) -> dict[str, Any] | None:
    if event is None:
        return None
    kind, body, more = "own", event.raw, dict[str, int]()
    if body is None:
        of = wholes.get(event.delivery.delivery_id, 0) if event.delivery else 0
        whole = rows[of - 1].said if of else None
        if not isinstance(whole, CapturedEvent) or event.delivery is None or whole.raw is None:
            return None
        kind, body, more = "slice", whole.raw[event.delivery.start:event.delivery.end], {"of": of}
    path = f"data/native/raw/{number:07d}.{'json' if 'json' in event.raw_type else 'xml'}"
    out[path] = body
    return {"file": path, "kind": kind, "bytes": len(body),
            "sha256": sha256(body).hexdigest()} | more


@cache
def _parsed(name: str) -> Any:
    return fastavro.parse_schema(json.loads((RELEASED / name).read_bytes()))


def _readable(datum: bytes) -> dict[str, Any]:
    """By fastavro and the released schema, not by the verifier's reader."""
    name = SCHEMAS[datum[2:10].hex()]
    said = fastavro.schemaless_reader(io.BytesIO(datum[10:]), _parsed(name), None)
    assert isinstance(said, dict)

    def shown(value: Any, *, is_body: bool = False) -> Any:
        if isinstance(value, dict):
            return {key: shown(one) for key, one in value.items()}
        if isinstance(value, list):
            return [shown(one) for one in value]
        if isinstance(value, bytes) and (is_body or len(value) > 64):
            return {"bytes": len(value), "sha256": sha256(value).hexdigest()}
        return value.hex() if isinstance(value, bytes) else value

    return {key: shown(one, is_body=name == "part.avsc" and key == "body")
            for key, one in said.items()}


# -- trust and completeness

def _trust(made: Archive, shape: Shape, out: Files) -> None:
    authorities = []
    for name, signed, token, roots in shape.stamps:
        size = signed.text.split("\n")[1]
        where = f"timestamps/{size}/{name}"
        authorities.append({"name": name, "token": f"{where}.tsr", "roots": f"{where}.pem"})
        out[f"data/proof/timestamps/{size}/checkpoint"] = signed.render().encode()
        out[f"data/proof/{where}.tsr"], out[f"data/proof/{where}.pem"] = token, roots
    out["data/proof/checkpoint"] = cosigned(made.late.signed, *shape.witnesses)
    out["data/proof/trust.json"] = spelled({
        "v": 1, "origin": ORIGIN, "log": [LOG.key.vkey()], "authorities": authorities,
        "witnesses": [one.key.vkey() for one in shape.witnesses],
        "package": PACKAGE.key.vkey()}) + b"\n"


def domains(made: Archive, shape: Shape) -> list[str]:
    """The key domains that a shape's records, and what stays behind of them, lie in."""
    tags = {made.tags[made.names[one]] for one in (*shape.chosen, *shape.withheld)}
    return sorted({cell.leaf.cell.domain for cell in made.cells
                   if any(one.tag in tags for one in cell.events)})


def _withheld(made: Archive, shape: Shape, left: list[tuple[_Row, str]],
              proofs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    numbers: dict[bytes, str] = {}
    first = len(shape.chosen)
    names = {made.names[who]: f"C-{first + row:04d}" for row, who in enumerate(shape.withheld, 1)}
    out = [{
        "leaf": row.cell.index, "position": row.position, "reason": reason,
        "offset": row.cell.events[row.position].offset,
        "index": row.cell.events[row.position].index,
        "document": numbers.setdefault(row.key, f"CF-W-{len(numbers) + 1:04d}"),
        "conversation": names[row.native]} for row, reason in left]
    if shape.claim == "custodians":
        known = {(one["leaf"], one["position"]) for one in (*proofs, *out)}
        wanted = domains(made, shape)
        for cell in made.cells:
            for position, one in enumerate(cell.events):
                if cell.leaf.cell.domain in wanted and (cell.index, position) not in known:
                    gone = cell.index in shape.erased
                    out.append({
                        "leaf": cell.index, "position": position, "document": "",
                        "conversation": "", "reason": "erased" if gone else "outside_period",
                        "offset": 0 if gone else one.offset, "index": 0 if gone else one.index})
    return out


def _claimed(made: Archive, shape: Shape, out: Files) -> None:
    wanted = domains(made, shape) if shape.claim != "none" else []
    named = [(f"C-{row:04d}", made.tags[made.names[who]])
             for row, who in enumerate((*shape.chosen, *shape.withheld), 1)]
    behind = any(json.loads(one)["reason"] == "outside_period"
                 for one in out["data/proof/withheld.jsonl"].splitlines())
    out["data/proof/complete.json"] = spelled({
        "v": 1, "kind": shape.claim, "since": None, "until": NOW if behind else None,
        "why": "It was chosen by a query." if shape.claim == "none" else "",
        "domains": [_facts(made, one) for one in wanted],
        "conversations": [{"conversation": name, "tag": tag.hex()} for name, tag in named]
        if shape.claim == "conversations" else []}) + b"\n"
    if shape.claim == "none":
        return
    for path, body in made.late.files.items():
        out[f"data/proof/log/{path}"] = body
    if shape.claim == "conversations":
        out["data/proof/tags.jsonl"] = lines(
            {"leaf": cell.index, "erased": True} if cell.index in shape.erased else
            {"leaf": cell.index, "tag_key": cell.tag_key.hex(), "tags": len(cell.tags),
             "open": [open_tag(cell, name, tag) for name, tag in named]}
            for cell in made.cells if cell.leaf.cell.domain in wanted)


def _facts(made: Archive, domain: str) -> dict[str, str]:
    """What a domain stands for, by the first datum that lies in it."""
    said = next(codec.decode(cell.events[0].datum) for cell in made.cells
                if cell.leaf.cell.domain == domain)
    assert isinstance(said, CapturedEvent)
    found = facts_of(said)
    return {"domain": domain, "custodian": found.custodian, "class": found.retention_class,
            "month": found.month, "compartment": found.compartment, "role": found.role}


def open_tag(cell: Opened, conversation: str, tag: bytes) -> dict[str, Any]:
    """A conversation's tag in a cell, or the neighbours of where it would be."""
    blinded = cell.blinded(tag)
    at = bisect_left(cell.tags, blinded)
    if at < len(cell.tags) and cell.tags[at][:32] == blinded:
        return {"conversation": conversation, "at": at,
                "count": int.from_bytes(cell.tags[at][32:], "big"),
                "path": b64(path_of(cell.tags, at))}

    def beside(row: int) -> dict[str, Any] | None:
        if not 0 <= row < len(cell.tags):
            return None
        return {"tag": cell.tags[row][:32].hex(), "at": row, "path": b64(path_of(cell.tags, row)),
                "count": int.from_bytes(cell.tags[row][32:], "big")}

    return {"conversation": conversation, "before": beside(at - 1), "after": beside(at)}


ALL: Final = (ANN, BEN, CAT, DAN, EVE)
SHAPES: Final[Mapping[str, Shape]] = {
    "one record": Shape(chosen=(BEN,), only=1),
    "nothing but what stays behind": Shape(chosen=(), withheld={EVE: "privileged"}),
    "a query": Shape(),
    "a query with privilege": Shape(withheld={DAN: "privileged"}, witnesses=WITNESSES),
    "everything": Shape(chosen=ALL, witnesses=WITNESSES[:1]),
    "conversations": Shape(chosen=(ANN, BEN), claim="conversations", witnesses=WITNESSES),
    "conversations with privilege": Shape(chosen=(CAT, BEN), withheld={DAN: "privileged"},
                                          claim="conversations"),
    "a custodian": Shape(chosen=(ANN, BEN, CAT), withheld={DAN: "privileged"},
                         claim="custodians", witnesses=WITNESSES[:1]),
    "two custodians": Shape(chosen=ALL, claim="custodians"),
}
