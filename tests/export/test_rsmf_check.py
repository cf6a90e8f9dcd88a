"""The checker of RSMF files: every code is found where it is broken, and nowhere else."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.export.rsmfcheck import FAILED, PASSED, Report, check, check_manifest
from search.export.rsmffindings import CODES, ERROR, LISTED_MAX
from tests.export.rsmffiles import MANIFEST, Parts, manifest, pack

OFFICIAL = Path(__file__).parents[3] / "shared" / "vectors" / "rsmf"
NAME = "talk.rsmf"


class Huge(bytes):
    """Bytes that say they are more than 2 GB."""

    def __len__(self) -> int:
        return 2_000_000_001


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """A file whose manifest was changed in one place."""
    said = manifest()
    change(said)
    return Parts(said=said).made()


def headed(**headers: str) -> bytes:
    """A file with other headers."""
    parts = Parts()
    parts.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
    return parts.made()


def damaged() -> bytes:
    """A zip in which one byte of a file is another."""
    said = manifest()
    said["events"][1]["attachments"][0]["size"] = 500
    parts = Parts()
    data = bytearray(pack([("a.txt", random.Random(7).randbytes(500)), ("ann.png", b""),
                           (MANIFEST, json.dumps(said).encode())]))
    data[60] ^= 1
    parts.packed = bytes(data)
    return parts.made()


def renamed(name: str) -> bytes:
    """A file of the zip under another name, and the manifest agrees."""
    said = manifest()
    said["events"][1]["attachments"][0]["id"] = name
    return Parts(said=said, files={"ann.png": b"", name: b"hello"}).made()


def alike() -> bytes:
    """Two names that differ in capital letters."""
    said = manifest()
    said["events"][1]["attachments"].append({"id": "A.TXT"})
    parts = Parts(said=said)
    parts.files["A.TXT"] = b""
    parts.headers["X-RSMF-AttachmentCount"] = "2"
    return parts.made()


def parentless(said: dict[str, Any]) -> None:
    """Its parent is in another conversation."""
    said["conversations"].append({"id": "C2", "platform": "sms", "participants": []})
    said["events"][0]["conversation"] = "C2"


def crowded(said: dict[str, Any]) -> None:
    """More events than a file should have."""
    said["events"] += [{"type": "message", "conversation": "C1",
                        "timestamp": "2026-05-14T08:02:00Z"}] * 10_000


# One file for each code, broken in that one way.
BROKEN: dict[str, Callable[[], bytes]] = {
    "eml_too_large": lambda: Huge(Parts().made()),
    "eml_unreadable": lambda: b"From: a\r\n\r\nno parts\r\n",
    "eml_text_missing": lambda: Parts(text=None).made(),
    "eml_attachments": lambda: Parts(more=[("avatar.png", b"x")]).made(),
    "eml_encoding": lambda: Parts().made().replace(
        b"Content-Transfer-Encoding: base64", b"Content-Transfer-Encoding: 8bit"),
    "eml_version_missing": lambda: headed(X_RSMF_Version=""),
    "eml_version_differs": lambda: changed(lambda said: said.update(version="2.0.1")),
    "eml_version_unknown": lambda: headed(X_RSMF_Version="1.0.0"),
    "eml_header_differs": lambda: headed(X_RSMF_EventCount="4"),
    "eml_date_differs": lambda: headed(Date="Thu, 14 May 2026 09:00:00 +0000"),
    "zip_unreadable": lambda: Parts(packed=b"PK no zip").made(),
    "zip_too_large": lambda: Parts(said=b" " * (300 << 20)).made(),
    "zip_damaged": damaged,
    "zip_name": lambda: renamed("folder/a.txt"),
    "zip_names_alike": alike,
    "zip_manifest_missing": lambda: Parts(packed=pack([("a.txt", b"hello")])).made(),
    "zip_attachment_missing": lambda: Parts(files={"ann.png": b""}).made(),
    "zip_picture_missing": lambda: Parts(files={"a.txt": b"hello"}).made(),
    "zip_file_unreferenced": lambda: Parts(files={
        "a.txt": b"hello", "ann.png": b"", "b.txt": b""}).made(),
    "zip_attachment_size": lambda: Parts(files={"a.txt": b"hell", "ann.png": b""}).made(),
    "json_unreadable": lambda: Parts(said=b"{'version': 2}").made(),
    "json_too_large": lambda: Parts(said=b"[" * 40 + b"]" * 40).made(),
    "json_name_twice": lambda: Parts(said=b'{"version": "2.0.0", "version": "2.0.0"}').made(),
    "json_mark": lambda: Parts(said=b"\xef\xbb\xbf" + json.dumps(manifest()).encode()).made(),
    "ManifestSchemaViolation": lambda: changed(lambda said: said["participants"][0].pop("id")),
    "ManifestUndefinedProperty": lambda: changed(
        lambda said: said["events"][0].update(attachment="a.png")),
    "ManifestInvalidConversationParticipant": lambda: changed(
        lambda said: said["conversations"][0]["participants"].append("P9")),
    "ManifestInvalidEventParticipant": lambda: changed(
        lambda said: said["events"][0].update(participant="P9")),
    "manifest_not_tried": lambda: changed(lambda said: said["events"][0].pop("type")),
    "manifest_conversation_unknown": lambda: changed(
        lambda said: said["events"][2].update(conversation="C9")),
    "manifest_custodian_unknown": lambda: changed(
        lambda said: said["conversations"][0]["participants"].remove("P2")),
    "manifest_id_twice": lambda: changed(lambda said: said["events"][2].update(id="1")),
    "manifest_parent_unknown": lambda: changed(parentless),
    "manifest_edit_order": lambda: changed(
        lambda said: said["events"][0]["edits"][1].update(timestamp="2026-05-14T08:00:30Z")),
    "manifest_edit_chain": lambda: changed(
        lambda said: said["events"][0]["edits"][1].update(previous="too")),
    "manifest_edit_body": lambda: changed(lambda said: said["events"][0].update(body="two")),
    "manifest_event_order": lambda: changed(lambda said: said["events"].insert(
        1, said["events"].pop(2))),
    "manifest_events_many": lambda: changed(crowded),
    "manifest_time_zone": lambda: changed(
        lambda said: said["events"][1].update(timestamp="2026-05-14T08:01:00")),
    "manifest_reaction_long": lambda: changed(
        lambda said: said["events"][0]["reactions"][0].update(value="x" * 31)),
    "not_reproducible": lambda: headed(X_RSMF_Generator="Counterfoil"),
}
# What cannot be broken alone: what else is said then.
ALSO = {
    "eml_version_unknown": {"eml_version_differs"}, "eml_too_large": set[str](),
    "ManifestSchemaViolation": {"manifest_not_tried"},
    "manifest_not_tried": {"ManifestSchemaViolation"},
    "manifest_events_many": {"eml_header_differs"},
}


def codes(report: Report) -> set[str]:
    """What was found."""
    return {one.code for one in report.findings}


def test_every_code_has_its_broken_file() -> None:
    """No rule is without the file that breaks it."""
    assert set(CODES) - {"eml_extension"} == set(BROKEN)


@pytest.mark.parametrize("code", BROKEN)
def test_what_is_broken_is_named(code: str) -> None:
    """Each fault is found, at its level and in its layer, and accused of nothing else."""
    report = check(BROKEN[code](), NAME)
    assert {code} | ALSO.get(code, set()) == codes(report)
    level, layer, words = CODES[code]
    for one in report.findings:
        if one.code == code:
            assert (level, layer) == (one.level, one.layer)
            assert one.words.startswith(words)
    worst = {CODES[found][0] for found in codes(report)}
    assert (report.verdict == FAILED) == (ERROR in worst)


def test_a_file_without_fault_passes() -> None:
    """Built by the standard library, it is accused of nothing, under any case of the extension."""
    for name in (NAME, "TALK.RSMF"):
        report = check(Parts().made(), name)
        assert ((), 3, PASSED) == (report.findings, report.events, report.verdict)


def test_another_extension_is_named() -> None:
    """The official validator refuses it, too."""
    assert {"eml_extension"} == codes(check(Parts().made(), "talk.eml"))


def test_a_base64_that_is_cut_is_named() -> None:
    """A download that broke off."""
    body = Parts().made()
    assert {"eml_encoding"} == codes(check(body[:body.index(b"UEsD") + 9], NAME))


@pytest.mark.parametrize("name", [
    "..", "a/b", "a\\b", "/a", "C:a", "a\nb", "x" * 256, "é" * 128])
def test_names_that_leave_the_folder_are_errors(name: str) -> None:
    """Whoever unpacks it writes no file elsewhere."""
    assert "zip_name" in codes(check(renamed(name), NAME))


@pytest.mark.parametrize(("time", "found"), [
    ("2026-05-14T08:01:00.5Z", set()), ("2026-05-14T10:01:00+02:00", set()),
    ("2026-05-14T08:01:00", {"manifest_time_zone"}),
    ("2026-05-14", {"ManifestSchemaViolation", "manifest_not_tried"}),
    ("2026-02-30T08:01:00Z", {"ManifestSchemaViolation", "manifest_not_tried"}),
    ("2026-05-14T08:01:00Z ", {"ManifestSchemaViolation", "manifest_not_tried"}),
    ("2026-05-14T08:01:60Z", set()),
    ("2026-05-14T08:01:00+99:00", {"ManifestSchemaViolation", "manifest_not_tried"}),
])
def test_times_are_those_of_rfc_3339(time: str, found: set[str]) -> None:
    """A time without a zone is a warning, what is no time an error."""
    assert found == codes(check(changed(
        lambda said: said["events"][1].update(timestamp=time)), NAME))


def test_an_edit_may_lack_what_was_never_captured() -> None:
    """Without the text before, and without the text after, a chain holds; with half of it not."""
    said = manifest()
    first, second = said["events"][0]["edits"]
    del first["previous"], first["new"], second["previous"]
    assert () == check(Parts(said=said).made(), NAME).findings
    second["previous"] = "two"
    assert {"manifest_edit_chain"} == codes(check(Parts(said=said).made(), NAME))


def test_of_many_faults_the_first_are_listed() -> None:
    """What is not listed is counted."""
    said = manifest()
    said["events"][1]["read_receipts"] = [{"participant": f"X{n}"} for n in range(250)]
    report = check(Parts(said=said).made(), NAME)
    assert LISTED_MAX + 1 == len(report.findings)
    assert "150 more like these" == report.findings[-1].words


def test_what_a_file_says_is_shown_as_ascii() -> None:
    """No name of a file's can move a cursor or turn a line around."""
    said = manifest()
    said["events"][0]["participant"] = "\x1b[2J\u202e" + "x" * 500 + "\ud800"
    for one in check(Parts(said=said).made(), NAME).findings:
        assert one.words.isascii() and one.words.isprintable() and len(one.words) < 300


