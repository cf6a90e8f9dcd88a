"""Every verb's JSON, as the executable prints it for a firm whose week was captured."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator

from infra.demo.week import ANNA, BEN, CHEN, MARIA, OMAR, PHONE_IDS, week
from schemas import identity
from tests.e2e.installation import ROOT, SECRETS, Installation, wait_for
from tests.ingest.doorway import hub_headers
from tests.vendor import payloads

pytestmark = pytest.mark.slow

INTERFACE: Final = ROOT / "docs" / "interface"
START: Final = 1_763_000_000
NEVER_SEEN: Final = "wamid.NEVERSEEN"
TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")

# Golden: what stands in a line today must stand there for ever; new keys are added here.
HIT: Final = (
    "id", "channel", "kind", "conversation", "actor", "actor_type", "actor_name", "direction",
    "occurred_at", "captured_at", "state", "content_state", "text", "highlights", "earlier_text",
    "earlier_highlights", "version_count", "sighting_count", "attachments", "observations",
    "copies", "problem", "custodian", "custodian_assigned", "seen_by", "occurred_local",
    "occurred_not_before")
VERSION: Final = (
    "kind", "text", "actor", "actor_type", "actor_name", "occurred_at", "captured_at",
    "content_state", "target_known", "provenance", "observations", "attachments", "segment",
    "offset", "index", "retain_until", "sightings", "problem", "occurred_local",
    "occurred_not_before")
SIGHTING: Final = (
    "segment", "offset", "index", "captured_at", "retain_until", "differs", "text")
RELATED: Final = (
    "kind", "detail", "text", "actor", "actor_type", "actor_name", "occurred_at", "captured_at",
    "segment", "offset", "index", "problem")
CONTEXT: Final = (
    "id", "is_this", "kind", "actor", "actor_type", "actor_name", "direction", "occurred_at",
    "captured_at", "state", "text", "occurred_local")
GOLDEN: Final[Mapping[str, tuple[str, ...]]] = {
    "status": ("ok", "at", "running", "trial", "mode", "alarms", "parts", "accounts", "gaps",
               "gaps_open", "capture_unknown"),
    "verify": ("findings", "notes", "partitions", "segments", "cells", "events", "bytes",
               "earliest_unlock", "trial", "log", "ok"),
    "segment": ("key", "partition", "first", "last", "events", "sealed_at", "locked_until",
                "trial", "sha256"),
    "quarantine": ("id", "at", "door", "reason", "bytes", "file", "member"),
    "quarantine-replay": ("read", "still", "captured"),
    "rejected": ("sequence", "at", "door", "reason", "bytes"),
    "rejected-replay": ("accepted", "still_refused", "unopened"),
    "spool": ("count", "bytes", "oldest_at", "lanes"),
    "spool-recover": ("records", "events", "unopened"),
    "doctor": ("safe", "green", "checks", "coverage"),
    "explain": ("query", "total", "words", "is_checked", "mode", "tree"),
    "rebuild": ("index",),
    "keys-backup": ("file", "entries", "bytes", "outside"),
    "keys-check": ("ok", "absent", "different", "entries", "changed"),
    "keys-restore": ("restored", "entries", "left", "erased", "doubts"),
    "stack-down": ("stopped",),
    "directory": ("file", "exists", "digest", "classes", "custodians", "accounts", "conversations",
                  "groups", "matters", "notices", "exclusions"),
    "directory-check": ("ok", "file", "problems", "counts"),
    "assign": ("id", "channel", "account", "custodian", "from", "until"),
    "import": ("new", "known", "edits", "retractions", "repaired", "quarantined", "noted",
               "excluded", "resumed", "files_stored", "files_failed", "complete", "dry_run",
               "searchable", "files", "skipped"),
    "ledger-rebuild": ("events", "chats"),
    "leakage": ("corpus", "auxiliary", "splits", "conversations", "messages", "terms", "distinct",
                "left_out", "ceiling", "attacks"),
    "migrate": ("objects", "copied", "bytes", "keys", "documents", "topic", "bucket"),
}


def as_stated(name: str, line: Mapping[str, Any]) -> None:
    """The line is what its schema says."""
    schema = json.loads((INTERFACE / f"{name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(line)


def golden(name: str, line: Mapping[str, Any]) -> None:
    """The line is what its schema says, with exactly the keys that it had on the first day."""
    as_stated(name, line)
    assert GOLDEN[name] == tuple(line)


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running firm whose week is captured and searchable, and one retraction of a message that
    nobody ever saw."""
    firm = Installation(tmp_path_factory.mktemp("firm") / "home")
    firm.write_directory()
    with firm.running():
        firm.play(week(SECRETS, START))
        metadata = {"display_phone_number": ANNA, "phone_number_id": PHONE_IDS[ANNA]}
        body = payloads.meta(payloads.envelope(payloads.change("messages", {
            "messaging_product": "whatsapp", "metadata": metadata,
            "contacts": [payloads.contact("Maria Souza", MARIA)], "messages": [{
                "from": MARIA, "id": "wamid.ORPHAN", "timestamp": str(START), "type": "revoke",
                "revoke": {"original_message_id": NEVER_SEEN}}]})))
        headers = hub_headers(body, SECRETS.whatsapp_app_secret.encode())
        assert firm.post("/hooks/whatsapp", body, headers) == 200
        inside = firm.inside()
        inside.await_documents([inside.document_id("whatsapp", f"+{ANNA}", NEVER_SEEN)])
        yield firm


