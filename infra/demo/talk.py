"""Made-up talk between a law firm and its clients, where no corpus of real people is at hand.

Owns a small text for measurements that anybody can repeat: the same on every machine, nobody's
words. It has few patterns and few words, so whatever is measured on it is easier to read than a
firm's messages are; docs/THREATS.md prints an open corpus beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final

NAME: Final = "built-in talk"
_CONVERSATIONS: Final = 400
_SLOT: Final = re.compile(r"\{(\w+)\}")

_OPENERS: Final = (
    "Good morning {name}", "Hi {name}", "Hello", "Dear {name}", "Sorry to bother you again",
    "{name} here", "Hi, it is {name} from {firm}", "Thanks for your time on {day}",
)
_ASKED: Final = (
    "did you receive the {paper}?", "can you send me the {paper} by {day}?",
    "is the completion date still {day}?", "I have not heard from the {party} since {day}.",
    "when can we speak about the {paper}?", "the {party} wants another {amount} for the {thing}.",
    "how much is still owed on the {thing}?", "I cannot open the {paper} on my phone.",
    "could {name} come to the office on {day} at {hour}?", "who pays for the {thing}, us or them?",
    "the bank in {place} says the transfer of {amount} has not arrived.",
    "we would like to sell the {thing} in {place} before {month}.",
    "what happens if the {party} does not sign?", "please tell the {party} that we agree.",
    "I was told that the {paper} must be signed in front of a witness, is that so?",
    "my {relative} has found a buyer who offers {amount}.", "do I need to bring the {paper}?",
    "the price went up again, shall I still buy at {amount}?",
    "please cancel the order from {day}.",
    "I think there is a mistake in the {paper}, it says {amount} and not {amount}.",
    "the surveyor found damp in the {thing}.", "my {relative} does not want to sign the {paper}.",
)
_ANSWERED: Final = (
    "I will look at it and come back to you by {day}.", "Yes, the {paper} came this morning.",
    "No, not yet. I will ask the {party} today.",
    "The {party} has asked for more time until {day}.",
    "Please do not transfer anything before we have spoken.",
    "We need the original, a copy will not do.",
    "I have sent the {paper} to {name} at {firm} for signature.", "That is {amount} including tax.",
    "The hearing is on {day} at {hour} in {place}.", "You will have the {paper} in {month}.",
    "I am in a meeting until {hour}, may I call you after that?", "{name} will take care of it.",
    "The deposit of {amount} is due on {day}.", "The court in {place} has set a date in {month}.",
    "We cannot advise on that, please ask your accountant about the {thing}.",
    "Please bring the {paper} and your passport.", "The order was placed at {amount} on {day}.",
    "I would not sign the {paper} as it stands, let us talk first.",
    "Reference {number}, as agreed.",
)
_CLOSED: Final = (
    "Thank you", "Thanks {name}", "Ok", "Perfect, thank you", "Understood.", "👍", "🙏",
    "Great, see you on {day}", "Fine with me", "Ok, I will call at {hour}", "Many thanks, {name}",
    "That is a relief", "Yes please", "No problem", "All right, speak on {day}",
)
_FILLERS: Final[Mapping[str, Sequence[str]]] = {
    "name": ("Anna", "Ben", "Maria", "Omar", "Chen", "Lucía", "Priya", "Jonas", "Fatima", "Hugo",
             "Nina", "Pavel", "Grace", "Eva", "Tom", "Mei", "Noor", "Leo", "Ines", "Aiko", "Sam",
             "Rosa", "Viktor", "Dana", "Emeka", "Sofia", "Karl", "Yusuf", "Helga", "Liam"),
    "firm": ("Harrow and Lindt", "the bank", "the agency", "the other side", "Okafor Partners"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "tomorrow", "next week",
            "today", "the weekend"),
    "paper": ("contract", "lease", "draft", "deed", "invoice", "statement", "form", "offer",
              "power of attorney", "will", "report", "certificate", "mortgage deed", "letter"),
    "party": ("seller", "buyer", "landlord", "tenant", "bank", "insurer", "other side", "broker",
              "surveyor", "court", "agent", "tax office"),
    "thing": ("house", "flat", "garage", "roof", "kitchen", "car", "boat", "shop", "land",
              "shares", "bonds", "office", "garden wall", "warehouse"),
    "place": ("Leeds", "Porto", "Lagos", "Lyon", "Graz", "Bristol", "Turin", "Ghent", "Cork",
              "Malmö", "Split", "Cádiz", "Brno", "Łódź", "York", "Bergen", "Dundee", "Bath"),
    "month": ("January", "February", "March", "April", "May", "June", "July", "August",
              "September", "October", "November", "December"),
    "hour": ("nine", "ten", "half past ten", "eleven", "noon", "two", "three", "four"),
    "relative": ("brother", "sister", "mother", "father", "cousin", "wife", "husband", "son",
                 "daughter", "aunt"),
}


def conversations() -> Iterator[tuple[str, list[str]]]:
    """(a conversation's name, its texts in order)."""
    chance = _Chance()
    for number in range(_CONVERSATIONS):
        yield f"talk {number}", _conversation(chance)


def _conversation(chance: _Chance) -> list[str]:
    out = [f"{_filled(_OPENERS, chance)}, {_filled(_ASKED, chance)}"]
    for _ in range(1 + chance.below(4)):
        out.append(_filled(_ANSWERED, chance))
        out.append(_filled(_ASKED if chance.below(3) else _CLOSED, chance))
    return [*out, _filled(_CLOSED, chance)]


def _filled(patterns: Sequence[str], chance: _Chance) -> str:
    return _SLOT.sub(lambda slot: _filler(slot[1], chance), chance.one_of(patterns))


def _filler(slot: str, chance: _Chance) -> str:
    if slot == "amount":
        return f"{1 + chance.below(400)},{chance.below(10)}00"
    if slot == "number":
        return f"HL{10_000 + chance.below(90_000)}"
    return chance.one_of(_FILLERS[slot])


class _Chance:
    """A fixed stream of choices, the same on every machine. What stands first in a list is chosen
    more often, as words are."""

    def __init__(self) -> None:
        self._count = 0

    def below(self, limit: int) -> int:
        """A number from 0, each as likely."""
        self._count += 1
        digest = sha256(b"counterfoil talk %d" % self._count).digest()
        return int.from_bytes(digest[:8]) % limit

    def one_of(self, choices: Sequence[str]) -> str:
        """One of them."""
        return choices[min(self.below(len(choices)), self.below(len(choices)))]
