"""The firm of the bench `console`: its people, fifty reviewers of whom most see one desk only, its
messages, and what is right for each reviewer.

Owns what is planted and counted. A message of each desk holds a word that all of them share and a
secret that is this desk's alone, and was retracted: a page shows a secret to whoever may see it, in
full, and to nobody else. Totals are counted while the messages are made, by the reference
evaluator and by custodian; nothing of the index is asked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Final

from infra.config import load
from infra.wire import Wire
from schemas import domains, events
from schemas.document import RETRACTED
from schemas.events import CapturedEvent
from search.evaluate import Reading, Subject
from search.parse import parse
from search.query import answering
from search.stems import Stemmer
from tests.bench.search_messages import PEOPLE, RARE, Message, Messages, on_the_log
from tests.bench.search_questions import Screen

DESKS: Final = 10
PLANTED: Final = "quillfeather"                  # in no corpus
COMMON: Final = "the"
_SECRET: Final = "heron"
# Behind a wall for some who see everybody else.
WALLED: Final = "person.0003"
LANGUAGES: Final = ("english",)
_BATCH: Final = 1_000
# How a supervisor writes it -> how often, beside the others.
QUESTIONS: Final[Mapping[str, int]] = {
    PLANTED: 3,
    RARE: 2,
    COMMON: 1,
    '"your order is"': 2,
    "order w/5 ready": 2,
    "confirm*": 2,
    "payment~1": 1,
    "(send OR order OR check) NOT coffee from:person.0007 date:2026-01..2026-06": 2,
    "state:retracted order": 2,
    "flag:off-channel direction:out": 3,
    "(pattern:iban OR attachment:pdf) date:2026-03": 2,
    "transfer account": 3,
}
FLAGGED: Final = "flag:*"

Totals = dict[str, Counter[str]]
"""By question: how many messages answer it, by custodian."""


@dataclass(frozen=True, slots=True)
class Reviewer:
    """`desk`: whose messages are seen; null = everybody's. `walled`: but for those of WALLED."""

    person: str
    desk: int | None
    walled: bool = False

    def sees(self, custodian: str) -> bool:
        """Whether messages of this custodian are shown."""
        if self.walled and custodian == WALLED:
            return False
        return self.desk is None or desk_of(custodian) == self.desk


@dataclass(frozen=True, slots=True)
class Made:
    """One share of the messages: what was captured, and what answers each question."""

    events: int
    messages: int
    totals: Totals


def desk_of(custodian: str) -> int:
    """Which desk a person sits at."""
    return int(custodian.rpartition(".")[2]) % DESKS


def secret(desk: int) -> str:
    """What is said at one desk only."""
    return f"{_SECRET}{desk:02d}x{desk * 7919 + 104_729:06d}"


SECRETS: Final = re.compile(rf"{_SECRET}\d\dx\d{{6}}")


def reviewers(count: int) -> list[Reviewer]:
    """Four of five supervise one desk; the others see every desk, every second one of them but for
    the person behind the wall."""
    return [Reviewer(f"reviewer.{number:02d}", None, number % 10 == 0) if number % 5 == 0
            else Reviewer(f"reviewer.{number:02d}", number % DESKS) for number in range(count)]


def provision(home: Path, url: str, partitions: int, people: Iterable[Reviewer]) -> None:
    """A data folder with an embedded log and store and this Elasticsearch: who is who, who may see
    what."""
    home.mkdir(parents=True, mode=0o700)
    (home / "counterfoil.toml").write_text(f"""\
[log]
partitions = {partitions}

[index]
driver = "elasticsearch"
url = "{url}"
name = "bench-console"
""", "utf-8")
    (home / "directory.toml").write_text("".join(_directory()), "utf-8")
    access = home / "access.toml"
    access.touch(mode=0o600)
    access.write_text("".join(_access(list(people))), "utf-8")
    Wire(load(home)).provision_once()


def _directory() -> Iterator[str]:
    for number in range(PEOPLE):
        yield f'[[custodian]]\nid = "person.{number:04d}"\nname = "Person {number}"\n'
        for channel in ("whatsapp", "sms"):
            yield (f'[[account]]\nchannel = "{channel}"\naccount = "+1555{number:07d}"\n'
                   f'custodian = "person.{number:04d}"\n')
    for desk in range(DESKS):
        members = ", ".join(f'"person.{number:04d}"' for number in range(desk, PEOPLE, DESKS))
        yield f'[[group]]\nname = "desk-{desk}"\nmembers = [{members}]\n'