@pytest.fixture(scope="module")
def hits(firm: Installation) -> list[dict[str, Any]]:
    """Everything that a search can answer with."""
    return firm.cli("search", "kind:message OR kind:edit OR kind:retraction OR kind:unknown",
                    "--json", "--limit", "1000").rows()


def only(firm: Installation, query: str) -> dict[str, Any]:
    """The one answer of a search."""
    return firm.cli("search", query, "--json").row()


def test_every_line_of_a_search_is_as_stated(hits: list[dict[str, Any]]) -> None:
    """One object a line, with the keys of the first day, as docs/interface says."""
    assert len(hits) > 200
    for line in hits:
        as_stated("hit", line)
        assert tuple(line) == HIT


def test_ids_and_times_have_their_form(hits: list[dict[str, Any]]) -> None:
    """Ids are 32 hex digits, times RFC 3339 UTC with milliseconds, or null where there is none."""
    assert len(hits) == len({line["id"] for line in hits})
    for line in hits:
        assert re.fullmatch("[0-9a-f]{32}", line["id"])
        assert TIME.fullmatch(line["captured_at"])
        assert line["occurred_at"] is None or TIME.fullmatch(line["occurred_at"])
    assert {line["occurred_at"] is None for line in hits if line["channel"] == "sms"} == {True}


def test_ids_say_nothing_about_who_and_what(hits: list[dict[str, Any]]) -> None:
    """No id or time holds a phone number, and none is the plain hash of anything guessable."""
    guesses = set()
    for number in (ANNA, BEN, CHEN, MARIA, OMAR):
        for spelled in (number, f"+{number}", f"whatsapp:+{number}"):
            guesses.add(spelled)
            guesses |= {identity.pair(spelled, other) for other in (f"+{ANNA}", f"+{BEN}")}
    guesses |= {line["text"] for line in hits if line["text"]} | {NEVER_SEEN}
    keys = {identity.key_of("whatsapp", f"+{ANNA}", NEVER_SEEN).hex()}
    hashes = keys | {hashlib.new(name, guess.encode()).hexdigest()
                     for name in ("md5", "sha1", "sha256", "sha512", "blake2b")
                     for guess in guesses}
    for line in hits:
        for name in ("id", "conversation", "occurred_at", "captured_at"):
            found = line[name] or ""
            assert not any(number in found for number in (ANNA, BEN, CHEN, MARIA, OMAR))
            assert not any(one.startswith(found) for one in hashes) or not found


def test_a_retracted_message_is_shown_with_all_its_versions(firm: Installation) -> None:
    """Text, retraction, who, when, how each is known, and where each lies."""
    found = only(firm, "cousin state:retracted")
    shown = firm.cli("show", found["id"], "--json").row()
    as_stated("message", shown)
    assert tuple(shown) == (*HIT, "versions", "related", "context", "files", "flags")
    said, withdrawn = shown["versions"]
    assert (tuple(said), tuple(withdrawn)) == (VERSION, VERSION)
    assert [tuple(one) for one in said["sightings"]] == [SIGHTING]
    assert (said["kind"], withdrawn["kind"]) == ("message", "retraction")
    assert said["text"] == shown["text"] == found["text"]
    assert withdrawn["text"] is None and withdrawn["target_known"] == "explicit"
    assert (said["actor"], withdrawn["actor"]) == (f"+{OMAR}", f"+{OMAR}")
    assert said["occurred_at"] < withdrawn["occurred_at"]
    for one in (said, withdrawn):
        assert one["provenance"] == "provider_signed" and one["content_state"]
        assert one["segment"].startswith("segments/") and one["segment"].endswith(".avro")
        assert isinstance(one["offset"], int)
        assert TIME.fullmatch(one["captured_at"]) and TIME.fullmatch(one["retain_until"])
    assert all(tuple(line) == CONTEXT for line in shown["context"])
    assert [line["is_this"] for line in shown["context"]].count(True) == 1


