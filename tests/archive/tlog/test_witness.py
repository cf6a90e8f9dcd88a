"""A witness answers exactly as C2SP says, never goes back, and a log believes signatures alone."""

from __future__ import annotations

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import merkle
from archive.tlog import checkpoint, note, tree, witness
from archive.tlog.checkpoint import Head
from archive.tlog.note import Key, Note
from archive.tlog.witness import SIZE_TYPE, Reply, Witness, ask, request_body
from archive.tlog.witnessing import Witnessing, witnessed
from schemas.errors import Refused, Transient
from tests.archive import logs
from tests.archive.logs import NOW, ORIGIN, Book, signer
from tests.archive.tlog.test_tree import ListHashes, numbered
from tests.fakes.faults import FaultPlan
from tests.fakes.latest import FakeLatest

ENTRIES = numbered(60)
HASHES = ListHashes(ENTRIES)
TIME = NOW // 1000


def head(size: int) -> Head:
    """Of the honest log."""
    return Head(size, merkle.root(ENTRIES[:size]))


def signed(size: int) -> Note:
    """Its checkpoint."""
    return checkpoint.signed(ORIGIN, head(size), signer())


def request(old: int, size: int) -> bytes:
    """An honest request."""
    return request_body(old, tree.consistency(HASHES, old, size), signed(size))


def made(latest: FakeLatest | None = None) -> Witness:
    """A witness that knows one log."""
    return Witness(logs.witness(), {ORIGIN: (signer("older").key, signer().key)},
                   latest or FakeLatest(), lambda: NOW)


class Local:
    """A witness without a network."""

    def __init__(self, one: Witness, change: Callable[[Reply], Reply] = lambda reply: reply,
                 ) -> None:
        self.one = one
        self.change = change
        self.asked = 0

    def add_checkpoint(self, body: bytes) -> Reply:
        """See Asked."""
        self.asked += 1
        return self.change(self.one.add_checkpoint(body))


def test_a_request_is_spelled_as_published() -> None:
    """Old size, proof lines, an empty line, the checkpoint; read back it is the same."""
    body = request(20, 41)
    lines = body.decode().split("\n")
    proof = tree.consistency(HASHES, 20, 41)
    assert ["old 20", *(base64.b64encode(one).decode() for one in proof), "",
            ORIGIN, "41"] == lines[:len(proof) + 4]
    read = witness.read_request(body)
    assert (20, proof, signed(41)) == (read.old, read.proof, read.signed)


def test_a_new_checkpoint_is_cosigned_and_remembered() -> None:
    """200, one line per key of the witness, each a cosignature over this checkpoint and time."""
    latest = FakeLatest()
    one = made(latest)
    for old, size in ((0, 1), (1, 20), (20, 41), (41, 41), (41, 60)):
        reply = one.add_checkpoint(request(old, size))
        assert (200, head(size)) == (reply.status, latest.load(ORIGIN))
        line = reply.body.decode()
        assert line.startswith("— witness1.example ")
        assert line.endswith("\n")
        found = note.check(signed(size).text, note.read_signature(line[:-1]), logs.witness().key)
        assert found is not None
        assert TIME == found.time


def test_another_old_size_is_a_conflict_that_names_the_known_one() -> None:
    """409, the size and a line end, type text/x.tlog.size; nothing changes."""
    latest = FakeLatest()
    one = made(latest)
    assert Reply(409, b"0\n", SIZE_TYPE) == one.add_checkpoint(request(3, 20))
    one.add_checkpoint(request(0, 20))
    for old, size in ((0, 41), (19, 41), (21, 41), (0, 20)):
        assert Reply(409, b"20\n", SIZE_TYPE) == one.add_checkpoint(request(old, size))
    assert head(20) == latest.load(ORIGIN)


def test_an_old_size_beyond_the_checkpoint_is_a_bad_request() -> None:
    """400, before anything is compared."""
    one = made()
    one.add_checkpoint(request(0, 20))
    assert 400 == one.add_checkpoint(request_body(21, (), signed(20))).status


@pytest.mark.parametrize("proof", [(), (bytes(32),), (bytes(32),) * 63])
def test_a_proof_that_does_not_hold_is_unprocessable(proof: tuple[bytes, ...]) -> None:
    """422, and the old head stays."""
    latest = FakeLatest()
    one = made(latest)
    one.add_checkpoint(request(0, 20))
    assert 422 == one.add_checkpoint(request_body(20, proof, signed(41))).status
    assert head(20) == latest.load(ORIGIN)


