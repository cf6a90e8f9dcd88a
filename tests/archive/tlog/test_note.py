"""Signed notes, checkpoints, proofs and policies against C2SP's examples, and against liars."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archive import merkle
from archive.tlog import checkpoint, note, policy, proof, tree
from archive.tlog.checkpoint import Checkpoint, Head
from archive.tlog.note import COSIGNATURE, ED25519, Key, Note
from schemas.errors import Refused
from tests.archive.logs import ORIGIN, signer, witness
from tests.archive.tlog.test_tree import ListHashes, numbered

SHARED = Path(__file__).parents[4] / "shared" / "vectors" / "tlog_vectors.json"
# The example of C2SP's signed-note page: facts of a specification.
VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = ("This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXpp"
           "zi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n")
HEAD = Head(3, merkle.root(numbered(3)))


def signed(head: Head = HEAD) -> Note:
    """A checkpoint by the log."""
    return checkpoint.signed(ORIGIN, head, signer())


def witnessed(*numbers: int, head: Head = HEAD) -> Note:
    """The same, seen by witnesses."""
    made = signed(head)
    return note.with_signatures(made, [
        note.cosign(made.text, witness(number), 1_700_000_000 + number) for number in numbers])


def test_the_specifications_example_verifies() -> None:
    """Its key reads, writes and signs as published."""
    key = note.read_vkey(VKEY)
    assert ("example.com/foo", ED25519, VKEY) == (key.name, key.kind, key.vkey())
    read = note.read(EXAMPLE)
    assert ("This is an example message.\n", EXAMPLE) == (read.text, read.render())
    (found,) = note.verify(read, [key])
    assert found.key == key


@pytest.mark.allowed_skip("the shared vectors are not part of the repository")
def test_the_shared_vectors_agree() -> None:
    """Key and note of the published file are the ones above."""
    if not SHARED.exists():
        pytest.skip("no shared vectors")
    said = json.loads(SHARED.read_text("utf-8"))["signed_note"]
    assert (VKEY, EXAMPLE) == (said["vkey"], said["note"])


@given(st.integers(0, len(EXAMPLE.encode()) - 1), st.integers(0, 7))
def test_no_changed_bit_of_a_note_verifies(place: int, bit: int) -> None:
    """Whatever bit of text or signature is flipped, nobody known has signed that."""
    body = bytearray(EXAMPLE.encode())
    body[place] ^= 1 << bit
    with pytest.raises(Refused, match="tlog_"):
        note.verify(note.read_bytes(bytes(body)), [note.read_vkey(VKEY)])


@pytest.mark.parametrize("text", [
    "", "text\n", "text\n\n", "\n\n", EXAMPLE[:-1], EXAMPLE + "\n", EXAMPLE + "x",
    EXAMPLE.replace("— ", "- "), EXAMPLE.replace("—", "–"), EXAMPLE.replace("Uw2Q", "Uw2"),
    EXAMPLE.replace("This", "Th\tis"), EXAMPLE.replace("This", "Th\ris"),
    EXAMPLE.replace("foo Uw", "f+o Uw"), EXAMPLE.replace("example.com/foo", ""),
    "t\n\n— example.com/foo AAAAAA==\n", "t\n\n— example.com/foo AAAA\n",
    "t\n\n" + "— a AAAAAAA=\n" * 101, "\ud800\n\n— a AAAAAAA=\n"])
def test_what_is_no_note_is_refused(text: str) -> None:
    """Controls, other dashes, other base64, no line end, no name, too many."""
    with pytest.raises(Refused, match="tlog_note"):
        note.read(text)


def test_bytes_that_are_no_utf8_are_refused() -> None:
    """A note is text."""
    with pytest.raises(Refused, match="UTF-8"):
        note.read_bytes(b"\xff" + EXAMPLE.encode())


@pytest.mark.parametrize("vkey", [
    "", "a", VKEY[:-1], VKEY.replace("530d903a", "530d903b"), VKEY.replace("+Aek", "+Aug"),
    VKEY.replace("foo", "f oo"), VKEY.replace("530d903a", "530D903A"), "+530d903a+AekyeRrm56hA"])
def test_what_is_no_key_is_refused(vkey: str) -> None:
    """Wrong ids, kinds, names and spellings."""
    with pytest.raises(Refused, match="tlog_key"):
        note.read_vkey(vkey)


def test_unknown_signatures_are_ignored_and_known_ones_must_hold() -> None:
    """One bad signature of a known key spoils the note; without a good one nobody signed."""
    made = witnessed(1, 2)
    log, first, second = signer().key, witness(1).key, witness(2).key
    assert {log} == {one.key for one in note.verify(made, [log])}
    assert {log, first, second} == {one.key for one in note.verify(made, [log, first, second])}
    assert [None, 1_700_000_001] == [one.time for one in note.verify(made, [log, first])]
    with pytest.raises(Refused, match="no known key"):
        note.verify(made, [witness(3).key])
    spoiled = Note(made.text, (made.signatures[0], note.Signature(
        first.name, first.key_id, bytes(72))))
    assert {log} == {one.key for one in note.verify(spoiled, [log])}
    with pytest.raises(Refused, match="does not verify"):
        note.verify(spoiled, [log, first])
    other = Key("another.example", first.kind, first.public)
    assert {log} == {one.key for one in note.verify(made, [log, other])}


def test_sixteen_signatures_are_accepted() -> None:
    """C2SP asks for at least as many."""
    made = note.read(witnessed(*range(1, 17)).render())
    assert 17 == len(note.verify(made, [signer().key, *(witness(n).key for n in range(1, 17))]))


def test_a_cosignature_is_bound_to_its_time_and_is_no_note_signature() -> None:
    """Another time is another message; a log's key and a witness's have different ids."""
    made, who = signed(), witness(1)
    cosigned = note.cosign(made.text, who, 1679315147)
    message = note.cosigned_message(made.text, 1679315147)
    assert message.startswith(b"cosignature/v1\ntime 1679315147\n" + ORIGIN.encode())
    assert 1679315147 == int.from_bytes(cosigned.body[:8], "big")
    later = note.Signature(cosigned.name, cosigned.key_id,
                           (1679315148).to_bytes(8, "big") + cosigned.body[8:])
    assert note.check(made.text, cosigned, who.key) is not None
    assert note.check(made.text, later, who.key) is None
    assert note.check(made.text + "x\n", cosigned, who.key) is None
    as_log = Key(who.key.name, ED25519, who.key.public)
    assert as_log.key_id != who.key.key_id
    assert note.check(made.text, cosigned, as_log) is None
    far = note.Signature(cosigned.name, cosigned.key_id, b"\xff" * 8 + cosigned.body[8:])
    assert note.check(made.text, far, who.key) is None


def test_a_checkpoint_says_origin_size_and_root() -> None:
    """Three lines; equal heads are equal bytes."""
    made = signed()
    root = base64.b64encode(HEAD.root).decode()
    assert f"{ORIGIN}\n3\n{root}\n" == made.text
    assert made == signed()
    found, by = checkpoint.opened(note.read(made.render()), [signer().key])
    assert (Checkpoint(ORIGIN, HEAD), signer().key) == (found, by[0].key)
    more = Checkpoint(ORIGIN, HEAD, ("a line",))
    assert more == checkpoint.read_text(more.text())


@pytest.mark.parametrize("change", [
    ("\n3\n", "\n03\n"), ("\n3\n", "\n-3\n"), ("\n3\n", "\n3 \n"), ("\n3\n", "\n\n"),
    ("\n3\n", "\n0\n"), (f"{ORIGIN}\n", "\n"), ("=\n", "\n"), ("=\n", "=\n\n"),
    ("\n3\n", f"\n{2**63}\n"), ("\n3\n", "\n٣\n")])
def test_another_spelling_of_a_checkpoint_is_refused(change: tuple[str, str]) -> None:
    """Sizes and roots have one spelling; no line is empty."""
    with pytest.raises(Refused, match="tlog_checkpoint"):
        checkpoint.read_text(signed().text.replace(*change))


def test_a_checkpoint_that_only_a_witness_signed_is_none() -> None:
    """The log's own name must be under it."""
    made = witnessed(1)
    alone = Note(made.text, made.signatures[1:])
    with pytest.raises(Refused, match="log itself"):
        checkpoint.opened(alone, [signer().key, witness(1).key])
    named = signer("another", "another.example")
    other = Note(made.text, (note.sign(made.text, named),))
    with pytest.raises(Refused, match="log itself"):
        checkpoint.opened(other, [named.key])