def test_an_edited_message_is_shown_with_what_happened_to_it(firm: Installation) -> None:
    """Both wordings are found, the current one is shown, and receipts and reactions stand by."""
    found = only(firm, '"12 March"')
    assert found["id"] == only(firm, '"21 March"')["id"]
    assert found["state"] == "edited" and found["version_count"] == 2
    assert "21 March" in found["text"] and "12 March" in found["earlier_text"]
    shown = firm.cli("show", found["id"], "--json", "--around", "0").row()
    as_stated("message", shown)
    assert ["message", "edit"] == [one["kind"] for one in shown["versions"]]
    assert {"receipt", "reaction"} == {one["kind"] for one in shown["related"]}
    assert all(tuple(one) == RELATED for one in shown["related"])


def test_a_tombstone_whose_text_was_never_captured_says_so(firm: Installation) -> None:
    """State retracted, content absent by the source, and no invented text."""
    doc_id = firm.inside().document_id("whatsapp", f"+{ANNA}", NEVER_SEEN)
    (found,) = [one for one in firm.cli("search", "state:retracted", "--json").rows()
                if one["id"] == doc_id]
    assert (found["state"], found["content_state"], found["text"]) == (
        "retracted", "absent_by_source", None)
    assert (found["kind"], found["version_count"]) == ("retraction", 1)
    assert found["actor"] == f"+{MARIA}"


def test_a_query_is_explained(firm: Installation) -> None:
    """One object: the tree, what its patterns stand for, what each part finds; it is a look."""
    (firm.home / "lists").mkdir(exist_ok=True)
    (firm.home / "lists" / "money.txt").write_text("# money\ndepos*\n\"bank account\"\n", "utf-8")
    query = "@money NOT (cousin w/5 state) direction:in"
    told = firm.cli("search", query, "--explain", "--json").row()
    golden("explain", told)
    assert told["query"] == query
    assert told["total"] == len(firm.cli("search", query, "--json", "--limit", "1000").rows())
    listed, without, direction = told["tree"]["steps"]
    assert ["or", "not", "fact"] == [one["kind"] for one in (listed, without, direction)]
    (pattern,) = listed["steps"][0]["patterns"]
    assert "depos*" == pattern["written"] and "deposit" in pattern["samples"]
    assert told["words"] == pattern["words"] and listed["steps"][0]["documents"]
    screen = firm.cli("search", query, "--explain").out
    assert "any of the 2 lines of @money" in screen and "depos* = " in screen
    assert firm.cli("search", "@nothing", "--explain", code=2).out == ""


def test_nothing_found_is_an_answer(firm: Installation) -> None:
    """Exit 0 and not a line, with and without --json."""
    assert firm.cli("search", "xylophone", "--json").out == ""
    assert "nothing found" in firm.cli("search", "xylophone").out


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_an_unreadable_query_points_at_the_character(firm: Installation,
                                                     form: tuple[str, ...]) -> None:
    """Exit 2; on stderr the query, and a ^ under the character; nothing on stdout."""
    query = "deposit AND (account"
    answer = firm.cli("search", query, *form, code=2)
    lines = answer.err.splitlines()
    assert answer.out == ""
    at = lines.index(query)
    assert lines[at + 1] == " " * query.index("(") + "^"
    assert lines[at + 2]


def test_an_unknown_field_points_at_it(firm: Installation) -> None:
    """A typing error in a field's name is an error, not a search for something else."""
    answer = firm.cli("search", "deposit form:maria", "--json", code=2)
    assert answer.err.splitlines()[1] == " " * len("deposit ") + "^"


@pytest.mark.parametrize("wrong", ["0" * 32, "not an id", "ABCDEF" * 6])
def test_show_of_an_unknown_id_fails_and_says_so(firm: Installation, wrong: str) -> None:
    """Not 0, nothing on stdout, one sentence on stderr."""
    answer = firm.cli("show", wrong, "--json", code=None)
    assert answer.code not in (0, 1) and answer.out == ""
    assert answer.err.startswith("counterfoil: ") and "id" in answer.err


def test_pages_join_to_the_whole(firm: Installation, hits: list[dict[str, Any]]) -> None:
    """--limit bounds a page, its cursor on stderr leads to the next: nothing twice or left out."""
    paged: list[str] = []
    cursor: tuple[str, ...] = ()
    query = "kind:message OR kind:edit OR kind:retraction OR kind:unknown"
    while True:
        answer = firm.cli("search", query, "--json", "--limit", "110", *cursor)
        rows = answer.rows()
        paged += [row["id"] for row in rows]
        following = re.search(r"--cursor (\S+)", answer.err)
        if following is None:
            break
        assert len(rows) == 110
        cursor = ("--cursor", following.group(1))
    assert [row["id"] for row in hits] == paged
    assert firm.cli("search", query, "--json", "--cursor", "no cursor", code=65).out == ""


