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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from schemas import domains, events
from schemas.errors import Refused
from schemas.events import CapturedEvent, Identity
from schemas.identity import canonical

SOURCE: Final = "policy/1"
ACTION: Final = "sample_seed"
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
    reviewed whole."""

    name: str
    strata: tuple[tuple[str, int], ...]
    per_person: int = 1
    mandatory: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [name for name, _ in self.strata]
        if not 1 <= len(names) <= STRATA_MAX or len(set(names)) != len(names):
            raise Refused(f"a sampling plan has 1 to {STRATA_MAX} strata, each once")
        if not all(0 <= share <= WHOLE for _, share in self.strata) or self.per_person < 0:
            raise Refused(f"a share is 0 to {WHOLE} hundredths of a percent, at least 0 per person")

    def digest(self) -> bytes:
        """32 bytes: the same for the same plan, however its strata and classes are ordered."""
        strata = [part for pair in sorted(self.strata) for part in pair]
        return hashlib.sha256(canonical(
            "counterfoil/sample-plan/v1", self.name, self.per_person, len(self.strata), *strata,
            *sorted(set(self.mandatory)))).digest()


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


def seed_event(plan: Plan, seed: Seed, actor: str, captured_at: int,
               firm_years: int) -> CapturedEvent:
    """The event that puts a seed on record. Raises Refused where the period has begun.

    Its id holds no seed: a second seed for one plan and period is another sighting of the first,
    which leads, and the difference shows.
    """
    if captured_at >= seed.since:
        raise Refused("the period has begun: a seed is made before it")
    details = {"action": ACTION, "plan": plan.digest().hex(), "plan_name": plan.name,
               "seed": seed.value.hex(), "since": str(seed.since), "until": str(seed.until)}
    return CapturedEvent(
        kind=events.POLICY, channel=events.FIRM_CHANNEL, source=SOURCE, account="",
        conversation=events.FIRM_CHANNEL, captured_at=captured_at, occurred_at=captured_at,
        occurred_precision="ms",
        native_id=f"sample_seed:{plan.digest().hex()}:{seed.since}:{seed.until}",
        actor=Identity(actor, "user"), details=tuple(sorted(details.items())),
        provenance=events.OWN, retention_class=domains.ROLE_NAMES[domains.FIRM],
        retention_years=firm_years)


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


# --- helpers -------------------------------------------------------------------------------------


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
