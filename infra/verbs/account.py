"""`account` and `token`: how people and programs sign in to the console.

Owns the words and where a password comes from: made here, asked on the terminal, or read from a
file or a pipe; never from the command line, which every user of a machine can read. Each act is on
the log before it is done.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from infra.access import FILE, load_access
from infra.signin import Desk, state_store
from infra.verbs.audit import acting, record_act
from infra.verbs.screen import ERR, OUT, bad, emit, good, instant, short, shown, strong
from infra.wire import Wire
from schemas.errors import Missing, Refused
from search.access import tokens
from search.access.accounts import ServiceToken
from search.access.manage import INITIAL_DAYS, AccountAdmin
from search.access.passwords import CHARS_MAX
from search.access.people import AccessPolicy
from search.access.roles import CAPABILITIES

_FILE_BYTES_MAX = 4 * CHARS_MAX + 16


@dataclass(frozen=True, slots=True)
class Given:
    """Where a password comes from; all false = one is made. `file` "-" = standard input.
    `is_own`: the person chose it."""

    ask: bool = False
    file: Path | None = None
    is_own: bool = False


class _CommandRecords:
    """What this command does is on the log when `record` returns (search.audit's port)."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def record(self, action: str, actor: str, text: str | None,
               details: Mapping[str, str]) -> None:
        """`actor` is who acts on this command line in any case."""
        del actor, text
        record_act(self._wire, action, details)


def add(wire: Wire, person: str, given: Given, *, json: bool) -> int:
    """A first account for a person of access.toml."""
    admin = _admin(wire)
    return _gave(wire, person, given, admin.add, json=json)


def password(wire: Wire, person: str, given: Given, *, json: bool) -> int:
    """A new password; every session of the person ends."""
    return _gave(wire, person, given, _admin(wire).new_password, json=json)


def totp(wire: Wire, person: str, *, json: bool) -> int:
    """Forget the telephone; the next sign-in, with a new one-time password, asks for another."""
    _said(wire, person, _admin(wire).forget_totp(person, acting(wire)), is_made=True, json=json)
    if not json:
        OUT.print("the telephone is forgotten; the next sign-in asks for a new one")
    return 0


def disable(wire: Wire, person: str, *, json: bool) -> int:
    """No way in from now on."""
    _admin(wire).disable(person, acting(wire))
    if json:
        emit({"person": person, "disabled": True})
    else:
        OUT.print(good("disabled:"), f"{shown(person)}; every session and token of theirs is dead")
    return 0


def enable(wire: Wire, person: str, *, json: bool) -> int:
    """The way in is open again, without a wait for wrong guesses."""
    _admin(wire).enable(person, acting(wire))
    if json:
        emit({"person": person, "disabled": False})
    else:
        OUT.print(good("enabled:"), shown(person))
    return 0


def forget(wire: Wire, person: str, *, json: bool) -> int:
    """The next identity at the firm's provider with the person's address is theirs."""
    _admin(wire).forget_subject(person, acting(wire))
    if json:
        emit({"person": person, "oidc": False})
    else:
        OUT.print(good("forgotten:"), f"the next sign-in of {shown(person)} at your provider "
                  "counts, whichever identity has the address then")
    return 0


def listed(wire: Wire, *, json: bool) -> int:
    """Everybody of access.toml, and accounts of whom it does not know any more."""
    admin = _admin(wire)
    open_now: dict[str, int] = {}
    for one in admin.sessions():
        open_now[one.person] = open_now.get(one.person, 0) + 1
    rows: list[dict[str, Any]] = []
    for person, account in admin.accounts():
        person_id = person.person_id if person else account.person_id if account else ""
        rows.append({
            "person": person_id, "name": person.name if person else None,
            "active": person is not None and person.active,
            "roles": list(person.roles) if person else [],
            "password": bool(account and account.password),
            "must_change": bool(account and account.must_change),
            "totp": bool(account and account.totp),
            "recovery_codes": len(account.recovery) if account else 0,
            "oidc": bool(account and account.subject),
            "disabled": bool(account and account.disabled), "sessions": open_now.get(person_id, 0)})
    if json:
        for row in rows:
            emit(row)
        return 0
    if not rows:
        OUT.print(f"{FILE} names nobody")
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("person", "roles", "signs in with", "sessions", ""):
        table.add_column(name)
    for row in rows:
        table.add_row(shown(row["person"]), ", ".join(row["roles"]), _ways(row),
                      str(row["sessions"] or "-"), _state(row))
    OUT.print(table)
    return 0


def sessions(wire: Wire, person: str, *, json: bool) -> int:
    """Who is signed in now."""
    found = _admin(wire).sessions(person)
    for one in found if json else ():
        emit({"person": one.person, "session": one.session, "began_at": instant(one.began_at),
              "seen_at": instant(one.seen_at), "until": instant(one.idle_until), "how": one.how,
              "address": one.address, "agent": one.agent})
    if json:
        return 0
    if not found:
        OUT.print("nobody is signed in")
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("person", "session", "since (UTC)", "last seen", "ends", "how", "address"):
        table.add_column(name)
    for one in found:
        table.add_row(shown(one.person), one.session, short(one.began_at), short(one.seen_at),
                      short(one.idle_until), one.how, shown(one.address))
    OUT.print(table)
    return 0


def revoke(wire: Wire, person: str, session: str, *, json: bool) -> int:
    """End one session, or all of a person's; 1 when there was none."""
    ended = _admin(wire).end_sessions(person, acting(wire), session)
    if json:
        emit({"person": person, "ended": ended})
    elif ended:
        OUT.print(good("ended:"), f"{ended} of {shown(person)}'s sessions")
    else:
        OUT.print(bad("none:"), f"{shown(person)} has no such session")
    return 0 if ended else 1


