"""The firm's policies on disk, and an engine made of those in force.

Owns `<data folder>/policies/*.toml` (one version of one policy a file), what an engine is made of,
and the events that say which versions came into force and what was done with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from infra import rulefolder
from infra.wire import Wire
from schemas import domains, events
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent, Identity
from search.assigned import AssignedReader
from search.bodies import Bodies
from search.index import Index
from search.links import LinkReader
from search.policy import flags, lexicon, loading
from search.policy.conditions import Firm
from search.policy.lexicon import Lexicon
from search.policy.match import Engine, party_values

FOLDER: Final = "policies"
IN_FORCE: Final = "in_force"
DRY_RUN: Final = "dry_run"
REPLAY: Final = "replay"


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A file that was read. `source`: its bytes."""

    path: Path
    policy: Lexicon
    source: bytes


def read_file(path: Path, zone: ZoneInfo) -> PolicyFile:
    """One policy. Raises Missing, Refused with a line for every problem."""
    source = rulefolder.source_of(path)
    return PolicyFile(path, loading.load(source, path.name, zone=zone), source)


def read_folder(wire: Wire) -> tuple[PolicyFile, ...]:
    """Every policy of the firm, each version once, by id and version. Raises Refused for one that
    does not read, or two that say different things under one version."""
    zone = ZoneInfo(wire.config.search.zone)
    known = [read_file(one, zone) for one in _paths(wire)]
    wanted = {(one.policy_id, one.version)
              for one in lexicon.together([one.policy for one in known])}
    found: dict[tuple[str, int], PolicyFile] = {}
    for one in known:
        name = one.policy.policy_id, one.policy.version
        if name in wanted:
            found.setdefault(name, one)
    return tuple(found[name] for name in sorted(found))


def read_each(wire: Wire) -> tuple[tuple[PolicyFile, ...], tuple[str, ...]]:
    """Of the folder (what reads, by id and version; what is wrong with each file that does not, or
    says something else than another under one version). For a list that a person looks at: what is
    in force, `read_folder` says, and nothing is while one of them is broken."""
    zone = ZoneInfo(wire.config.search.zone)
    found: dict[tuple[str, int], PolicyFile] = {}
    problems = []
    for path in _paths(wire):
        try:
            one = read_file(path, zone)
            held = found.get((one.policy.policy_id, one.policy.version), one)
            lexicon.together([held.policy, one.policy])
        except (Missing, Refused) as error:
            said = "; ".join(str(error).splitlines())
            problems.append(said if path.name in said else f"{path.name}: {said}")
        else:
            found[one.policy.policy_id, one.policy.version] = held
    return tuple(found[name] for name in sorted(found)), tuple(problems)


def _paths(wire: Wire) -> list[Path]:
    """The files of the folder. Raises Refused for too many."""
    return rulefolder.files(wire.home / FOLDER, "policies")


def in_force(wire: Wire, known: Iterable[PolicyFile]) -> tuple[PolicyFile, ...]:
    """Those of which the day has come, the highest version of each."""
    files = tuple(known)
    chosen = lexicon.in_force([one.policy for one in files], wire.clock(),
                              ZoneInfo(wire.config.search.zone))
    return tuple(one for one in files if any(one.policy is other for other in chosen))


def engine(wire: Wire, policies: Sequence[Lexicon], index: Index | None = None) -> Engine:
    """`index`: says who else somebody is and whose what was captured unassigned is; null = nobody
    asks. Raises Refused for a rule that names a group that the directory lacks."""
    # The stemmers are many; only who has policies waits for them.
    from search.stems import Stemmer

    search, tokenizer, bodies = wire.config.search, wire.tokenizer(), Bodies(wire.reader())
    firm = Firm(ZoneInfo(search.zone), search.region, wire.directory())
    if index is not None:
        firm = replace(firm, assigned=AssignedReader(bodies).all(index), links=LinkReader(
            bodies, tokenizer).of_values(index, party_values(policies), search.region))
    return Engine(policies, firm, stems=Stemmer(search.languages),
                  token_of=lambda name: tokenizer.named("conversation", name))


def policy_event(wire: Wire, action: str, of: Sequence[PolicyFile], said: Mapping[str, object],
                 name: str = "") -> CapturedEvent:
    """What was done with policies: `action` IN_FORCE | DRY_RUN | REPLAY, in the firm's domain; the
    files as they were are its raw bytes. `said["who"]`: whoever did it, where somebody did; records
    of a person are found by it."""
    now, years = wire.clock(), wire.directory().firm_years()
    named = ",".join(f"{one.policy.policy_id}/{one.policy.version}" for one in of)
    details = {
        "action": action, "policies": named,
        "digests": ",".join(one.policy.digest() for one in of),
        "authors": ",".join(sorted({one.policy.author for one in of})),
        "approvers": ",".join(sorted({one.policy.approver for one in of})),
        "said": json.dumps(said, sort_keys=True, separators=(",", ":"))}
    who = said.get("who")
    event = CapturedEvent(
        kind=events.POLICY, channel=events.FIRM_CHANNEL, source=flags.SOURCE, account="",
        conversation=events.FIRM_CHANNEL, captured_at=now,
        native_id=f"policy:{action}:{name or now}",
        details=tuple(sorted((key, value) for key, value in details.items() if value)),
        actor=Identity(who, "user") if isinstance(who, str) and who else None,
        provenance=events.OWN, retention_class=domains.ROLE_NAMES[domains.FIRM],
        retention_years=years)
    return replace(event, raw=b"\n".join(one.source for one in of) or None,
                   raw_type="application/toml" if of else "")
