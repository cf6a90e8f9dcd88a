"""`assign`: what was captured on an account of nobody's is given to a custodian (PROTOCOL C4).

Owns what may be decided: a custodian whom the directory knows, a window that is one. The decision
is an event, on the log when this returns; what it means is `schemas/assignment.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from infra.carry import carry_if_idle
from infra.directory import CHANNELS, account_of
from infra.verbs.audit import acting
from infra.verbs.screen import ERR, OUT, emit, good, instant, shown
from infra.wire import Wire
from schemas.assignment import Assignment, assignment_event
from schemas.directory import Directory
from schemas.errors import Refused
from schemas.identity import message_key

_REASON_CHARS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """As typed: a day is midnight UTC, a time states its offset; "" = open."""

    channel: str
    account: str
    custodian: str
    since: str
    until: str
    reason: str


def assign(wire: Wire, wanted: Wanted, *, json: bool) -> int:
    """Record the decision. Raises Refused for one that cannot be meant, Transient without a log."""
    directory = wire.directory()
    decided = _decided(wire, wanted, directory)
    event = assignment_event(decided, acting(wire), directory.firm_years())
    wire.recorder("search").record(event)
    # From here it is evidence. It takes effect when it is archived and indexed.
    carry_if_idle(wire, lambda said: ERR.print(shown(said)))
    if json:
        emit({"id": wire.tokenizer().document(message_key(event)), "channel": decided.channel,
              "account": decided.account, "custodian": decided.custodian_id,
              "from": instant(decided.since), "until": instant(decided.until)})
        return 0
    OUT.print(good("recorded:"), f"unassigned messages of {decided.account} are "
              f"{shown(decided.custodian_id)}'s in every search, as soon as this is indexed")
    if not any((one.channel, one.account) == (decided.channel, decided.account)
               for one in directory.accounts):
        OUT.print(f"{decided.account} stands in no [[account]] of directory.toml: what comes next "
                  "is unassigned again")
    return 0


def _decided(wire: Wire, wanted: Wanted, directory: Directory) -> Assignment:
    if wanted.channel not in CHANNELS:
        raise Refused(f"--channel: known are {', '.join(CHANNELS)}")
    account, reason = wanted.account.strip(), wanted.reason.strip()
    if not account or not account.isprintable():
        raise Refused("--account: the account as `search` shows it")
    try:
        account = account_of(account)
    except Refused as error:
        raise Refused(f"--account: {error}") from error
    if not any(one.custodian_id == wanted.custodian for one in directory.custodians):
        raise Refused(f"--custodian: no [[custodian]] of directory.toml has the id "
                      f"{wanted.custodian!r}; name the person there first")
    if not reason or len(reason) > _REASON_CHARS_MAX:
        raise Refused(f"--reason: say why, in 1 to {_REASON_CHARS_MAX} characters")
    since, until = moment_of("--from", wanted.since), moment_of("--until", wanted.until)
    if since is not None and until is not None and since >= until:
        raise Refused("--until is not after --from")
    return Assignment(wire.random(16).hex(), wire.clock(), wanted.channel, account,
                      wanted.custodian, since, until, reason)


def moment_of(name: str, text: str, zone: tzinfo = UTC) -> int | None:
    """UTC ms of a day (its midnight in `zone`) or of a time with its offset; null for "". `name`:
    the option. Raises Refused."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{name}: a day 2026-01-31, or a time 2026-01-31T17:00:00+01:00") from error
    if moment.tzinfo is None:
        if len(text) > len("2026-01-31"):
            raise Refused(f"{name}: a time must state its offset: 2026-01-31T17:00:00+01:00")
        moment = moment.replace(tzinfo=zone)
    return round(moment.timestamp() * 1000)