def token_add(wire: Wire, owner: str, name: str, days: int, may: list[str], *, json: bool) -> int:
    """A token of a person's, shown this once."""
    unknown = sorted(set(may) - CAPABILITIES)
    if unknown:
        raise Refused(f"--may: {', '.join(unknown)}: unknown; `counterfoil access matrix` lists "
                      "what there is")
    made, text = _admin(wire).add_token(owner, acting(wire), name, days, frozenset(may))
    if json:
        emit({**_token(made, None), "token": text})
        return 0
    OUT.print(good("made:"), f"{shown(made.name)} of {shown(owner)}, good until "
              f"{short(made.expires_at)} UTC")
    OUT.print(strong(text), soft_wrap=True)
    ERR.print("it is shown this once; send it as  Authorization: Bearer TOKEN")
    return 0


def token_list(wire: Wire, *, json: bool) -> int:
    """Everybody's tokens; never the tokens themselves, which nobody has but who was given one."""
    found = _admin(wire).tokens()
    for one, used in found if json else ():
        emit(_token(one, used))
    if json:
        return 0
    if not found:
        OUT.print("there are no tokens")
        return 0
    table = Table(box=None, pad_edge=False)
    for name in ("id", "owner", "name", "may", "until (UTC)", "last used", ""):
        table.add_column(name)
    now = wire.clock()
    for one, used in found:
        state = "" if tokens.is_good(one, now) else "revoked" if one.revoked_at else "expired"
        table.add_row(one.token_id, shown(one.owner), shown(one.name),
                      " ".join(sorted(one.capabilities)), short(one.expires_at)[:10],
                      short(used)[:10], state)
    OUT.print(table)
    return 0


def token_revoke(wire: Wire, token_id: str, *, json: bool) -> int:
    """Not good from the next request on."""
    _admin(wire).revoke_token(token_id, acting(wire))
    if json:
        emit({"token_id": token_id, "revoked": True})
    else:
        OUT.print(good("revoked:"), token_id)
    return 0


def _admin(wire: Wire) -> AccountAdmin:
    def policy() -> AccessPolicy:
        try:
            return load_access(wire.home / FILE)
        except Missing:
            return AccessPolicy()  # nobody: who is asked for is not there, and that is said

    # One reading: what a command does, it does by one state of the file.
    found = policy()
    return Desk(wire, lambda: found, _CommandRecords(wire), state_store(wire)).admin


def _gave(wire: Wire, person: str, given: Given, give: Callable[..., str], *, json: bool) -> int:
    text = _given(given)
    if given.is_own and text is None:
        raise Refused("--own: say which password, with --ask or --password-file")
    made = give(person, acting(wire), text, is_own=given.is_own)
    _said(wire, person, made, is_made=text is None, json=json)
    if not json and not given.is_own:
        OUT.print("it has to be changed at the first sign-in")
    return 0


def _said(wire: Wire, person: str, text: str, *, is_made: bool, json: bool) -> None:
    if json:
        emit({"person": person, "password": text if is_made else None,
              "console": wire.config.console_url()})
        return
    OUT.print(good("done:"), f"{shown(person)} signs in at {wire.config.console_url()}")
    if is_made:
        OUT.print("one-time password:", strong(text), soft_wrap=True)
        OUT.print(f"give it to them in person or by telephone; it is good for {INITIAL_DAYS} days")


def password_typed(file: Path | None) -> str:
    """One's own password, from a file or a pipe, or asked on the terminal."""
    if file is not None:
        return _from_file(file)
    if not sys.stdin.isatty():
        raise Refused("no terminal to ask for your password on: give --password-file, or - for a "
                      "pipe")
    return getpass.getpass("your password: ")


def _given(given: Given) -> str | None:
    if given.file is not None:
        return _from_file(given.file)
    if not given.ask:
        return None
    if not sys.stdin.isatty():
        raise Refused("--ask: no terminal to ask on; give --password-file, or - for a pipe")
    text = getpass.getpass("password: ")
    if text != getpass.getpass("once more: "):
        raise Refused("the two differ")
    return text


def _from_file(file: Path) -> str:
    """Its first line. A line end that an editor or `echo` wrote is no part of a password."""
    try:
        if str(file) == "-":
            body = sys.stdin.buffer.read(_FILE_BYTES_MAX)
        else:
            with file.open("rb") as stream:
                body = stream.read(_FILE_BYTES_MAX)
        return body.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise Missing(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{file} is not UTF-8") from error


def _token(one: ServiceToken, used: int | None) -> dict[str, Any]:
    return {"token_id": one.token_id, "owner": one.owner, "name": one.name,
            "may": sorted(one.capabilities), "created_at": instant(one.created_at),
            "expires_at": instant(one.expires_at), "revoked_at": instant(one.revoked_at),
            "last_used_at": instant(used)}


def _ways(row: Mapping[str, Any]) -> str:
    ways = [name for name, has in (("password", row["password"]), ("telephone", row["totp"]),
                                   ("provider", row["oidc"])) if has]
    return " + ".join(ways) or "nothing yet"


def _state(row: Mapping[str, Any]) -> str:
    if row["name"] is None:
        return f"not in {FILE}"
    if row["disabled"]:
        return "disabled"
    if not row["active"]:
        return f"not active in {FILE}"
    return "one-time password" if row["must_change"] else ""

