"""`leakage`: the files it reads, the act that it records, and what it says."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from infra.config import load
from infra.verbs import leakage
from infra.verbs.leakage import Wanted
from infra.wire import Wire
from schemas import events
from schemas.errors import Missing, Refused, Transient
from search.audit import Auditor
from search.leakage import Corpus
from tests.runtime.test_acts import recorded

TEXTS = [[f"line {number} of {talk}" for number in range(3)] for talk in range(30)]


def terms(found: Corpus) -> set[tuple[tuple[str, ...], ...]]:
    """The conversations, in no order."""
    return set(found.conversations)


def expected() -> set[tuple[tuple[str, ...], ...]]:
    """The terms of TEXTS."""
    return {tuple(tuple(text.split()) for text in talk) for talk in TEXTS}


def jsonl() -> bytes:
    """TEXTS, an object a line."""
    return "\n".join(json.dumps({"conv": f"c{number}", "text": text}) for number, talk in
                     enumerate(TEXTS) for text in talk).encode()


def plain() -> bytes:
    """TEXTS, a message a line, an empty line between conversations."""
    return "\n\n".join("\n".join(talk) for talk in TEXTS).encode()


@pytest.mark.parametrize(("name", "body"), [
    ("talk.jsonl", jsonl()), ("talk.jsonl.gz", gzip.compress(jsonl(), mtime=0)),
    ("talk.txt", plain()), ("talk.txt.gz", gzip.compress(plain(), mtime=0)), ("talk", plain()),
])
def test_a_corpus_is_read_from_files(tmp_path: Path, name: str, body: bytes) -> None:
    """Each form gives the same conversations, and a name without its folder."""
    path = tmp_path / name
    path.write_bytes(body)
    found = leakage.of_files([path])
    assert expected() == terms(found)
    assert name == found.name


def test_files_keep_their_conversations_apart(tmp_path: Path) -> None:
    """The same name of a conversation in two files is two conversations; languages are, too."""
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_bytes(b"\n".join(
            json.dumps({"conv": "1", "lang": lang, "text": f"{lang} {number}"}).encode()
            for lang in ("en", "de") for number in range(20)))
    found = leakage.of_files([tmp_path / "a.jsonl", tmp_path / "b.jsonl"])
    assert [20] * 4 == [len(one) for one in found.conversations]


@pytest.mark.parametrize(("name", "body", "said"), [
    ("a.jsonl", b'{"text": "hello"}\n{"text": 1}', "line 2"),
    ("a.jsonl", b"[]", "line 1"), ("a.jsonl", b"{", "line 1"),
    ("a.txt", b"hello\n\xff\n", "line 2"), ("a.txt.gz", b"no gzip", "not a whole"),
    ("a.txt.gz", gzip.compress(plain(), mtime=0)[:60], "not a whole"),
])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str, body: bytes,
                                               said: str) -> None:
    """With the file and the line, never the content."""
    path = tmp_path / name
    path.write_bytes(body)
    with pytest.raises(Refused, match=said) as raised:
        leakage.of_files([path])
    assert name in str(raised.value) and "hello" not in str(raised.value)


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(Missing, match=r"nothing\.txt"):
        leakage.of_files([tmp_path / "nothing.txt"])


def test_the_measurement_is_one_object_of_shares(tmp_path: Path,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    """For machines; and a table for people, which names every attack."""
    path = tmp_path / "talk.txt"
    path.write_bytes(plain())
    wanted = Wanted([path], [], archive=False, splits=2)
    assert 0 == leakage.leakage(None, wanted, json=True)
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert ("talk.txt", None, 2, 30, 90) == tuple(
        said[name] for name in ("corpus", "auxiliary", "splits", "conversations", "messages"))
    for one in said["attacks"]:
        assert 0 <= one["messages"]["low"] <= one["messages"]["mean"] <= one["messages"]["high"]
    assert 0 == leakage.leakage(None, Wanted([path], [path], archive=False, splits=2), json=False)
    shown = " ".join(capsys.readouterr().out.split())
    assert "the thief has talk.txt, and no key" in shown and "no words in the index" in shown


def test_reading_the_archive_is_recorded_first(tmp_path: Path) -> None:
    """The act is on the log before a text is read, here of an archive that has none."""
    wire = Wire(load(tmp_path / "home"))
    wire.provision_once()
    with pytest.raises(Refused, match="the archive: 0 messages"):
        leakage.leakage(wire, Wanted([], [], archive=True, splits=2), json=True)
    event, _heartbeat = recorded(wire)
    assert (event.kind, event.detail("action")) == (events.AUDIT, "leakage")


def test_what_cannot_be_recorded_is_not_read(tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the log nothing is measured on the archive."""
    def down(*_: object) -> None:
        raise Transient("the log is down")

    def never(*_: object) -> None:
        raise AssertionError("the archive was read")

    wire = Wire(load(tmp_path / "home"))
    wire.provision_once()
    monkeypatch.setattr(Auditor, "record", down)
    monkeypatch.setattr(leakage, "archived", never)
    with pytest.raises(Transient, match="the log is down"):
        leakage.leakage(wire, Wanted([], [], archive=True, splits=2), json=True)


def test_archive_and_files_are_two_measurements(tmp_path: Path) -> None:
    """Asked for both, it asks back."""
    with pytest.raises(Refused, match="one at a time"):
        leakage.leakage(None, Wanted([tmp_path], [], archive=True, splits=2), json=True)
