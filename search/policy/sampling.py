"""Which messages of a period a person reviews although nothing flagged them. Pure.

Owns the draw and its check. The seed is on record before the period begins (`seed_event`), so
nobody can choose it for what it draws; each item's rank is one HMAC, so an auditor works it out
item by item:

    rank = HMAC-SHA256(seed, canonical("counterfoil/sample/v1", plan digest, since, until, item id))

    mandatory items   all of them, outside the sample: they are not counted in its share
    a stratum         of its other items the ceil(share * count) with the lowest ranks
    a person          where fewer than `per_person` of theirs are drawn by then, those of the
                      others with the lowest ranks

The order of items, and how often one is named, do not matter.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from schemas import domains, events
from schemas.errors import Refused
from schemas.events import CapturedEvent, Identity
from schemas.identity import canonical
from search.policy.flags import Flag

SOURCE: Final = "policy/1"
ACTION: Final = "sample_seed"
DRAWN: Final = "sample_drawn"
# Of the flags that drawn messages carry; no policy's id has a colon.
MARK_POLICY: Final = "sample:"
SEED_BYTES: Final = 32
# Shares are in hundredths of a percent: 250 = 2.5 %.
WHOLE: Final = 10_000
STRATA_MAX: Final = 100
_LABEL: Final = "counterfoil/sample/v1"

MANDATORY: Final = "mandatory"
STRATUM: Final = "stratum"
PERSON: Final = "person"


@dataclass(frozen=True, slots=True)
class Item:
    """A message that could be reviewed: its message_key, whose it is, its stratum of risk, and the
    mandatory class that it belongs to, "" = none."""

    item_id: bytes
    person: str
    stratum: str
    mandatory: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """`strata`: name -> share in hundredths of a percent. `per_person`: so many at least of each
    person in a period, mandatory ones apart; 0 = no such promise. `mandatory`: classes that are
    reviewed whole. `says`: digest of what strata and classes stand for, "" = the names say it."""

    name: str
    strata: tuple[tuple[str, int], ...]
    per_person: int = 1
    mandatory: tuple[str, ...] = ()
    says: str = ""

    def __post_init__(self) -> None:
        names = [name for name, _ in self.strata]
        if not 1 <= len(names) <= STRATA_MAX or len(set(names)) != len(names):
            raise Refused(f"a sampling plan has 1 to {STRATA_MAX} strata, each once")
        if not all(0 <= share <= WHOLE for _, share in self.strata) or self.per_person < 0:
            raise Refused(f"a share is 0 to {WHOLE} hundredths of a percent, at least 0 per person")

    def digest(self) -> bytes:
        """32 bytes: the same for the same plan, however its strata and classes are ordered."""
        strata = [part for pair in sorted(self.strata) for part in pair]
        plain = hashlib.sha256(canonical(
            "counterfoil/sample-plan/v1", self.name, self.per_person, len(self.strata), *strata,
            *sorted(set(self.mandatory)))).digest()
        return plain if not self.says else hashlib.sha256(canonical(
            "counterfoil/sample-plan/v2", plain, self.says)).digest()


@dataclass(frozen=True, slots=True)
class Seed:
    """Of one period (UTC ms, half open); `value`: 32 random bytes, made before it."""

    value: bytes
    since: int
    until: int

    def __post_init__(self) -> None:
        if len(self.value) != SEED_BYTES or not 0 <= self.since < self.until:
            raise Refused(f"a seed is {SEED_BYTES} bytes, for a period that ends after it begins")


@dataclass(frozen=True, slots=True)
class Drawn:
    """An item to be reviewed. `why`: mandatory | stratum | person; `rank` in hex, `place` in that
    of its stratum or person from 1, `of` so many; 0 and 0 where it is mandatory."""

    item: Item
    why: str
    rank: str
    place: int = 0
    of: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """`drawn`: by why and item id. `population`: digest, hex, of all items it was drawn from, and
    `count` of them: a message that came later makes another."""

    drawn: tuple[Drawn, ...]
    population: str
    count: int


def sample(population: Iterable[Item], plan: Plan, seed: Seed) -> Sample:
    """What is reviewed of `population`, the messages of the seed's period.

    Raises Refused for an item of no stratum of the plan, and for an id that two items share.
    """
    items = _distinct(population, plan)
    classes = frozenset(plan.mandatory)
    outside = [one for one in items if one.mandatory in classes and one.mandatory]
    inside = [one for one in items if not (one.mandatory in classes and one.mandatory)]
    ranks = {one.item_id: rank(one.item_id, plan, seed) for one in items}
    found = {one.item_id: Drawn(one, MANDATORY, ranks[one.item_id].hex()) for one in outside}
    for name, share in plan.strata:
        members = _ranked((one for one in inside if one.stratum == name), ranks)
        taken = -(-len(members) * share // WHOLE)
        found.update(_drawn(members, taken, STRATUM, ranks))
    of_person: dict[str, list[Item]] = {}
    for one in inside:
        of_person.setdefault(one.person, []).append(one)
    for theirs in of_person.values():
        left = [one for one in theirs if one.item_id not in found]
        short = max(0, plan.per_person - (len(theirs) - len(left)))
        found.update(_drawn(_ranked(left, ranks), short, PERSON, ranks))
    return Sample(tuple(sorted(found.values(), key=lambda one: (one.why, one.item.item_id))),
                  population_digest(items), len(items))


def verify(claimed: Sample, population: Iterable[Item], plan: Plan, seed: Seed) -> tuple[str, ...]:
    """What is wrong with a sample that is said to have been drawn so, in words; () = nothing."""
    own = sample(population, plan, seed)
    problems: list[str] = []
    if (claimed.population, claimed.count) != (own.population, own.count):
        problems.append(f"it was drawn from other messages: {claimed.count} then, {own.count} now")
    theirs, ours = _by_id(claimed.drawn), _by_id(own.drawn)
    for item_id in sorted({*theirs, *ours}):
        said, found = theirs.get(item_id), ours.get(item_id)
        if said == found:
            continue
        if said is None and found is not None:
            problems.append(f"{item_id.hex()} is missing: drawn by {found.why}, rank {found.rank}")
        elif found is None:
            problems.append(f"{item_id.hex()} was not drawn")
        else:
            problems.append(f"{item_id.hex()} was drawn for another reason than is said")
    if len(claimed.drawn) != len(theirs):
        problems.append("an item is named more than once")
    return tuple(problems)


def rank(item_id: bytes, plan: Plan, seed: Seed) -> bytes:
    """32 bytes; the lowest are drawn. It can be worked out without the rest of the population."""
    return hmac.digest(seed.value, canonical(
        _LABEL, plan.digest(), seed.since, seed.until, item_id), "sha256")


def population_digest(items: Iterable[Item]) -> str:
    """SHA-256, hex, of a population: order and repetition do not matter."""
    digest = hashlib.sha256(canonical("counterfoil/sample-population/v1"))
    for one in sorted(set(items), key=_whole):
        digest.update(canonical(one.item_id, one.person, one.stratum, one.mandatory))
    return digest.hexdigest()


# --- the seed's event ----------------------------------------------------------------------------


def seed_id(name: str, since: int, until: int) -> str:
    """The native id of the seed of a plan's period. It holds neither seed nor plan: nobody has two
    seeds, or two plans of one name, to choose from when the period is over."""
    return f"{ACTION}:{name}:{since}:{until}"


def seed_event(plan: Plan, seed: Seed, actor: str, captured_at: int, firm_years: int, *,
               source: bytes | None = None, said: str = "") -> CapturedEvent:
    """The event that puts a seed on record. Raises Refused where the period has begun. `source`:
    the plan's file; `said`: what it is read with.

    A second seed for one plan and period is another sighting of the first, which leads, and the
    difference shows.
    """
    if captured_at >= seed.since:
        raise Refused("the period has begun: a seed is made before it")
    details = {"action": ACTION, "plan": plan.digest().hex(), "plan_name": plan.name,
               "seed": seed.value.hex(), "since": str(seed.since), "until": str(seed.until)}
    if said:
        details["said"] = said
    return _own(seed_id(plan.name, seed.since, seed.until), details, actor, captured_at,
                firm_years, source, "application/toml")


def read_seed(event: CapturedEvent, plan: Plan) -> Seed:
    """The seed that an event puts on record for `plan`. Raises Refused where it states none, or was
    captured after its period began: our clock's word, until a witness has seen it."""
    said = dict(event.details)
    try:
        if event.kind != events.POLICY or said["action"] != ACTION:
            raise ValueError("no seed")
        seed = Seed(bytes.fromhex(said["seed"]), int(said["since"]), int(said["until"]))
        digest = said["plan"]
    except (KeyError, ValueError) as error:
        raise Refused(f"a seed that does not read: {type(error).__name__}") from error
    if digest != plan.digest().hex():
        raise Refused("the seed was made for another plan")
    if event.captured_at >= seed.since:
        raise Refused("the seed was made after its period began")
    return seed