def test_a_proof_reads_back_and_holds_for_its_entry_alone() -> None:
    """Text to proof to text; another entry, index or checkpoint is refused."""
    entries = numbered(11)
    head = Head(11, merkle.root(entries))
    for index in range(11):
        made = proof.TlogProof(index, tree.inclusion(ListHashes(entries), index, 11), signed(head),
                               b"extra" if index & 1 else None)
        read = proof.read(made.render())
        assert made == read
        found, by = proof.check(read, entries[index], [signer().key])
        assert (head, 1) == (found.head, len(by))
        with pytest.raises(Refused, match="tlog_proof"):
            proof.check(read, b"another", [signer().key])
        with pytest.raises(Refused, match="tlog_"):
            proof.check(proof.TlogProof(index, made.path, signed()), entries[index],
                        [signer().key])


def test_a_proof_is_spelled_as_published() -> None:
    """First line, index, path, an empty line, the checkpoint verbatim."""
    made = proof.TlogProof(1, (bytes(32), b"\x01" * 32), signed(), b"\x00\x01")
    lines = made.render().split("\n")
    assert ["c2sp.org/tlog-proof@v1", "extra AAE=", "index 1",
            base64.b64encode(bytes(32)).decode()] == lines[:4]
    assert "" == lines[5]
    assert made.render().endswith("\n\n" + signed().render())