def test_a_proof_from_nothing_is_empty() -> None:
    """Also where it would do no harm."""
    assert 422 == made().add_checkpoint(request_body(0, (bytes(32),), signed(20))).status


def test_another_tree_of_the_same_size_is_unprocessable() -> None:
    """422: the log signed two trees; neither is cosigned twice."""
    one = made()
    one.add_checkpoint(request(0, 20))
    other = checkpoint.signed(ORIGIN, Head(20, b"x" * 32), signer())
    assert 422 == one.add_checkpoint(request_body(20, (), other)).status


def test_an_unknown_log_is_not_found_and_an_unknown_key_forbidden() -> None:
    """404 by the origin, 403 where no key that is trusted for it signed."""
    one = made()
    elsewhere = signer("k", "other.example/log")
    foreign = checkpoint.signed("other.example/log", head(3), elsewhere)
    assert 404 == one.add_checkpoint(request_body(0, (), foreign)).status
    forged = checkpoint.signed(ORIGIN, head(3), signer("thief"))
    assert 403 == one.add_checkpoint(request_body(0, (), forged)).status
    spoiled = Note(signed(3).text, (note.Signature(ORIGIN, signer().key.key_id, bytes(64)),))
    assert 403 == one.add_checkpoint(request_body(0, (), spoiled)).status
    named = note.with_signatures(forged, signed(3).signatures)
    assert 200 == one.add_checkpoint(request_body(0, (), named)).status


@pytest.mark.parametrize("change", [
    ("old 20", "old 020"), ("old 20", "old -1"), ("old 20", "old"), ("old 20", "Old 20"),
    ("old 20", "old  20"), ("old 20\n", ""), ("old 20\n", "old 20\nAA==\n"), ("\n\n", "\n"),
    ("— ", "- "), ("\n41\n", "\n041\n"), (ORIGIN, ""),
    ("old 20\n", "old 20\n" + (base64.b64encode(bytes(32)).decode() + "\n") * 64)])
def test_what_is_no_request_is_a_bad_request(change: tuple[str, str]) -> None:
    """400 for another spelling of size, proof or checkpoint, and for more than 63 lines."""
    body = request(20, 41).decode()
    assert change[0] in body
    assert 400 == made().add_checkpoint(body.replace(*change).encode()).status


@given(st.binary(max_size=200))
def test_no_bytes_make_a_witness_stumble(body: bytes) -> None:
    """An answer, always."""
    assert 400 == made().add_checkpoint(body).status
    assert 400 == made().add_checkpoint(b"old 0\n\n" + body).status


def test_of_many_that_ask_at_once_none_rolls_back() -> None:
    """Whatever their order, the head that is remembered at the end is the largest that was
    cosigned, and each that was cosigned contained the one before."""
    latest = FakeLatest()
    one = made(latest)

    def submit(size: int) -> int:
        for _ in range(70):
            known = latest.load(ORIGIN)
            old = known.size if known else 0
            if old > size:
                return 0
            if one.add_checkpoint(request(old, size)).status == 200:
                return size
        return 0

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(submit, [*range(1, 61), *range(60, 0, -1)]))
    assert head(max(done)) == latest.load(ORIGIN) == head(60)


def test_a_swap_that_was_lost_is_a_conflict() -> None:
    """Between the check and the writing somebody else was cosigned: ask again."""
    plan = FaultPlan()
    latest = FakeLatest(plan)
    one = made(latest)
    plan.before("latest.swap", lambda: latest._swap(ORIGIN, None, head(41)))
    assert Reply(409, b"41\n", SIZE_TYPE) == one.add_checkpoint(request(0, 20))


@pytest.mark.parametrize("fault", ["latest_swap_not_applied", "latest_swap_applied_but_error",
                                   "latest_load_not_applied"])
def test_a_memory_that_fails_signs_nothing(fault: str) -> None:
    """What is not surely remembered is not signed; the next request settles it."""
    plan = FaultPlan()
    one = made(FakeLatest(plan))
    plan.arm(fault)
    with pytest.raises(Transient):
        one.add_checkpoint(request(0, 20))
    local = Local(one)
    ask(local, logs.witness().key, signed(20), lambda old: tree.consistency(HASHES, old, 20))


def consistency(size: int) -> Callable[[int], tuple[bytes, ...]]:
    """Proofs to one size."""
    return lambda old: tree.consistency(HASHES, old, size)


def test_a_log_asks_again_from_where_the_witness_is() -> None:
    """Two requests where it does not know, one where it does."""
    local = Local(made())
    for size, guess, asked in ((20, 0, 1), (41, 0, 3), (60, 41, 4), (60, 60, 5)):
        found = ask(local, logs.witness().key, signed(size), consistency(size), guess)
        assert note.check(signed(size).text, found, logs.witness().key) is not None
        assert asked == local.asked


