"""Decisions of the last minutes, until the index shows them.

Owns what makes a decision visible to who made it at once (DESIGN §2), and what makes a form that
was sent twice one decision. Both may be lost: the decision itself is on the log, and its id is made
of the form, so that a repetition is another sighting of one event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final

from schemas.errors import Refused, Transient
from schemas.events import REVIEW
from schemas.identity import canonical
from search.access.state import Held, StateStore, hashed
from search.review import facts
from search.review.facts import Fact

# The index is seconds behind; an indexer that stands still longer raises its own alarm.
KEPT_MS: Final = 60 * 60_000
_FORM_KEPT_MS: Final = 24 * 3_600_000
# A form whose sender died while it was being recorded may be sent again after this.
_UNDER_WAY_MS: Final = 30_000
# Of a decision's codes; one that saw more flags than fit is seen when it is indexed.
_CODES_CHARS_MAX: Final = 3_000
_ITEM: Final = "recent:"
_MINE: Final = "mine:"
_FORM: Final = "form"


class FormReused(Refused):
    """The form was sent before, and said something else."""

    def __init__(self) -> None:
        super().__init__("this form was sent before with another decision: open the item again")


@dataclass(frozen=True, slots=True)
class Said:
    """An act that is on the log: its fact, its event_id, and the readable names that its codes
    stand for."""

    fact: Fact
    act_id: bytes
    names: dict[str, str]


class Recent:
    """What was decided lately, and by which forms. Everything raises Transient when the store
    cannot be reached."""

    def __init__(self, state: StateStore, clock: Callable[[], int]) -> None:
        self._state = state
        self._clock = clock

    def begin(self, key: str, person: str, content: str) -> bool:
        """Whether the form is sent for the first time; False: it is recorded already.

        Raises FormReused, and Transient while the same form is being recorded.
        """
        name, digest, now = self._form(key, person), _digest(content), self._clock()
        held = self._state.get(name)
        if held is not None:
            if held.value["content"] != digest:
                raise FormReused
            if held.value["done"]:
                return False
            if now - int(held.value["at"]) < _UNDER_WAY_MS:
                raise Transient("this decision is being recorded: look again in a moment")
        if not self._state.put(name, {"content": digest, "done": 0, "at": now},
                               now + _FORM_KEPT_MS, held):
            raise Transient("this decision is being recorded: look again in a moment")
        return True

    def fail(self, key: str, person: str) -> None:
        """Nothing was recorded: the form may be sent again at once."""
        self._state.remove(self._form(key, person))

    def done(self, key: str, person: str, content: str) -> None:
        """The form's act is on the log."""
        name, now = self._form(key, person), self._clock()
        self._state.put(name, {"content": _digest(content), "done": 1, "at": now},
                        now + _FORM_KEPT_MS, self._state.get(name))

    def add(self, doc_id: str, person_token: str, said: Said, codes: Collection[str]) -> None:
        """Shown from now on to everybody who opens the item, and in the queue of who decided."""
        text = " ".join(codes)
        if len(text) > _CODES_CHARS_MAX:
            return
        until = self._clock() + KEPT_MS
        value: dict[str, str | int] = {
            "at": said.fact.at, "codes": text, "id": said.act_id.hex(),
            **{f"name.{token}": name for token, name in said.names.items()}}
        self._put(f"{_ITEM}{doc_id}:{said.fact.name}", value, until)
        self._put(f"{_MINE}{person_token}:{doc_id}", {"name": said.fact.name}, until)

    def of(self, doc_id: str) -> tuple[Said, ...]:
        """What was done about one item lately, indexed or not."""
        found = []
        for key, held in self._state.scan(f"{_ITEM}{doc_id}:"):
            one = _said(key.rpartition(":")[2], held)
            if one is not None:
                found.append(one)
        return tuple(found)

    def mine(self, person_token: str) -> Iterator[tuple[str, str]]:
        """(doc_id, name of the last act) of what a person did lately."""
        prefix = f"{_MINE}{person_token}:"
        for key, held in self._state.scan(prefix):
            yield key.removeprefix(prefix), str(held.value["name"])

    def settle(self, person_token: str, doc_id: str) -> None:
        """The index shows it: nothing more to add."""
        self._state.remove(f"{_MINE}{person_token}:{doc_id}")

    def _put(self, key: str, value: dict[str, str | int], until: int) -> None:
        self._state.put(key, value, until, self._state.get(key))

    @staticmethod
    def _form(key: str, person: str) -> str:
        return hashed(_FORM, person, key)


def _said(name: str, held: Held) -> Said | None:
    found = facts.fact(name, int(held.value["at"]), REVIEW, str(held.value["codes"]).split())
    if found is None:
        return None
    return Said(found, bytes.fromhex(str(held.value["id"])), {key.removeprefix("name."): str(value)
        for key, value in held.value.items() if key.startswith("name.")})


def _digest(content: str) -> str:
    return hashlib.sha256(canonical("counterfoil/review-form/v1", content)).hexdigest()
