"""`accounts.json`, the verbs `account` and `token`, and sign-in put together, on a data folder."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import filelock
from infra.accounts import FILE, AccountFile, parse
from infra.config import load
from infra.oidchttp import ProviderHttp
from infra.signin import CALLBACK, Desk, memory_bytes, oidc_settings, state_store
from infra.verbs import account as verbs
from infra.verbs.account import Given
from infra.wire import Wire
from schemas.errors import Exists, Missing, Refused, Transient
from search.access.accounts import Account, Book, ServiceToken
from search.access.passwords import Parameters, Unfit
from search.access.people import AccessPolicy, Person, Settings
from search.access.signin import NeedsNewPassword, Signed
from tests.interface.test_json import as_stated
from tests.runtime.test_acts import recorded
from tests.search.access.signin_world import DESK, FAST, GOOD, OTHER, Records

ACCESS = b"""
[[person]]
id = "a.novak"
name = "Anna Novak"
roles = ["compliance"]
groups = ["*"]
email = "a.novak@firm.example"

[[person]]
id = "b.ito"
name = "Ben Ito"
roles = ["administrator"]

[settings]
require_totp = false
"""
ANNA = Account("a.novak", "$argon2id$x", True, 17, "SECRET", ("ab", "cd"), False, "https://x y",
               3, 5)
TOKEN = ServiceToken("ab" * 8, "a.novak", "nightly", "cd" * 32, frozenset({"view", "search"}),
                     1, 2)


@pytest.fixture
def wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wire:
    """An embedded system with two people; argon2 takes a millisecond."""
    made = Wire(load(tmp_path / "home"))
    made.provision_once()
    path = made.home / "access.toml"
    path.write_bytes(ACCESS)
    path.chmod(0o600)
    monkeypatch.setattr("infra.signin.parameters_for", lambda memory: FAST)
    return made


def lines(capsys: pytest.CaptureFixture[str], schema: str) -> list[dict[str, Any]]:
    """The objects on stdout, each as its schema says."""
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for one in found:
        as_stated(schema, one)
    return found


def desk(wire: Wire) -> Desk:
    """As the console has it."""
    policy = AccessPolicy(
        (Person("a.novak", "Anna Novak", ("compliance",), email="a.novak@firm.example"),),
        settings=Settings(require_totp=False, session_minutes=20, session_hours_max=2))
    return Desk(wire, lambda: policy, Records(), state_store(wire), FAST)


# --- the file ----------------------------------------------------------------------------------


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Every field, by another process's view; only the owner may."""
    file = AccountFile(tmp_path)
    assert Book() == file.read()
    book = Book().with_account(ANNA).with_token(TOKEN).with_token(
        replace(TOKEN, token_id="ef" * 8, revoked_at=7))
    assert book == file.change(lambda _: book)
    assert book == file.read() == AccountFile(tmp_path).read()
    assert 0o600 == stat.S_IMODE((tmp_path / FILE).stat().st_mode)
    assert {FILE, f".{FILE}.lock"} == {path.name for path in tmp_path.iterdir()}


def test_a_change_by_another_is_seen(tmp_path: Path) -> None:
    """With the next read; without one the file is not read again."""
    one, other = AccountFile(tmp_path), AccountFile(tmp_path)
    one.change(lambda book: book.with_account(ANNA))
    assert ANNA == other.read().of("a.novak")
    assert other.read() is other.read()
    one.change(lambda book: book.with_account(replace(ANNA, disabled=True)))
    found = other.read().of("a.novak")
    assert found is not None
    assert found.disabled


def test_a_change_that_fails_changes_nothing(tmp_path: Path) -> None:
    """And the next one is not locked out."""
    file = AccountFile(tmp_path)
    file.change(lambda book: book.with_account(ANNA))
    body = (tmp_path / FILE).read_bytes()

    def fails(_: Book) -> Book:
        raise Refused("no")

    with pytest.raises(Refused):
        file.change(fails)
    assert body == (tmp_path / FILE).read_bytes()
    stamp = (tmp_path / FILE).stat()
    file.change(lambda book: book)
    assert stamp.st_ino == (tmp_path / FILE).stat().st_ino
    file.change(lambda book: book.with_token(TOKEN))


def test_what_others_can_read_is_refused(tmp_path: Path) -> None:
    """It may have been read: the words say what follows."""
    file = AccountFile(tmp_path)
    file.change(lambda book: book.with_account(ANNA))
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(Refused, match="chmod 600"):
        file.read()
    with pytest.raises(Refused, match="chmod 600"):
        file.change(lambda book: book)


