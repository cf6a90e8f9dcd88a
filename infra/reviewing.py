"""Reviews, put together from a configuration: the desk, the reports, the key that signs them.

Owns the composition; the console and the verbs `review` use the same parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from infra.access import FILE, load_access
from infra.policies import read_folder
from infra.sampling import on_record
from infra.sampling import read_folder as read_plans
from infra.wire import Wire
from ingest.transit import capture_id_of
from schemas import domains, events
from schemas.errors import Missing, Refused
from schemas.events import CapturedEvent
from schemas.kinds import kinds_of
from schemas.recorder import Recorder
from search.access import roles
from search.access.bound import Bound
from search.access.people import AccessPolicy, line_of
from search.access.state import StateStore
from search.audit import Auditor, AuditSettings
from search.bodies import Bodies
from search.lately import Lately
from search.policy import sampling
from search.policy.sampling import Seed, mark_rule
from search.review import quality, signed
from search.review.desk import ReviewDesk
from search.review.office import Office
from search.review.ports import Ports
from search.review.timing import Timing

# A page of the queue names rules in every row, and a pack of policies takes a while to read.
_RULES_MS: Final = 10_000


@dataclass(frozen=True)
class Staff:
    """Who reviews, as access.toml says now. Implements `search.review.ports.People`."""

    policy: Callable[[], AccessPolicy]

    def line(self, person: str) -> frozenset[str]:
        """See People."""
        return line_of(self.policy(), person)

    def reviewers(self) -> Iterable[str]:
        """See People."""
        return (one.person_id for one in self.policy().people
                if one.active and roles.DECIDE in roles.capabilities(one.roles))


class Reviewing:
    """The parts of one thread: an index belongs to one."""

    def __init__(self, wire: Wire, state: StateStore, policy: Callable[[], AccessPolicy],
                 recorder: Recorder, lately: Lately | None = None) -> None:
        """`policy`: access.toml as it is in force; `recorder`: of the search role; `lately`: what
        several threads share of the index; without it each question asks anew."""
        self._wire = wire
        self.record = recorder.record
        reader, tokenizer = wire.reader(), wire.tokenizer()
        self.bodies = Bodies(reader)
        self.bound = Bound(wire.indexes(), self.bodies, tokenizer, lately)
        self._known_rules: frozenset[str] = frozenset()
        self._rules_until = 0
        years = wire.directory().firm_years()
        auditor = Auditor(recorder, AuditSettings(domains.ROLE_NAMES[domains.FIRM], years),
                          wire.clock, wire.random)
        ports = Ports(
            index=self.bound.shown, reader=reader, recorder=recorder, auditor=auditor, state=state,
            people=Staff(policy), tokenizer=tokenizer, assigned=self.bound.assigned,
            firm_years=lambda: wire.directory().firm_years(), clock=wire.clock,
            random=wire.random, timing=timing_of(wire), rules=self._rules,
            claim_ms=policy().settings.claim_minutes * 60_000)
        self.desk = ReviewDesk(ports)
        self.office = Office(ports, self.bound.whole)

    def _rules(self) -> Iterable[str]:
        """Ids of the rules that are known: read anew as often as the indexer reads them."""
        now = self._wire.clock()
        if now >= self._rules_until:
            found = {rule.rule_id for one in read_folder(self._wire) for rule in one.policy.rules}
            found |= {mark_rule(one.plan.plan_id) for one in read_plans(self._wire)}
            self._known_rules, self._rules_until = frozenset(found), now + _RULES_MS
        return self._known_rules

    def seed(self, since: int, until: int) -> Seed | None:
        """The seed of the check of what is cleared in a period that was recorded first; null = none
        was. Raises Refused for one that was made too late, or for other shares."""
        index = self.bound.whole()
        found = [] if index is None else on_record(
            index, self.bodies, self._wire.tokenizer(),
            sampling.seed_id(quality.PLAN_NAME, since, until))
        return sampling.read_seed(found[0], quality.plan()) if found else None


def policy_of(wire: Wire) -> AccessPolicy:
    """What access.toml says now; nobody where there is none. Raises Refused."""
    try:
        return load_access(wire.home / FILE)
    except Missing:
        return AccessPolicy()


def timing_of(wire: Wire) -> Timing:
    """The hours of the configuration."""
    section = wire.config.review
    return Timing(
        hours=(("high", section.hours_high), ("medium", section.hours_medium),
               ("low", section.hours_low), ("", section.hours_low)),
        zone=ZoneInfo(wire.config.search.zone), opens=section.opens, closes=section.closes)


def month_of(wire: Wire, text: str) -> tuple[int, int]:
    """(since, until) of "2026-11" in the firm's zone, UTC ms. Raises Refused."""
    try:
        first = datetime.strptime(text, "%Y-%m").replace(tzinfo=ZoneInfo(wire.config.search.zone))
    except ValueError as error:
        raise Refused("--month: write 2026-11") from error
    after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return round(first.timestamp() * 1000), round(after.timestamp() * 1000)


def new_seed(wire: Wire, actor: str, since: int, until: int) -> CapturedEvent:
    """The event that puts the seed of a check on record. Raises Refused once its period began."""
    seed = Seed(wire.random(sampling.SEED_BYTES), since, until)
    return sampling.seed_event(quality.plan(), seed, actor, wire.clock(),
                               wire.directory().firm_years())


def sign(wire: Wire, report: Mapping[str, Any]) -> bytes:
    """The report under the search role's key: the one that every audit record is signed with."""
    key = wire.keys_folder.capture_key("search")
    return signed.sign(report, capture_id_of(key.public_key().public_bytes_raw()), key.sign)


def verify(wire: Wire, body: bytes) -> tuple[dict[str, Any], bytes]:
    """(the report, id of its key). Raises Refused. A key that may not speak of reviews, a
    gateway's say, signs no report."""
    keys = {key_id: one.public for key_id, one in wire.keys_folder.enrolled().items()
            if events.REVIEW in kinds_of(one.kinds)}
    return signed.verify(body, keys)
