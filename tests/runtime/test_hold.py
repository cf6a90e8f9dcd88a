"""Legal holds on a data folder: from a hold to its release, and what the store is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archive.heldcheck import SETTLE_MS
from infra.carry import carry
from infra.config import load
from infra.disposition_who import Identity
from infra.holds import verifying
from infra.verbs import hold as verbs
from infra.verbs.account import Given, add
from infra.verbs.hold import Wanted
from infra.wire import Wire
from ingest.own import directory_event
from schemas import events
from schemas.errors import CounterfoilError, Missing, QueryError, Refused, Transient
from schemas.events import CapturedEvent
from schemas.events import Identity as Party
from search.follow import compare, rebuild
from tests.conftest import ElasticsearchServer, S3Server
from tests.e2e.installation import unique_name
from tests.interface.test_json import as_stated
from tests.runtime.test_acts import recorded
from tests.runtime.test_disposition_verbs import ACCESS, PASSWORD
from tests.search.access.signin_world import FAST

Verb = Callable[..., list[dict[str, Any]]]
DIRECTORY = """
[[custodian]]
id = "asmith"
name = "Alice Smith"

[[custodian]]
id = "bjones"
name = "Bob Jones"

[[account]]
channel = "sms"
account = "+15550100001"
custodian = "asmith"

[[account]]
channel = "sms"
account = "+15550100002"
custodian = "bjones"

[[matter]]
id = "4711"
name = "Doe v. Roe"
custodians = ["bjones"]
"""


@pytest.fixture
def wire(tmp_path: Path) -> Wire:
    """An embedded system with two custodians."""
    made = Wire(load(tmp_path / "home"))
    made.provision_once()
    (made.home / "directory.toml").write_text(DIRECTORY, "utf-8")
    return made


def other(wire: Wire) -> Wire:
    """The same data folder, as another person works on it."""
    search = wire.config.search.model_copy(update={"operator": "second"})
    return replace(wire, config=wire.config.model_copy(update={"search": search}))


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Verb:
    """What a verb prints with --json."""
    def run(verb: Callable[..., int], *said: Any, code: int = 0, **more: Any) -> list[
            dict[str, Any]]:
        capsys.readouterr()
        assert verb(*said, json=True, **more) == code
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return run


def text(account: str, words: str, number: int, **changes: Any) -> CapturedEvent:
    """A message on an account."""
    at = 1_777_593_600_000 + number * 1000          # 2026-05-01
    made = CapturedEvent(
        kind="message", channel="sms", source="twilio/1", account=f"+1555{account}",
        conversation=f"pair:{account}|{number}", captured_at=at, occurred_at=at,
        native_id=f"SM{account}{number}", text=words, provenance=events.PROVIDER_SIGNED)
    return replace(made, **changes)


def arrive(wire: Wire, *said: CapturedEvent) -> None:
    """Captured, as a command does it where nothing runs."""
    with closing(wire.capture_log()) as log:
        wire.recorder("gateway", log).record_all(said)
    carry(wire, lambda _said: None)


def alice(number: int, words: str = "hello", **changes: Any) -> CapturedEvent:
    """One of hers."""
    return text("0100001", words, number, custodian="asmith", **changes)


def bob(number: int, words: str = "hello", **changes: Any) -> CapturedEvent:
    """One of his."""
    return text("0100002", words, number, custodian="bjones", **changes)


def held(wire: Wire) -> set[str]:
    """The objects that the store holds."""
    return {one.key for prefix in ("segments/", "media/") for one in wire.store.versions(prefix)
            if wire.store.lock(one.key, one.version_id).legal_hold}


def segments(wire: Wire) -> list[str]:
    """The segments, in order."""
    return [one.key for one in wire.store.versions("segments/")]


def missing(wire: Wire, later_ms: int = 2 * SETTLE_MS) -> list[str]:
    """What `verify` says of holds, when the dust has settled."""
    report = wire.verifier(lambda _done, _key: None).run(
        wire.clock() + later_ms, sources=verifying(wire))
    return [one.where for one in report.findings if one.code == "hold_missing"]


def placed(wire: Wire, lines: Verb, **wanted: Any) -> str:
    """A hold's id."""
    (said,) = lines(verbs.place, wire, "Doe v. Roe", "letter of 3 May", Wanted(**wanted))
    assert (said["state"], said["name"]) == ("in_force", "Doe v. Roe")
    as_stated("hold", said)
    return str(said["id"])