@pytest.mark.parametrize("body", [
    b"", b"{}", b"[]", b"null", b"\xff", b'{"version":2,"accounts":[],"tokens":[]}',
    b'{"version":1,"accounts":[],"tokens":[],"more":1}',
    b'{"version":1,"accounts":[{}],"tokens":[]}',
    b'{"version":1,"accounts":{},"tokens":7}', b'{"version":1,"accounts":["x"],"tokens":[]}'])
def test_what_does_not_read_is_refused(tmp_path: Path, body: bytes) -> None:
    """Nobody gets in by a broken file; nothing is written over it."""
    with pytest.raises(Refused):
        parse(body)
    (tmp_path / FILE).write_bytes(body)
    (tmp_path / FILE).chmod(0o600)
    with pytest.raises(Refused):
        AccountFile(tmp_path).change(lambda book: book.with_account(ANNA))
    assert body == (tmp_path / FILE).read_bytes()


def test_each_field_has_its_type(tmp_path: Path) -> None:
    """disabled = "false" is no false; nothing of a value is in the message."""
    AccountFile(tmp_path).change(lambda book: book.with_account(ANNA).with_token(TOKEN))
    good = json.loads((tmp_path / FILE).read_bytes())
    for part, name, value in (
            ("accounts", "disabled", "false-secret"), ("accounts", "generation", "1-secret"),
            ("accounts", "recovery", "secret"), ("accounts", "recovery", [1]),
            ("accounts", "password", None), ("accounts", "generation", True),
            ("tokens", "expires_at", None), ("tokens", "capabilities", "secret"),
            ("tokens", "unknown", "secret")):
        changed = json.loads(json.dumps(good))
        changed[part][0][name] = value
        with pytest.raises(Refused) as caught:
            parse(json.dumps(changed).encode())
        assert "secret" not in str(caught.value)


def test_who_waits_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which process holds it; nothing was done."""
    monkeypatch.setattr("infra.accounts._WAIT_S", 0.0)
    held = filelock.take(tmp_path / f".{FILE}.lock")
    try:
        with pytest.raises(Transient, match=str(os.getpid())):
            AccountFile(tmp_path).change(lambda book: book.with_account(ANNA))
    finally:
        os.close(held)
    assert not (tmp_path / FILE).exists()


def test_processes_change_it_one_at_a_time(tmp_path: Path) -> None:
    """Three processes add ten accounts each: all thirty are there."""
    program = (
        "import sys; from pathlib import Path; from infra.accounts import AccountFile; "
        "from search.access.accounts import Account\n"
        "for n in range(10):\n"
        "    AccountFile(Path(sys.argv[1])).change("
        "lambda book: book.with_account(Account(f'{sys.argv[2]}-{n}')))")
    running = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), name],
                                cwd=Path(__file__).parents[2]) for name in "abc"]
    assert [0, 0, 0] == [one.wait(60) for one in running]
    assert 30 == len(AccountFile(tmp_path).read().accounts)


# --- put together ------------------------------------------------------------------------------


def test_somebody_signs_in_on_a_data_folder(wire: Wire) -> None:
    """The real file, the real state; another process knows the session; settings are the file's."""
    first, second = desk(wire), desk(wire)
    assert not first.sign_in.any_account()
    first.admin.add("a.novak", "operator", GOOD, is_own=True)
    step = second.sign_in.begin("a.novak", GOOD, DESK)
    assert isinstance(step, Signed)
    live = first.gate.session(step.secret)
    assert live is not None
    assert (20 * 60_000, 2 * 3_600_000) == (
        live.idle_until - live.seen_at, live.until - live.began_at)
    assert 0o600 == stat.S_IMODE((wire.home / "state.db").stat().st_mode)
    kept = b"".join(path.read_bytes() for path in wire.home.glob("state.db*"))
    assert step.secret.encode() not in kept
    assert GOOD.encode() not in kept + (wire.home / FILE).read_bytes()


def test_the_parameters_of_this_machine_are_the_recommended_ones(wire: Wire) -> None:
    """Where there is a GiB of memory, which is asked of the machine."""
    assert memory_bytes() > 1 << 20
    found = Desk(wire, AccessPolicy, Records(), state_store(wire))
    small = Desk(wire, AccessPolicy, Records(), state_store(wire), Parameters(2, 16, 1))
    assert small.parts.passwords.is_outdated(found.parts.passwords.hashed(GOOD))