WORDS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(WORDS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
    st.sampled_from(["id", "name", "type", "x"]), inner, max_size=2), max_leaves=4)


def places(said: Any) -> list[list[Any]]:
    """Every path in a value."""
    pairs = said.items() if isinstance(said, dict) else (
        enumerate(said) if isinstance(said, list) else ())
    return [[]] + [[key, *rest] for key, inner in pairs for rest in places(inner)]


@given(st.data())
def test_no_manifest_makes_it_stumble(data: st.DataObject) -> None:
    """Whatever stands in whatever place, it answers; and the answer is about that."""
    said: Any = [deepcopy(manifest())]
    path = [0, *data.draw(st.sampled_from(places(manifest())))]
    place = said
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = data.draw(VALUES)
    assert check_manifest(json.dumps(said[0]).encode()).verdict


GOOD = Parts().made()


@given(st.binary(max_size=200) | st.builds(
    lambda at, end, put: GOOD[:at] + put + GOOD[at + end:],
    st.integers(0, 3_000), st.integers(0, 200), st.binary(max_size=30)))
def test_no_bytes_make_it_stumble(body: bytes) -> None:
    """A file of a stranger's is judged, not obeyed."""
    assert check(body, NAME).verdict


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="the official samples are not here")
@pytest.mark.allowed_skip("the official samples lie beside the checkout, or not at all")
def test_the_official_samples_are_judged_as_they_should_be() -> None:
    """Sample 1 lacks an id, 4 has a number for one and a property that nobody knows, 3 has an
    attachment too many."""
    first = check_manifest((OFFICIAL / "Sample1" / MANIFEST).read_bytes())
    fourth = check_manifest((OFFICIAL / "Sample4" / MANIFEST).read_bytes())
    third = check((OFFICIAL / "Sample3" / "sample.rsmf").read_bytes(), "sample.rsmf")
    assert {"ManifestSchemaViolation", "manifest_not_tried"} == codes(first)
    assert {"ManifestSchemaViolation", "ManifestUndefinedProperty",
            "manifest_not_tried"} == codes(fourth)
    assert {"eml_attachments", "manifest_time_zone"} == codes(third)
    assert {FAILED} == {one.verdict for one in (first, third, fourth)}
    assert "participants/0" == first.findings[0].place


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="the official schema is not here")
@pytest.mark.allowed_skip("the official samples lie beside the checkout, or not at all")
def test_the_schema_is_the_official_one() -> None:
    """Byte for byte."""
    ours = Path(__file__).parents[2] / "search" / "export" / "rsmf_schema_2_0_0.json"
    assert (OFFICIAL / "rsmf_schema_2_0_0.json").read_bytes() == ours.read_bytes()