def test_from_a_hold_to_its_release(wire: Wire, lines: Verb) -> None:
    """What is there and what comes is held by the store; one person ends nothing; two do. Every
    look and act is on record."""
    arrive(wire, alice(1))
    arrive(wire, bob(1))
    first, his = segments(wire)[0], segments(wire)[1]
    hold = placed(wire, lines, custodians=["asmith"])
    assert first in held(wire) and his not in held(wire)
    arrive(wire, alice(2))
    arrive(wire, bob(2))
    new = segments(wire)[-2:]
    assert new[0] in held(wire) and new[1] not in held(wire)
    assert missing(wire) == []
    (asked,) = lines(verbs.release, wire, hold, "settled", grant=False, refuse=False)
    assert asked["state"] == "release_asked"
    with pytest.raises(Refused, match="second person"):
        verbs.release(wire, hold, "me too", grant=True, refuse=False, json=True)
    with pytest.raises(Refused, match="waits already"):
        verbs.release(wire, hold, "again", grant=False, refuse=False, json=True)
    assert first in held(wire)
    (done,) = lines(verbs.release, other(wire), hold, "agreed", grant=True, refuse=False)
    assert done["state"] == "released" and len(done["history"]) == 3
    as_stated("hold", done)
    assert held(wire) == set() and missing(wire) == []
    arrive(wire, alice(3))
    assert held(wire) == set()
    assert lines(verbs.listing, wire, every=False) == []
    assert [one["id"] for one in lines(verbs.listing, wire, every=True)] == [hold]
    assert [one.detail("action") for one in recorded(wire) if one.kind == events.HOLD] == [
        "placed", "release_asked", "release_granted"]
    assert "holds_listed" in [one.detail("action") for one in recorded(wire)
                              if one.kind == events.AUDIT]


def test_a_request_is_refused_and_made_again(wire: Wire, lines: Verb) -> None:
    """A refusal ends the request, not the hold; then the other may ask and the first grant."""
    arrive(wire, alice(1))
    hold = placed(wire, lines, custodians=["asmith"])
    lines(verbs.release, wire, hold, "settled", grant=False, refuse=False)
    (said,) = lines(verbs.release, other(wire), hold, "not yet", grant=False, refuse=True)
    assert said["state"] == "in_force"
    with pytest.raises(Refused, match="nobody has asked"):
        verbs.release(wire, hold, "because", grant=True, refuse=False, json=True)
    lines(verbs.release, other(wire), hold, "now", grant=False, refuse=False)
    (done,) = lines(verbs.release, wire, hold, "yes", grant=True, refuse=False)
    assert done["state"] == "released" and held(wire) == set()
    with pytest.raises(Refused, match="released already"):
        verbs.release(wire, hold, "again", grant=False, refuse=False, json=True)


@pytest.mark.parametrize(("wanted", "mine", "his"), [
    ({"custodians": ["asmith", "bjones"]}, True, True),
    ({"matters": ["4711"]}, False, True),
    ({"conversations": ["pair:0100002|1"]}, False, True),
    ({"query": "secret AND plan"}, True, False),
    ({"query": "sec*", "custodians": ["bjones"]}, False, False),
    ({"since": "2026-05-20", "until": "2026-05-21"}, True, True),
    ({"since": "2026-06-01"}, False, False),
])
def test_each_kind_of_scope(wire: Wire, lines: Verb, wanted: dict[str, Any], mine: bool,
                            his: bool) -> None:
    """Whatever it is made of: the objects concerned, no others; later ones too; verify agrees."""
    arrive(wire, alice(1, "the secret plan"))
    arrive(wire, bob(1))
    one, two = segments(wire)[:2]
    (before,) = lines(verbs.simulate, wire, Wanted(**wanted))
    as_stated("hold-simulate", before)
    assert held(wire) == set()
    placed(wire, lines, **wanted)
    assert (one in held(wire), two in held(wire)) == (mine, his)
    assert before["objects"] == mine + his and before["requests"] == mine + his
    assert len(before["domains"]) == mine + his
    arrive(wire, alice(2))
    assert (segments(wire)[-1] in held(wire)) == mine    # the same person and month
    assert missing(wire) == []


def test_what_came_late_is_held_by_when_it_was_written(wire: Wire, lines: Verb) -> None:
    """A chat that was imported years later lies in the month of its import, and in the period."""
    late = alice(1, provenance=events.CUSTODIAN_SUPPLIED,
                 captured_at=1_780_272_000_000 + 86_400_000)
    arrive(wire, late)
    placed(wire, lines, since="2026-05-01", until="2026-05-31")
    assert segments(wire)[0] in held(wire)


