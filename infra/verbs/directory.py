"""`directory show`, `directory check`: who is who as the file says, and what is wrong with it.

Owns no rule of the file (`infra/directory.py` does). Nothing here is recorded: what is shown is the
operator's own file, never a message.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.directory import load_directory
from infra.verbs.screen import OUT, emit, instant, shown, strong, verdict
from infra.wire import Wire
from schemas.directory import Directory
from schemas.errors import Missing, Refused


def show(wire: Wire, *, json: bool) -> int:
    """Everything that the file says, or that there is none. Raises Refused for a broken file."""
    found = wire.directory()
    rows = _rows(found)
    if json:
        emit({"file": wire.directory_path.name, "exists": wire.directory_path.exists(),
              "digest": found.digest(), **rows})
        return 0
    if not wire.directory_path.exists():
        OUT.print(f"{wire.directory_path} is not there: every account is unassigned")
    for part, several in rows.items():
        if several:
            OUT.print(strong(part))
        for row in several:
            # Lines and no table: an account or a date in pieces is no use to anybody.
            OUT.print("  " + "; ".join(f"{name} {_text(value)}" for name, value in row.items()
                                       if value not in (None, [])))
    return 0


def check(wire: Wire, file: Path | None, *, json: bool) -> int:
    """Whether a file would be taken; 1 and every problem with its line if not.

    Without `file` the data folder's own. Raises Missing when there is none.
    """
    path = file or wire.directory_path
    problems: list[str] = []
    counts = {}
    try:
        found = load_directory(path)
        counts = {part: len(rows) for part, rows in _rows(found).items()}
        # The years that a lock would ask for belong to the configuration, not to the file alone.
        wire.require_years(found)
    except Missing:
        raise
    except Refused as error:
        problems = str(error).splitlines()
    return verdict(path.name, problems, counts, json=json)


def _rows(found: Directory) -> dict[str, list[dict[str, Any]]]:
    """The directory as the file spells it: one object per table, times as RFC 3339."""
    return {
        "classes": [{"class": name, "years": years} for name, years in found.classes],
        "custodians": [{"id": one.custodian_id, "name": one.name, "class": one.retention_class}
                       for one in found.custodians],
        "accounts": [{"channel": one.channel, "account": one.account,
                      "custodian": one.custodian_id, **_period(one.since, one.until),
                      "max_silence_h": one.max_silence_h}
                     for one in found.accounts],
        "conversations": [{"conversation": one.conversation, "compartment": one.compartment,
                           "class": one.retention_class} for one in found.conversations],
        "groups": [{"name": one.name, "members": list(one.members),
                    "supervisors": list(one.supervisors)} for one in found.groups],
        "matters": [{"id": one.matter_id, "name": one.name, "custodians": list(one.custodians),
                     **_period(one.since, one.until), "conversations": list(one.conversations)}
                    for one in found.matters],
        "notices": [{"custodian": one.custodian_id or None, "channel": one.channel or None,
                     "account": one.account or None, "at": instant(one.at), "how": one.how,
                     "text": one.text or None, "document": one.document or None}
                    for one in found.notices],
        "exclusions": [{"channel": one.channel, "account": one.account,
                        "conversation": one.conversation or None,
                        "counterparty": one.counterparty or None,
                        **_period(one.since, one.until), "reason": one.reason}
                       for one in found.exclusions],
    }


def _period(since: int | None, until: int | None) -> dict[str, str | None]:
    return {"from": instant(since), "until": instant(until)}


def _text(value: Any) -> str:
    words = ", ".join(value) if isinstance(value, list) else str(value)
    return shown(words.removesuffix("T00:00:00.000Z"))
