"""The transparency log of the golden archive: batches, checkpoints, static files, a proof.

Owns that part of `v1/`. Its keys are from fixed seeds and protect nothing.

    v1/tlog/batch/<n>          the batches, as they lie in the store
    v1/tlog/checkpoint/<size>  what was signed after each
    v1/tlog/site/…             the log as C2SP's static files
    v1/tlog/cell.tlog-proof    the proof of one cell; v1/tlog/cell.leaf its entry
    v1/tlog/witness.request    what a witness that knew the first checkpoint is asked
    v1/tlog/witnessed          the last checkpoint with its cosignature
    v1/tlog/keys.json          verifier keys, and where the proved cell lies
"""

from __future__ import annotations

import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archive.tlog import checkpoint, note, witness
from archive.tlog.checkpoint import Head
from archive.tlog.notary import Notary, Ports
from archive.tlog.note import COSIGNATURE, ED25519, Key, Signer
from archive.tlog.prover import Prover
from tests.fakes.latest import FakeLatest
from tests.fakes.store import FakeStore
from tests.golden.firm import NOW, Firm
from tests.world import Random

ORIGIN = "golden.example/log"
YEARS_MS = 20 * 366 * 86_400_000


def golden_signer(seed: str, name: str, kind: int) -> Signer:
    """A key from a fixed seed."""
    private = Ed25519PrivateKey.from_private_bytes(Random(seed)(32))
    return Signer(Key(name, kind, private.public_key().public_bytes_raw()), private.sign)


LOG = golden_signer("golden/log", ORIGIN, ED25519)
WITNESS = golden_signer("golden/witness", "witness.golden.example", COSIGNATURE)


def files(firm: Firm) -> dict[str, bytes]:
    """Every file of `v1/tlog`. Partitions 0 and 1 are logged first, then partition 2."""
    now = firm.now
    store = FakeStore(lambda: now)
    notary = Notary(Ports(store, firm.authenticator(), FakeLatest(), LOG, lambda: now,
                          lambda _now: NOW + YEARS_MS, lambda _seconds: None))
    heads: list[Head] = []
    for parts in (("/0/", "/1/"), ("/2/",)):
        for key, versions in sorted(firm.store.objects.items()):
            if key.startswith("segments/") and any(part in key for part in parts):
                store.objects[key] = list(versions)
        notary.turn()
        head = notary.head()
        assert head is not None
        heads.append(head)
    out = {f"tlog/{key.removeprefix('log/')}": versions[0].body
           for key, versions in store.objects.items() if key.startswith("log/")}
    signed, last = notary.checkpoint(), notary.last()
    assert signed is not None and last is not None
    prover = Prover(notary.sequence, last)
    out |= {f"tlog/site/{path}": body for path, body in prover.files(signed)}
    proved = sorted(key for key in store.objects if key.startswith("segments/"))[0]
    proof, leaf = prover.cell(proved, 1, signed, b"golden")
    cosigned = note.with_signatures(signed, [note.cosign(signed.text, WITNESS, now // 1000)])
    body = witness.request_body(heads[0].size, prover.consistency(heads[0], heads[1]), signed)
    said = {"log": LOG.key.vkey(), "witness": WITNESS.key.vkey(), "segment": proved, "cell": 1,
            "index": proof.index, "heads": [[one.size, one.root.hex()] for one in heads]}
    first = checkpoint.signed(ORIGIN, heads[0], LOG).render().encode()
    assert first == out[f"tlog/checkpoint/{heads[0].size:020d}"]
    return out | {
        "tlog/cell.tlog-proof": proof.render().encode(), "tlog/cell.leaf": leaf.entry(),
        "tlog/witness.request": body, "tlog/witnessed": cosigned.render().encode(),
        "tlog/keys.json": (json.dumps(said, indent=1, sort_keys=True) + "\n").encode()}