def test_the_provider_of_the_configuration(wire: Wire, tmp_path: Path) -> None:
    """None, half of one, a whole one; the secret is in a file."""
    assert oidc_settings(wire.config) is None
    assert desk(wire).oidc is None
    console = {"oidc_issuer": "https://login.firm.example", "public_url": "https://c.firm.example/"}
    with pytest.raises(Refused, match="oidc_client_id"):
        oidc_settings(load(wire.home, console=console))
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    config = load(wire.home, console={**console, "oidc_client_id": "c",
                                      "oidc_client_secret_file": str(secret)})
    found = oidc_settings(config)
    assert found is not None
    assert ("https://c.firm.example" + CALLBACK, "s3cret", "email") == (
        found.redirect_uri, found.client_secret, found.claim)
    assert desk(Wire(config)).oidc is not None
    secret.unlink()
    with pytest.raises(Refused):
        oidc_settings(config)
    with pytest.raises(Transient):
        ProviderHttp().get("http://127.0.0.1:9/")


@pytest.mark.parametrize(("console", "url"), [
    ({}, "http://127.0.0.1:8090"), ({"port": 9}, "http://127.0.0.1:9"),
    ({"public_url": "https://c.firm.example/"}, "https://c.firm.example"),
    ({"public_url": "https://c.firm.example:8443"}, "https://c.firm.example:8443"),
    ({"public_url": "http://localhost:80"}, "http://localhost:80"),
    ({"public_url": "http://c.firm.example"}, None), ({"host": "192.0.2.1"}, None),
    ({"public_url": "https://c.firm.example/path"}, None), ({"public_url": "c.firm.example"}, None),
    ({"public_url": "https://u@c.firm.example"}, None), ({"public_url": "https://c:x"}, None),
    ({"public_url": "ftp://127.0.0.1"}, None), ({"public_url": "https://c.firm.example?x"}, None)])
def test_the_consoles_address(tmp_path: Path, console: dict[str, object], url: str | None) -> None:
    """Over https, or on this machine."""
    config = load(tmp_path, console=console)
    if url is None:
        with pytest.raises(Refused, match=r"console\.public_url"):
            config.console_url()
    else:
        assert url == config.console_url()


# --- the verbs ---------------------------------------------------------------------------------