def test_a_matter_holds_all_that_it_ever_was(wire: Wire, lines: Verb) -> None:
    """Somebody who is taken out of the matter stays held; one who comes is held from then on."""
    arrive(wire, directory_event(wire.directory(), wire.clock()), bob(1))
    arrive(wire, alice(1))
    placed(wire, lines, matters=["4711"])
    his, mine = segments(wire)[:2]
    path = wire.home / "directory.toml"
    path.write_text(path.read_text("utf-8").replace('["bjones"]', '["asmith"]'), "utf-8")
    carry(wire, lambda _said: None)
    assert his in held(wire) and mine in held(wire)
    path.write_text(path.read_text("utf-8").replace('id = "4711"', 'id = "4712"'), "utf-8")
    lines(verbs.apply, wire, again=False)
    assert his in held(wire)                      # the archive knows the matter


def test_holds_survive_a_rebuild_and_the_loss_of_the_notes(wire: Wire, lines: Verb) -> None:
    """A new index says the same of every hold; without its notes the store is brought to the same
    state, also where a hold ended meanwhile."""
    arrive(wire, alice(1))
    arrive(wire, bob(1))
    mine, his = (placed(wire, lines, custodians=[one]) for one in ("asmith", "bjones"))
    listed = lines(verbs.listing, wire, every=True)
    before = held(wire)
    indexes = wire.indexes()
    live = indexes.open(indexes.current() or "")
    fresh = indexes.open(rebuild(wire.reader(), indexes, wire.projector()))
    assert list(compare(live, fresh)) == []
    assert lines(verbs.listing, wire, every=True) == listed
    lines(verbs.apply, wire, again=False)
    assert held(wire) == before
    lines(verbs.release, wire, his, "settled", grant=False, refuse=False)
    with pytest.MonkeyPatch.context() as patch:
        # The granted release is on the log; the store was not told before the notes were lost.
        patch.setattr("infra.holdwatch.HoldWatch.look", lambda *_a, **_k: False)
        lines(verbs.release, other(wire), his, "agreed", grant=True, refuse=False)
    assert before <= held(wire)
    for path in (wire.home / "watch").glob("holds.db*"):
        path.unlink()
    lines(verbs.apply, wire, again=False)
    assert segments(wire)[0] in held(wire) and segments(wire)[1] not in held(wire)
    assert missing(wire) == []
    assert [one["id"] for one in lines(verbs.listing, wire, every=False)] == [mine]


def test_what_the_store_lost_is_found_and_told_again(wire: Wire, lines: Verb) -> None:
    """Somebody takes a hold away: verify names the object; `apply --again` puts it back."""
    arrive(wire, alice(1))
    placed(wire, lines, custodians=["asmith"])
    first = next(iter(wire.store.versions("segments/")))
    wire.store.set_legal_hold(first.key, first.version_id, on=False)
    assert missing(wire, 0) == []                 # a moment ago: perhaps still on its way
    assert missing(wire) == [first.key]
    (told,) = lines(verbs.apply, wire, again=True)
    as_stated("hold-apply", told)
    assert told["requests"] > 0 and missing(wire) == []


def test_what_cannot_be_meant(wire: Wire, lines: Verb) -> None:
    """Refused with words, before anything is recorded: a typing error holds nothing, and must not
    seem to."""
    arrive(wire, alice(1))
    for wanted, why in ((Wanted(), "say what"), (Wanted(["nobody"]), "nobody with the id"),
                        (Wanted(matters=["1"]), "no matter"),
                        (Wanted(conversations=["group:x"]), "no message of the conversation"),
                        (Wanted(since="May"), "write 2026"),
                        (Wanted(since="2026-05-02", until="2026-05-01"), "before it begins")):
        with pytest.raises(Refused, match=why):
            verbs.place(wire, "Doe", "letter", wanted, json=True)
    for query in ("(", "@names", "a*"):
        with pytest.raises(QueryError):
            verbs.place(wire, "Doe", "letter", Wanted(query=query), json=True)
    with pytest.raises(Refused, match="ground"):
        verbs.place(wire, "Doe", " ", Wanted(["asmith"]), json=True)
    with pytest.raises(Missing):
        verbs.show(wire, "0" * 16, json=True)
    assert not [one for one in recorded(wire) if one.kind == events.HOLD]


@pytest.mark.parametrize(("query", "why"), [
    ("plan NOT lunch", "an edit that adds a word"), ("plan state:live", "an edit or a retraction"),
    ("conversation:0123456789abcdef", "--conversation"), ("@names", "no saved list")])