def _access(people: list[Reviewer]) -> Iterator[str]:
    for one in people:
        role, group = ("compliance", "*") if one.desk is None else (
            "supervisor", f"desk-{one.desk}")
        yield (f'[[person]]\nid = "{one.person}"\nname = "Reviewer {one.person[-2:]}"\n'
               f'roles = ["{role}"]\ngroups = ["{group}"]\n')
    walled = ", ".join(f'"{one.person}"' for one in people if one.walled)
    yield (f'[[wall]]\nname = "Juniper"\nreason = "bench"\ncustodians = ["{WALLED}"]\n'
           f'against = {{people = [{walled}]}}\n')
    yield "[settings]\nrequire_totp = false\nsession_minutes = 480\n"


def capture(home: Path, seed: int, share: int, messages: int) -> Made:
    """Put one share of the messages on the log, as the gateway and the policies would, and count
    what answers. For a process of its own."""
    wire, count = Wire(load(home)), _Count()
    with closing(wire.capture_log()) as log:
        recorders = {name: wire.recorder(name, log) for name in ("gateway", "search")}
        waiting: dict[str, list[CapturedEvent]] = {name: [] for name in recorders}
        captured = 0
        made = _planted(Messages(seed, share).written(messages), share)
        for event, _ in on_the_log(_noted(made, count)):
            captured += 1
            # What the firm says of a message is not the gateway's to say.
            role = "search" if event.kind in domains.FIRM_KINDS else "gateway"
            waiting[role].append(event)
            if len(waiting[role]) >= _BATCH:
                recorders[role].record_all(waiting[role])
                waiting[role].clear()
        for role, rest in waiting.items():
            recorders[role].record_all(rest)
    return Made(captured, messages, count.totals)


def _noted(made: Iterable[Message], count: _Count) -> Iterator[Message]:
    for one in made:
        count.add(one.about, one.captured[0].custodian)
        yield one


def _planted(made: Iterable[Message], share: int) -> Iterator[Message]:
    """In the first share, the first plain message of each desk is the one with the secret."""
    wanted = set(range(DESKS)) if share == 0 else set()
    for one in made:
        first = one.captured[0]
        desk = desk_of(first.custodian)
        if desk not in wanted or len(one.captured) > 1 or one.about.marks \
                or first.custodian == WALLED:
            yield one
            continue
        wanted.discard(desk)
        text = f"the {PLANTED} said {secret(desk)} and no more"
        first = replace(first, text=text)
        gone = replace(
            first, kind=events.RETRACTION, text=None, content_state=events.ABSENT_BY_SOURCE,
            native_id=f"{first.native_id}/1", target=first.native_id,
            target_known=events.EXPLICIT, captured_at=first.captured_at + 42_000,
            occurred_at=(first.occurred_at or 0) + 42_000, attachments=())
        yield Message(replace(one.about, texts=(text,), state=RETRACTED, kinds=frozenset(
            {first.kind, events.RETRACTION})), (first, gone))
    if wanted:
        raise AssertionError(f"too few messages for the secrets of {len(wanted)} desks")


class _Count:
    """What answers each question, by custodian."""

    def __init__(self) -> None:
        self._trees = {text: parse(text, zone=UTC) for text in (*QUESTIONS, FLAGGED)}
        self._kinds = {text: answering(tree) for text, tree in self._trees.items()}
        self._stems = Stemmer(LANGUAGES)
        self._screen = Screen(self._trees.values(), self._stems)
        self.totals: Totals = {text: Counter() for text in self._trees}

    def add(self, about: Subject, custodian: str) -> None:
        """One more message."""
        reading: Reading | None = None
        for (text, tree), may in zip(self._trees.items(), self._screen.of(about), strict=True):
            if may and about.kind in self._kinds[text]:
                reading = reading or Reading(about, stems=self._stems)
                if reading.matches(tree):
                    self.totals[text][custodian] += 1


def together(made: Iterable[Made]) -> Totals:
    """The counts of all shares."""
    out: Totals = {}
    for one in made:
        for text, people in one.totals.items():
            out.setdefault(text, Counter()).update(people)
    return out


def right_for(one: Reviewer, totals: Totals) -> dict[str, int]:
    """What each question's total is for a reviewer."""
    return {text: sum(count for custodian, count in people.items() if one.sees(custodian))
            for text, people in totals.items()}


def allowed(one: Reviewer) -> list[str]:
    """The secrets that a reviewer may see."""
    return [secret(desk) for desk in range(DESKS) if one.desk in (None, desk)]