def test_whoever_looks_is_recorded(firm: Installation) -> None:
    """A search and a view are events in the same archive, found a moment later."""
    found = only(firm, "cousin OR (curtains conversation:0000000000000000)")
    firm.cli("show", found["id"], "--json")
    inside = firm.inside()

    wanted = {("search", found["id"]), ("view", found["id"])}

    def recorded() -> bool:
        seen = {(event.detail("action"), event.detail("document") or event.detail("shown"))
                for _, event in inside.events() if event.kind == "audit"
                if event.text is None or "curtains" in event.text}
        return wanted <= seen

    wait_for(recorded, "both looks archived")
    for line in firm.cli("search", "kind:audit", "--json", "--limit", "1000").rows():
        as_stated("hit", line)
        assert line["kind"] == "audit" and line["state"] is None


def test_searching_needs_no_pause_of_the_writer(firm: Installation) -> None:
    """While requests come in without a break, every search answers and every request is taken."""
    statuses: list[int] = []
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            body = payloads.messages(payloads.text(f"wamid.BUSY{number}", f"busy line {number}"))
            headers = hub_headers(body, SECRETS.whatsapp_app_secret.encode())
            statuses.append(firm.post("/hooks/whatsapp", body, headers))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = [len(firm.cli("search", "deposit", "--json").rows()) for _ in range(4)]
    finally:
        stop.set()
        writer.join()
    assert set(statuses) == {200} and len(statuses) > 4
    assert len(set(found)) == 1 and found[0] > 0


def test_quarantine_lists_what_could_not_be_read(firm: Installation) -> None:
    """One object a line with the reason; never a word of the content."""
    (line,) = firm.cli("quarantine", "list", "--json").rows()
    golden("quarantine", line)
    assert (line["door"], line["reason"]) == ("whatsapp", "id is not a string")
    done = firm.cli("quarantine", "replay", line["id"], "--json").row()
    golden("quarantine-replay", done)
    assert done == {"read": 0, "still": 1, "captured": 0}


def test_rejected_requests_are_listed(firm: Installation) -> None:
    """What failed its check is kept and named, and fails again with the same secret."""
    (line,) = firm.cli("rejected", "list", "--json").rows()
    golden("rejected", line)
    done = firm.cli("rejected", "replay", "--json").row()
    golden("rejected-replay", done)
    assert done == {"accepted": 0, "still_refused": 1, "unopened": 0}


def test_status_names_every_alarm(firm: Installation) -> None:
    """Exit 1 while one is active; each with its code, since when, and what."""
    line = firm.cli("status", "--json", code=1).row()
    golden("status", line)
    assert not line["ok"] and line["running"]
    assert {"rejected_requests", "quarantine_waiting", "edit_without_content"} <= {
        alarm["code"] for alarm in line["alarms"]}
    assert {"gateway", "archiver", "indexer", "notary", "run"} == {
        part["role"] for part in line["parts"]}


def test_segments_are_listed_with_their_locks(firm: Installation) -> None:
    """Each with what it covers and until when it is locked."""
    lines = firm.cli("segments", "--json").rows()
    assert lines
    for line in lines:
        golden("segment", line)
        assert line["sealed_at"] < line["locked_until"]


def test_the_other_verbs_print_what_they_state(firm: Installation, tmp_path: Path) -> None:
    """doctor, spool, keys, rebuild and stack: one object each, with the keys of the first day."""
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse battery staple")
    backup = ("--passphrase-file", str(passphrase), "--json")
    file = str(tmp_path / "keys.cfkb")
    for name, arguments in {
        "doctor": ("doctor", "--json"),
        "spool": ("spool", "list", "--json"),
        "spool-recover": ("spool", "recover", "--json"),
        "keys-backup": ("keys", "backup", file, *backup),
        "keys-check": ("keys", "check", file, *backup),
        "keys-restore": ("keys", "restore", file, *backup),
        "rebuild": ("rebuild", "--json"),
        "stack-down": ("stack", "down", "--json"),
        "directory": ("directory", "show", "--json"),
        "directory-check": ("directory", "check", "--json"),
    }.items():
        golden(name, firm.cli(*arguments).row())