def test_no_query_that_later_finds_less(wire: Wire, query: str, why: str) -> None:
    """Who edits or deletes his message must not end a hold by it; nor who changes a list, or the
    index key."""
    arrive(wire, alice(1, "the plan"))
    with pytest.raises(QueryError, match=why):
        verbs.place(wire, "Doe", "letter", Wanted(query=query), json=True)


def changed(wire: Wire, **search: Any) -> Wire:
    """The same data folder under other settings."""
    config = wire.config.model_copy(update={
        "search": wire.config.search.model_copy(update=search)})
    return Wire(config, wire.clock, wire.random)


def test_a_query_keeps_what_its_days_and_numbers_meant(wire: Wire, lines: Verb) -> None:
    """A country or a time zone that is set anew changes searches, and no hold."""
    at = 1_780_270_200_000                       # 2026-05-31 23:30 UTC: in Berlin 1 June
    arrive(wire, alice(1, actor=Party("+491711234567", "e164"), occurred_at=at, captured_at=at))
    then = changed(wire, zone="Europe/Berlin", region="DE")
    for query in ("from:01711234567", "date:2026-06-01"):
        (said,) = lines(verbs.place, then, "Doe", "letter", Wanted(query=query))
        as_stated("hold", said)
        assert [(one["zone"], one["region"]) for one in said["scopes"]] == [
            ("Europe/Berlin", "DE")]
    now = changed(wire, zone="America/New_York", region="US")
    first = segments(wire)[0]
    for hold in lines(verbs.listing, now, every=False):
        (kept,) = lines(verbs.show, now, hold["id"])
        assert kept["keeps"]["messages"] == 1
    lines(verbs.apply, now, again=True)
    assert first in held(wire)


def test_a_token_becomes_the_conversation(wire: Wire, lines: Verb) -> None:
    """As a search shows it: on record stands the id, which no change of the index key touches."""
    arrive(wire, alice(1))
    token = wire.tokenizer().named("conversation", "pair:0100001|1")
    for name in (token.upper(), "pair:0100001|1"):
        (said,) = lines(verbs.place, wire, "Doe", "letter", Wanted(conversations=[name]))
        assert [one["conversations"] for one in said["scopes"]] == [["pair:0100001|1"]]
    assert segments(wire)[0] in held(wire)


def test_a_login_releases_nothing_outside_a_trial(tmp_path: Path) -> None:
    """One login under two names of a setting would be two people."""
    made = Wire(load(tmp_path / "home", retention={"trial": False}))
    with pytest.raises(Refused, match="--as PERSON"):
        verbs.release(made, "0" * 16, "settled", grant=True, refuse=False, json=True)


def test_two_people_with_passwords_release(wire: Wire, tmp_path: Path, lines: Verb,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    """A lawyer asks and compliance grants; nobody else, and nobody without the password. The
    records name the people, not the login."""
    monkeypatch.setattr("infra.signin.parameters_for", lambda memory: FAST)
    path = wire.home / "access.toml"
    path.write_text(ACCESS, "utf-8")
    path.chmod(0o600)
    word = tmp_path / "password"
    word.write_text(PASSWORD + "\n", "utf-8")
    for person in ("ann", "bob", "eve"):
        add(wire, person, Given(file=word, is_own=True), json=True)
    ann, bob, eve = (Identity(one, PASSWORD) for one in ("ann", "bob", "eve"))
    arrive(wire, alice(1))
    hold = placed(wire, lines, custodians=["asmith"])
    for nobody, why in ((eve, "may not release"), (Identity("bob", "wrong"), "did not let you in")):
        with pytest.raises(CounterfoilError, match=why):
            verbs.release(wire, hold, "settled", nobody, grant=False, refuse=False, json=True)
    lines(verbs.release, wire, hold, "settled", bob, grant=False, refuse=False)
    with pytest.raises(Refused, match="second person"):
        verbs.release(other(wire), hold, "agreed", bob, grant=True, refuse=False, json=True)
    (done,) = lines(verbs.release, wire, hold, "agreed", ann, grant=True, refuse=False)
    assert done["state"] == "released"
    assert [one["person"] for one in done["history"][1:]] == ["bob", "ann"]


def test_what_is_on_record_is_said_whatever_follows(
        wire: Wire, lines: Verb, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch) -> None:
    """A store or an index that fails behind the act: the hold is there, and its id was printed."""
    arrive(wire, alice(1))

    def away(*_: object) -> None:
        raise Transient("the index is away")

    with monkeypatch.context() as patch:
        patch.setattr("infra.carry.hold_all", away)
        capsys.readouterr()
        with pytest.raises(Transient):
            verbs.place(wire, "Doe", "letter", Wanted(["asmith"]), json=True)
    said = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in lines(verbs.listing, wire, every=False)] == [said["id"]]