# --- the draw's event ----------------------------------------------------------------------------

Heads = tuple[tuple[str, int, int], ...]
"""(topic id in hex, partition, next offset): how much of the archive a sample was drawn from."""


def draw_id(name: str, since: int, until: int) -> str:
    """The native id of the draw of a plan's period: there is one."""
    return f"{DRAWN}:{name}:{since}:{until}"


def draw_event(plan: Plan, seed: Seed, drawn: Sample, heads: Heads, actor: str, captured_at: int,
               firm_years: int) -> CapturedEvent:
    """The event that says what was drawn, from what. Raises Refused where the period lasts still.
    """
    if captured_at < seed.until:
        raise Refused("the period has not ended: a sample is drawn after it")
    details = {"action": DRAWN, "plan": plan.digest().hex(), "plan_name": plan.name,
               "since": str(seed.since), "until": str(seed.until),
               "population": drawn.population, "count": str(drawn.count),
               "drawn": str(len(drawn.drawn))}
    items = [[one.item.item_id.hex(), one.item.person, one.item.stratum, one.item.mandatory,
              one.why, one.rank, one.place, one.of] for one in drawn.drawn]
    said = json.dumps({"heads": heads, "items": items}, separators=(",", ":"), ensure_ascii=True)
    return _own(draw_id(plan.name, seed.since, seed.until), details, actor, captured_at,
                firm_years, said.encode("ascii"), "application/json")