def test_a_first_account(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """A one-time password, shown once; recorded before, and never in the record."""
    assert 0 == verbs.add(wire, "a.novak", Given(), json=True)
    (said,) = lines(capsys, "account-password")
    step = desk(wire).sign_in.begin("a.novak", said["password"], DESK)
    assert isinstance(step, NeedsNewPassword)
    acts = [event for event in recorded(wire) if event.kind == "audit"]
    assert [("account_added", "a.novak")] == [
        (dict(one.details)["action"], dict(one.details)["person"]) for one in acts]
    assert said["password"] not in str(acts)
    with pytest.raises(Exists):
        verbs.add(wire, "a.novak", Given(), json=True)
    with pytest.raises(Missing, match=r"access\.toml names nobody"):
        verbs.add(wire, "nobody", Given(), json=True)


def test_without_access_toml_nobody_is_there(wire: Wire) -> None:
    """And the words say what to write."""
    (wire.home / "access.toml").unlink()
    with pytest.raises(Missing, match=r"add a \[\[person\]\]"):
        verbs.add(wire, "a.novak", Given(), json=True)


def test_a_password_comes_from_a_file_or_a_pipe(
        wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    """Without its line end; never printed; unfit ones are refused."""
    file = tmp_path / "password"
    file.write_text(GOOD + "\r\n")
    assert 0 == verbs.add(wire, "a.novak", Given(file=file, is_own=True), json=True)
    assert [None] == [one["password"] for one in lines(capsys, "account-password")]
    assert isinstance(desk(wire).sign_in.begin("a.novak", GOOD, DESK), Signed)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{OTHER}\n".encode())))
    assert 0 == verbs.password(wire, "a.novak", Given(file=Path("-")), json=False)
    assert OTHER not in capsys.readouterr().out
    assert isinstance(desk(wire).sign_in.begin("a.novak", OTHER, DESK), NeedsNewPassword)
    file.write_text("short")
    with pytest.raises(Unfit):
        verbs.password(wire, "a.novak", Given(file=file), json=True)
    with pytest.raises(Missing):
        verbs.password(wire, "a.novak", Given(file=tmp_path / "nothing"), json=True)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match="UTF-8"):
        verbs.password(wire, "a.novak", Given(file=file), json=True)
    with pytest.raises(Refused, match="--own"):
        verbs.password(wire, "a.novak", Given(is_own=True), json=True)


def test_a_password_is_asked_for_on_a_terminal(
        wire: Wire, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Twice; without a terminal it says what to do."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(Refused, match="no terminal"):
        verbs.add(wire, "a.novak", Given(ask=True), json=True)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    typed = iter([GOOD, OTHER, GOOD, GOOD])
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(typed))
    with pytest.raises(Refused, match="differ"):
        verbs.add(wire, "a.novak", Given(ask=True), json=True)
    assert 0 == verbs.add(wire, "a.novak", Given(ask=True), json=False)
    assert GOOD not in capsys.readouterr().out


def test_the_list_and_the_sessions(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """Of everybody; ended one by one or all at once."""
    verbs.add(wire, "a.novak", Given(), json=True)
    open_now = desk(wire)
    first, second = (open_now.sign_in.open_for("a.novak", DESK, "demo") for _ in range(2))
    capsys.readouterr()
    assert 0 == verbs.listed(wire, json=True)
    anna, ben = lines(capsys, "account")
    assert ("a.novak", True, True, 2) == (
        anna["person"], anna["password"], anna["must_change"], anna["sessions"])
    assert ("b.ito", False, 0) == (ben["person"], ben["password"], ben["sessions"])
    assert 0 == verbs.sessions(wire, "", json=True)
    assert 2 == len(lines(capsys, "session"))
    assert 0 == verbs.revoke(wire, "a.novak", first.live.session, json=True)
    assert [1] == [one["ended"] for one in lines(capsys, "account-revoke")]
    assert open_now.gate.session(first.secret) is None
    assert open_now.gate.session(second.secret) is not None
    assert 0 == verbs.revoke(wire, "a.novak", "", json=False)
    assert 1 == verbs.revoke(wire, "a.novak", "", json=False)
    said = capsys.readouterr().out
    assert "1 of a.novak's sessions" in said
    assert "no such session" in said


def test_closing_opening_and_a_lost_telephone(
        wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """Each recorded."""
    verbs.add(wire, "a.novak", Given(), json=True)
    capsys.readouterr()
    verbs.disable(wire, "a.novak", json=True)
    verbs.enable(wire, "a.novak", json=True)
    assert [True, False] == [one["disabled"] for one in lines(capsys, "account-disabled")]
    verbs.forget(wire, "a.novak", json=True)
    lines(capsys, "account-forget")
    verbs.totp(wire, "a.novak", json=True)
    (said,) = lines(capsys, "account-password")
    assert isinstance(desk(wire).sign_in.begin("a.novak", said["password"], DESK),
                      NeedsNewPassword)
    assert ["account_added", "account_disabled", "account_enabled", "account_subject_forgotten",
            "account_totp_forgotten"] == [
        dict(event.details)["action"] for event in recorded(wire) if event.kind == "audit"]


def test_tokens(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """Made, listed, revoked; the token itself only once."""
    assert 0 == verbs.token_add(wire, "a.novak", "nightly", 30, ["search"], json=True)
    (made,) = lines(capsys, "token-add")
    assert frozenset({"search"}) == desk(wire).gate.bearer(
        f"Bearer {made['token']}", DESK).capabilities
    assert 0 == verbs.token_list(wire, json=True)
    (listed,) = lines(capsys, "token")
    assert made["token"] not in str(listed)
    assert listed["last_used_at"].endswith("T00:00:00.000Z")
    assert 0 == verbs.token_revoke(wire, made["token_id"], json=True)
    lines(capsys, "token-revoke")
    with pytest.raises(Refused):
        desk(wire).gate.bearer(f"Bearer {made['token']}", DESK)
    with pytest.raises(Refused, match="access matrix"):
        verbs.token_add(wire, "a.novak", "nightly", 30, ["serach"], json=True)
    with pytest.raises(Refused, match="no more than its owner"):
        verbs.token_add(wire, "b.ito", "nightly", 30, ["search"], json=True)


def test_people_read_it_too(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    """The same without --json: what to do next stands there."""
    assert 0 == verbs.sessions(wire, "", json=False)
    assert 0 == verbs.token_list(wire, json=False)
    verbs.add(wire, "a.novak", Given(), json=False)
    desk(wire).sign_in.open_for("a.novak", DESK, "demo")
    verbs.listed(wire, json=False)
    verbs.sessions(wire, "", json=False)
    verbs.totp(wire, "a.novak", json=False)
    verbs.disable(wire, "a.novak", json=False)
    verbs.listed(wire, json=False)
    verbs.enable(wire, "a.novak", json=False)
    verbs.forget(wire, "a.novak", json=False)
    verbs.token_add(wire, "a.novak", "nightly", 1, ["search"], json=False)
    verbs.token_list(wire, json=False)
    verbs.token_revoke(wire, AccountFile(wire.home).read().tokens[0].token_id, json=False)
    flat = " ".join(capsys.readouterr().out.split())
    for words in ("nobody is signed in", "there are no tokens", "one-time password:",
                  "http://127.0.0.1:8090", "it has to be changed", "disabled", "nightly", "cf_"):
        assert words in flat