def test_search_answers_the_same_after_a_rebuild(firm: Installation) -> None:
    """The index was made anew while everything ran, and the phrase is still found."""
    before = only(firm, '"new account"')
    firm.cli("rebuild", "--json")
    assert before == only(firm, '"new account"')


def test_an_account_of_nobodys_is_given_to_a_custodian(firm: Installation) -> None:
    """Its messages are unassigned, then found and shown under the custodian, also after a rebuild;
    who decided it is recorded, and a decision on nobody is refused."""
    body = payloads.messages(payloads.text("wamid.NOBODYS", "pineapple for nobody"))
    assert firm.post("/hooks/whatsapp", body,
                     hub_headers(body, SECRETS.whatsapp_app_secret.encode())) == 200
    wait_for(lambda: bool(firm.cli("search", "pineapple", "--json").rows()), "it is searchable")
    before = only(firm, "pineapple")
    assert (before["custodian"], before["custodian_assigned"]) == (None, False)
    told = ("assign", "--channel", "whatsapp", "--account", f"+{payloads.FIRM}", "--reason",
            "Ben's second phone", "--json", "--custodian")
    assert firm.cli(*told, "nobody", code=65).out == ""
    decided = firm.cli(*told, "ben.okafor").row()
    golden("assign", decided)
    wait_for(lambda: bool(firm.cli("search", "pineapple to:ben.okafor", "--json").rows()),
             "the decision is indexed")
    after = only(firm, "pineapple with:ben.okafor")
    as_stated("hit", after)
    assert {name for name in after if after[name] != before[name]} == {
        "custodian", "custodian_assigned"}
    assert (after["custodian"], after["custodian_assigned"]) == ("ben.okafor", True)
    assert firm.cli("show", after["id"], "--json").row()["custodian"] == "ben.okafor"
    assert firm.cli("show", decided["id"], "--json").row()["text"] == "Ben's second phone"
    firm.cli("rebuild", "--json")
    assert after == only(firm, "pineapple with:ben.okafor")


def test_an_import_is_summed_up(firm: Installation, tmp_path: Path) -> None:
    """One object, the six counts first, searchable beside `run`; and again nothing is new."""
    path = tmp_path / "WhatsApp Chat with Ada.txt"
    path.write_text("18/03/2024, 14:56 - Ada: quinces\n18/03/2024, 14:57 - Ben: pears\n", "utf-8")
    told = ("import", str(path), "--me", "Ben", "--zone", "Europe/Berlin", "--json")
    line = firm.cli(*told).row()
    golden("import", line)
    assert (line["new"], line["known"], line["searchable"], line["complete"]) == (2, 0, True, True)
    assert only(firm, "quinces")["text"] == "quinces"
    again = firm.cli(*told).row()
    golden("import", again)
    assert (again["new"], again["known"]) == (0, 2)
    rebuilt = firm.cli("ledger", "rebuild", "--json").row()
    golden("ledger-rebuild", rebuilt)
    assert rebuilt == {"events": 2, "chats": 1}
    assert firm.cli(*told).row()["known"] == 2


def test_what_the_archive_leaks_is_recorded_and_said_in_shares(firm: Installation) -> None:
    """One object of numbers about the firm's own texts, none of their words; recorded before."""
    told = firm.cli("leakage", "--archive", "--splits", "2", "--json").row()
    golden("leakage", told)
    assert ("the archive", None) == (told["corpus"], told["auxiliary"])
    assert told["messages"] >= 200
    assert all(one["occurrences"]["high"] == 0 for one in told["attacks"] if one["mode"] == "none")
    inside = firm.inside()
    wait_for(lambda: any(event.kind == "audit" and event.detail("action") == "leakage"
                         for _, event in inside.events()), "the measurement is recorded")
    assert firm.cli("leakage", "--archive", "--corpus", "talk.txt", code=65).out == ""


def test_the_log_and_what_is_known_of_a_period_are_said(firm: Installation,
                                                        tmp_path: Path) -> None:
    """`log status`, and a statement that is written, printed and true when it is checked."""
    wait_for(lambda: firm.cli("log", "status", "--json", code=None).code == 0, "the log is up")
    as_stated("log-status", firm.cli("log", "status", "--json", code=None).row())
    out = tmp_path / "statement.json"
    said = firm.cli("coverage", "--from", "2020-01-01", "--channel", "whatsapp", "--out", str(out),
                    "--json", code=1).row()
    as_stated("coverage", said)
    assert said["verdict"] in ("not_watched", "gaps")
    assert json.loads(out.read_text("utf-8")) == said
    checked = firm.cli("coverage", "--check", str(out), "--json").row()
    as_stated("coverage-check", checked)
    assert checked["ok"]