def test_a_hold_on_nothing_is_told_so(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """It may be meant, for what comes; a typing error is seen at once."""
    arrive(wire, alice(1, "the secret plan"))
    for query, said in (("secrte", "no message yet"), ("secret", "1 messages now")):
        capsys.readouterr()
        assert verbs.place(wire, "Doe", "letter", Wanted(query=query), json=False) == 0
        assert said in capsys.readouterr().out


def test_apply_says_what_the_store_did_not_take(
        wire: Wire, lines: Verb, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    """Not "done", and not exit 0."""
    arrive(wire, alice(1))
    placed(wire, lines, custodians=["asmith"])

    def refused(*_: object, **__: object) -> None:
        raise Transient("403 AccessDenied")

    with monkeypatch.context() as patch:
        patch.setattr(wire.store, "set_legal_hold", refused)
        (told,) = lines(verbs.apply, wire, again=True, code=1)
        as_stated("hold-apply", told)
        assert told["waiting"] > 0
        assert verbs.apply(wire, again=True, json=False) == 1
        said = capsys.readouterr()
        assert "not done" in said.out and "AccessDenied" in said.err
    assert lines(verbs.apply, wire, again=True)[0]["waiting"] == 0


def test_show_says_what_is_kept_and_why(wire: Wire, lines: Verb) -> None:
    """Domains with their grounds, and figures; the same in words."""
    arrive(wire, alice(1), bob(1))
    hold = placed(wire, lines, custodians=["asmith"])
    (said,) = lines(verbs.show, wire, hold)
    as_stated("hold", said)
    keeps = said["keeps"]
    (row,) = keeps["domains"]
    assert (row["custodian"], row["month"], row["why"]) == ("asmith", "2026-05", "facts")
    assert (keeps["objects"], keeps["messages"], keeps["requests_left"]) == (1, 1, 0)
    assert verbs.show(wire, hold, json=False) == 0
    assert verbs.simulate(wire, Wanted(["bjones"]), json=False) == 0
    assert verbs.listing(wire, every=True, json=False) == 0


@pytest.fixture
def real(tmp_path: Path, s3_server: S3Server, elasticsearch_server: ElasticsearchServer) -> Wire:
    """Store, keyring and index on real servers; the log is embedded."""
    home, name = tmp_path / "home", unique_name("hold")
    home.mkdir()
    for file, value in (("access", s3_server.access_key), ("secret", s3_server.secret_key)):
        (home / file).touch(mode=0o600)
        (home / file).write_text(value, "utf-8")
    made = Wire(load(home, store={
        "driver": "s3", "endpoint": s3_server.endpoint, "region": s3_server.region,
        "bucket": f"{name}-archive", "access_key_file": home / "access",
        "secret_key_file": home / "secret"}, keyring={
        "driver": "s3", "bucket": f"{name}-keyring"}, index={
        "driver": "elasticsearch", "url": elasticsearch_server.url, "name": name}))
    made.provision()
    (made.home / "directory.toml").write_text(DIRECTORY, "utf-8")
    return made


def test_on_real_servers(real: Wire, lines: Verb) -> None:
    """Object Lock's own hold, on what was there and what comes, by facts and by a query asked of a
    real index; then two people, and it is gone."""
    arrive(real, alice(1, "the secret plan"))
    arrive(real, bob(1))
    mine, his = segments(real)[:2]
    hold = placed(real, lines, custodians=["bjones"])
    query = placed(real, lines, query="secr* AND plan")
    assert {mine, his} <= held(real)
    arrive(real, bob(2))
    assert segments(real)[-1] in held(real) and missing(real) == []
    for one in (hold, query):
        lines(verbs.release, real, one, "settled", grant=False, refuse=False)
        lines(verbs.release, other(real), one, "agreed", grant=True, refuse=False)
    assert held(real) == set() and missing(real) == []


def test_where_the_index_holds_no_words(tmp_path: Path, lines: Verb) -> None:
    """The texts are read for a query, each time."""
    made = Wire(load(tmp_path / "home", search={"text": "none"}))
    made.provision_once()
    (made.home / "directory.toml").write_text(DIRECTORY, "utf-8")
    arrive(made, alice(1, "the secret plan"))
    arrive(made, bob(1))
    placed(made, lines, query="secret AND plan")
    mine, his = segments(made)[:2]
    assert mine in held(made) and his not in held(made) and missing(made) == []