def read_draw(event: CapturedEvent) -> tuple[Sample, Heads]:
    """What a draw's event says. Raises Refused for one that says nothing that reads."""
    said = dict(event.details)
    try:
        if event.kind != events.POLICY or said["action"] != DRAWN or event.raw is None:
            raise ValueError("no draw")
        body = json.loads(event.raw)
        drawn = tuple(Drawn(Item(bytes.fromhex(item_id), str(person), str(stratum), str(mandatory)),
                            str(why), str(found), int(place), int(of))
                      for item_id, person, stratum, mandatory, why, found, place, of
                      in body["items"])
        heads = tuple((str(topic), int(partition), int(end))
                      for topic, partition, end in body["heads"])
        return Sample(drawn, said["population"], int(said["count"])), heads
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise Refused(f"a draw that does not read: {type(error).__name__}") from error


def mark(plan: Plan, version: int, seed: Seed, drawn: Drawn, period: str) -> Flag:
    """What a drawn message carries, as a flag: `flag:sample.NAME` finds it, and so does a review.
    `period`: what the period is called."""
    why = {MANDATORY: f"all of {drawn.item.mandatory} is reviewed",
           STRATUM: f"{drawn.item.stratum}, rank {drawn.place} of {drawn.of}",
           PERSON: f"the least of one person, rank {drawn.place} of {drawn.of}"}[drawn.why]
    return Flag(
        message=drawn.item.item_id, policy=f"{MARK_POLICY}{plan.name}", rule=mark_rule(plan.name),
        version=version, severity="low", revision=f"{seed.since}:{seed.until}",
        reason=f"Drawn by the sample {plan.name} for {period} ({why}).",
        digest=plan.digest().hex(), mandatory=drawn.why == MANDATORY)


def mark_rule(name: str) -> str:
    """The rule of a plan's marks; no policy has a rule with a dot in its name."""
    return f"sample.{name}"


def is_mark(flag: Flag) -> bool:
    """Whether a flag says that a sample drew the message: no ground for another."""
    return flag.policy.startswith(MARK_POLICY)


# --- helpers -------------------------------------------------------------------------------------


def _own(native_id: str, details: dict[str, str], actor: str, captured_at: int, firm_years: int,
         raw: bytes | None, raw_type: str) -> CapturedEvent:
    return CapturedEvent(
        kind=events.POLICY, channel=events.FIRM_CHANNEL, source=SOURCE, account="",
        conversation=events.FIRM_CHANNEL, captured_at=captured_at, occurred_at=captured_at,
        occurred_precision="ms", native_id=native_id,
        actor=Identity(actor, "user"), details=tuple(sorted(details.items())),
        provenance=events.OWN, retention_class=domains.ROLE_NAMES[domains.FIRM],
        retention_years=firm_years, raw=raw, raw_type=raw_type if raw is not None else "")


def _distinct(population: Iterable[Item], plan: Plan) -> list[Item]:
    known: dict[bytes, Item] = {}
    strata = {name for name, _ in plan.strata}
    for one in population:
        if known.setdefault(one.item_id, one) != one:
            raise Refused(f"two items have the id {one.item_id.hex()}")
        if one.stratum not in strata:
            raise Refused(f"the plan has no stratum {one.stratum!r}")
    return [known[item_id] for item_id in sorted(known)]


def _ranked(items: Iterable[Item], ranks: dict[bytes, bytes]) -> list[Item]:
    return sorted(items, key=lambda one: (ranks[one.item_id], one.item_id))


def _drawn(ranked: Sequence[Item], taken: int, why: str,
           ranks: dict[bytes, bytes]) -> dict[bytes, Drawn]:
    return {one.item_id: Drawn(one, why, ranks[one.item_id].hex(), place, len(ranked))
            for place, one in enumerate(ranked[:taken], 1)}


def _by_id(drawn: Iterable[Drawn]) -> dict[bytes, Drawn]:
    return {one.item.item_id: one for one in drawn}


def _whole(one: Item) -> tuple[bytes, str, str, str]:
    return one.item_id, one.person, one.stratum, one.mandatory