@pytest.mark.parametrize("change", [
    ("proof@v1", "proof@v2"), ("index 1", "index 01"), ("index 1", "indx 1"), ("index 1\n", ""),
    ("extra AAE=", "extra AAE"), ("extra AAE=\n", "extra AAE=\nextra AAE=\n"),
    ("AAAAAAAAAA=\n", "AAAAAAAAA=\n"), ("\n\n", "\n", 1), ("index 1\n", "index 1\n" + "AA==\n"),
    ("index 1\n", "index 1\n" + (base64.b64encode(bytes(32)).decode() + "\n") * 63)])
def test_what_is_no_proof_is_refused(change: tuple[str, str]) -> None:
    """Other versions, numbers, hashes, too long a path."""
    made = proof.TlogProof(1, (bytes(32),), signed(), b"\x00\x01").render()
    assert change[0] in made
    with pytest.raises(Refused, match="tlog_"):
        proof.read(made.replace(*change))


def _policy(rest: str) -> str:
    return "\n".join([f"log {signer().key.vkey()}", *(
        f"witness W{number} {witness(number).key.vkey()} https://w{number}.example"
        for number in range(1, 6)), rest, ""])


@pytest.mark.parametrize(("rest", "enough", "too_few"), [
    ("quorum none", (), None),
    ("quorum W1", (1,), (2, 3)),
    ("# of three two\n group X 2 W1\tW2 W3 \nquorum X", (1, 3), (1, 4)),
    ("group X 2 W1 W2 W3\ngroup Y any W4 W5\ngroup Z all X Y\nquorum Z", (2, 3, 5), (1, 2, 3)),
])
def test_a_quorum_is_met_or_refused(rest: str, enough: tuple[int, ...],
                                    too_few: tuple[int, ...] | None) -> None:
    """By witnesses, groups, and groups of groups."""
    read = policy.read(_policy(rest))
    assert "https://w2.example" == read.urls["W2"]
    found, _ = read.check(witnessed(*enough))
    assert HEAD == found.head
    if too_few is not None:
        with pytest.raises(Refused, match="tlog_quorum"):
            read.check(witnessed(*too_few))


def test_a_policy_without_a_log_of_that_name_believes_nobody() -> None:
    """A witness's word is none about who the log is."""
    with pytest.raises(Refused, match="tlog_signature"):
        policy.read(f"witness W {witness(1).key.vkey()}\nquorum W\n").check(witnessed(1))


@pytest.mark.parametrize("rest", [
    "", "quorum W9", "quorum W1\nquorum W2", "group X 0 W1\nquorum X",
    "group X 3 W1 W2\nquorum X", "group X 2 W1 W1\nquorum X",
    "group X any W1\ngroup Y any W1\nquorum Y", "group X any\nquorum X",
    "group X any none\nquorum X", "group none any W1\nquorum none", "group W1 any W2\nquorum W1",
    "group X any Y\ngroup Y any W1\nquorum X", "quorum W1\r", "wittness W1", "quorum",
    f"log {signer().key.vkey()}\nquorum none", f"witness W6 {witness(1).key.vkey()}\nquorum none",
    f"witness W6 {signer('x').key.vkey()}\nquorum none",
    f"log {witness(7).key.vkey()}\nquorum none"])
def test_what_is_no_policy_is_refused(rest: str) -> None:
    """Unknown names, doubled members and keys, keys of the wrong kind, no quorum or two."""
    with pytest.raises(Refused, match="tlog_"):
        policy.read(_policy(rest))


def test_one_key_of_two_kinds_is_two_keys() -> None:
    """The kind is in the id: a cosignature key cannot be passed off as a log's."""
    assert Key("a", ED25519, bytes(32)).key_id != Key("a", COSIGNATURE, bytes(32)).key_id