def test_a_witness_that_saw_more_or_another_tree_is_an_alarm() -> None:
    """The log was rolled back, or signed two trees: that is what witnesses are for."""
    one = made()
    ask(Local(one), logs.witness().key, signed(41), consistency(41))
    with pytest.raises(Refused, match="tlog_witness_fork"):
        ask(Local(one), logs.witness().key, signed(20), consistency(20))
    other = [b"other", *ENTRIES[1:]]
    forked = checkpoint.signed(ORIGIN, Head(60, merkle.root(other)), signer())
    with pytest.raises(Refused, match="tlog_witness_fork"):
        ask(Local(one), logs.witness().key, forked,
            lambda old: tree.consistency(ListHashes(other), old, 60), 41)
    with pytest.raises(Refused, match="tlog_witness_fork"):
        ask(Local(one, lambda reply: Reply(409)), logs.witness().key, signed(60), consistency(60))


@pytest.mark.parametrize("reply", [
    Reply(200), Reply(200, b"\n"), Reply(200, b"\xff\n"), Reply(200, b"nonsense\n"), Reply(404),
    Reply(403), Reply(500), Reply(302), Reply(409, b"0\n", SIZE_TYPE),
    Reply(200, note.cosign(signed(60).text, logs.witness(2), TIME).line().encode()),
    Reply(200, note.cosign(signed(41).text, logs.witness(), TIME).line().encode()),
    Reply(200, note.cosign(signed(60).text, logs.witness(), TIME).line().encode()[:-1])])
def test_an_answer_that_is_no_cosignature_is_refused(reply: Reply) -> None:
    """Of another key, over another checkpoint, cut, or none; and no loop without an end."""
    local = Local(made(), lambda _reply: reply)
    with pytest.raises(Refused, match="tlog_"):
        ask(local, logs.witness().key, signed(60), consistency(60))
    assert local.asked <= 4


def test_signatures_of_other_keys_in_an_answer_are_ignored() -> None:
    """The one that was asked for is found among them."""
    ours = note.cosign(signed(60).text, logs.witness(), TIME)
    lines = b"".join(one.line().encode() for one in (
        note.cosign(signed(60).text, logs.witness(2), TIME), ours))
    local = Local(made(), lambda _reply: Reply(200, lines))
    assert ours == ask(local, logs.witness().key, signed(60), consistency(60))


class Silent:
    """A witness that cannot be reached."""

    def add_checkpoint(self, body: bytes) -> Reply:
        """See Asked."""
        raise Transient("nobody there")


def test_a_checkpoint_keeps_what_its_witnesses_said() -> None:
    """Beside it in the store, found again, audited; one that is silent stops nothing."""
    book = Book()
    notary = book.notary()
    collector = Witnessing(book.store, notary, lambda: NOW + 10**12)
    first, second, third = (logs.witness(number) for number in (1, 2, 3))
    asked = [(one.key, Local(Witness(one, {ORIGIN: (book.signer.key,)}, FakeLatest(),
                                     lambda: NOW))) for one in (first, second)]
    assert [] == collector.collect(asked)
    for _ in range(3):
        book.grow(0, 3)
        notary.turn()
        outcomes = collector.collect([*asked, (third.key, Silent())])
        assert ["", "", "nobody there"] == [one.problem for one in outcomes]
    assert [3, 3] == [local.asked for _, local in asked]
    signed_note = notary.checkpoint()
    assert signed_note is not None
    keys: list[Key] = [one.key for one in (first, second, third)]
    full, by = witnessed(notary.sequence, signed_note, keys)
    assert [first.key, second.key] == [one.key for one in by]
    assert 3 == len(note.verify(full, [book.signer.key, *keys]))
    assert [] == book.audit(witnesses=tuple(keys)).faults


def test_a_fork_that_a_witness_saw_is_said() -> None:
    """Not as a failure to be tried again."""
    book = Book()
    book.grow(0, 2)
    notary = book.notary()
    notary.turn()
    ahead = FakeLatest()
    ahead.heads[ORIGIN] = Head(9, b"9" * 32)
    one = Witness(logs.witness(), {ORIGIN: (book.signer.key,)}, ahead, lambda: NOW)
    (outcome,) = Witnessing(book.store, notary, lambda: NOW + 10**12).collect(
        [(logs.witness().key, Local(one))])
    assert outcome.forked
