"""What `status` says of capture itself: the last event of each account, and known gaps (G8).

Owns the rows. They are read from the index with the operator's own keys each time: who was heard
of when is written nowhere outside sealed bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.table import Table

from infra.silence import SilentAccounts, open_gaps
from infra.verbs.screen import OUT, bad, instant, short, shown
from infra.wire import Wire
from schemas.directory import Account, Directory
from schemas.errors import CounterfoilError
from schemas.gaps import REASONS, Gap
from search.bodies import Bodies
from search.gaps import GapReader
from search.index import Index
from search.lastseen import accounts_heard, last_events

# Gaps that a screen lists; the machine's answer lists more.
_SHOWN_MAX: Final = 20
_LISTED_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Heard:
    """One account as `status` shows it: somebody's now, or one with events that is nobody's (then
    its custodian is ""). UTC ms."""

    account: Account
    last_at: int | None
    is_silent: bool
    told_at: int | None


@dataclass(frozen=True, slots=True)
class Capture:
    """Accounts and gaps; both null and `problem` says why, where the index cannot be asked."""

    accounts: Sequence[Heard] | None
    gaps: Sequence[Gap] | None
    problem: str = ""


def capture_of(wire: Wire) -> Capture:
    """How capture goes. Never raises: `status` has more to say than this."""
    if not wire.keys_folder.provisioned:
        return Capture(None, None, "nothing was set up on this data folder")
    try:
        directory, indexes = wire.directory(), wire.indexes()
        name = indexes.current()
        if name is None:
            return Capture(_heard(wire, directory, None), ())
        index = indexes.open(name)
        index.refresh()
        return Capture(_heard(wire, directory, index),
                       GapReader(Bodies(wire.reader())).all(index))
    except CounterfoilError as error:
        return Capture(None, None, str(error) or type(error).__name__)


def _heard(wire: Wire, directory: Directory, index: Index | None) -> list[Heard]:
    now, tokenizer = wire.clock(), wire.tokenizer()
    named = [one for one in directory.accounts if one.covers(now)]
    heard: dict[tuple[str, str], int] = {}
    watched: set[tuple[str, str]] = set()
    if index is not None:
        # Who has traffic and is nobody's now is what somebody should look at.
        named += [Account(channel, account, "") for channel, account in accounts_heard(
            index, tokenizer, Bodies(wire.reader()),
            [(one.channel, one.account) for one in named],
            [one.custodian_id for one in directory.custodians])]
        accounts = list(dict.fromkeys((one.channel, one.account) for one in named))
        heard = {one: at for one, at in zip(accounts, last_events(index, tokenizer, accounts),
                                            strict=True) if at is not None}
        watched = {(one.channel, one.account) for one, _ in SilentAccounts(
            tokenizer, heard).judged(index, directory, now)}
    return [
        Heard(one, heard.get((one.channel, one.account)), (one.channel, one.account) in watched,
              directory.told_at(one.custodian_id) if one.custodian_id else None)
        for one in named]


def lines(found: Capture) -> dict[str, Any]:
    """The machine's answer."""
    gaps = None if found.gaps is None else open_gaps(found.gaps)
    return {
        "accounts": None if found.accounts is None else [
            {"channel": one.account.channel, "account": one.account.account,
             "custodian": one.account.custodian_id or None, "last_event_at": instant(one.last_at),
             "max_silence_h": one.account.max_silence_h, "silent": one.is_silent,
             "notice_at": instant(one.told_at)} for one in found.accounts],
        "gaps": None if gaps is None else [_gap(one) for one in gaps[:_LISTED_MAX]],
        "gaps_open": None if gaps is None else len(gaps),
        "capture_unknown": found.problem or None,
    }


def print_capture(found: Capture) -> None:
    """The same for a person."""
    if found.accounts is None or found.gaps is None:
        OUT.print(f"accounts and gaps are not known now: {shown(found.problem)}")
        return
    if found.accounts:
        table = Table("account", "custodian", "last event (UTC)", "watched", "notice given")
        for one in found.accounts:
            hours = one.account.max_silence_h
            table.add_row(
                f"{one.account.channel} {shown(one.account.account)}",
                shown(one.account.custodian_id) or bad("unassigned"), short(one.last_at),
                bad("SILENT") if one.is_silent else "-" if hours is None else f"{hours:g} h",
                short(one.told_at) if one.told_at is not None
                else bad("none") if one.account.custodian_id else "-")
        OUT.print(table)
    waiting = open_gaps(found.gaps)
    if waiting:
        table = Table("gap", "channel", "account", "from (UTC)", "until (UTC)", "particulars",
                      title=f"{len(waiting)} open gaps")
        for gap in waiting[:_SHOWN_MAX]:
            table.add_row(
                REASONS.get(gap.reason, gap.reason), gap.channel or "all",
                shown(gap.account) or "all", short(gap.since),
                bad("goes on") if gap.until is None else short(gap.until), shown(gap.note))
        OUT.print(table)


def _gap(gap: Gap) -> dict[str, Any]:
    return {"reason": gap.reason, "channel": gap.channel or None, "account": gap.account or None,
            "from": instant(gap.since), "until": instant(gap.until),
            "going_on": gap.until is None, "settled": gap.settled or None,
            "missing": gap.missing, "note": gap.note or None}
