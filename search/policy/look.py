"""One message, looked at by the rules of the policies: which of its texts each hits, and where.

Owns what a hit is. A text is read without the zones that do not count for the rule; where a rule
has a window, together with the messages before it; and where that is no hit and the rule says so,
in plain letters (obfuscation.py). Places are those of the text as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from search import evaluate
from search.identity import Sides
from search.marks import Label, marks_of
from search.policy import obfuscation, windows, zones
from search.policy.conditions import Firm, Gate
from search.policy.flags import Place
from search.policy.lexicon import Lexicon, Rule
from search.policy.message import Message, Version
from search.policy.reading import Mapped, Range, Segment, Source, merged, segments
from search.policy.zones import Cut, Zoned
from search.tree import Tree
from search.words import Stems

Group = tuple[tuple[Message, Version], ...]
"""Texts that are read side by side, in the conversation's order."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A rule, and what is made of it once. `own`: its policy's disclaimers; `asks_marks`: whether
    it asks for attachments or identifiers."""

    policy: Lexicon
    digest: str
    rule: Rule
    gate: Gate
    own: re.Pattern[str] | None
    asks_marks: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule hits `version` of the message. `others`: messages around it that are part of it."""

    version: Version
    places: tuple[Place, ...]
    score: int | None = None
    cut: tuple[Cut, ...] = ()
    is_disguised: bool = False
    others: int = 0


@dataclass(frozen=True, slots=True)
class _Text:
    """What is asked about: a segment of `group`, or (`disguise`) that in plain letters."""

    text: str
    group: Group
    segment: Segment
    disguise: Mapped | None = None


class Look:
    """A message while it is looked at. What several rules need of it is made once."""

    def __init__(self, message: Message, firm: Firm, stems: Stems,
                 conversations: frozenset[str],
                 pruned: Callable[[Tree], Tree | None] = lambda asked: asked) -> None:
        """`conversations`: what its conversation is called, as `conversation:` names it. `pruned`:
        a query -> what of it can be true of this message's own texts (screen.py)."""
        self.message = message
        self._pruned = pruned
        self._read: dict[tuple[object, ...], list[_Text]] = {}
        self._disguises: dict[int, list[_Text]] = {}
        self._readings: dict[tuple[tuple[str, ...], bool], evaluate.Reading] = {}
        self._firm = firm
        self._stems = stems
        self._conversations = conversations
        self._cuts: dict[tuple[int, int], tuple[Cut, ...]] = {}

    def hits(self, ready: Ready, conversation: Sequence[Message], at: int) -> list[Hit]:
        """A hit for each text of the message that the rule hits, in order; `conversation[at]` is
        the message."""
        if ready.rule.window is not None:
            return self._hits_together(ready, windows.window(conversation, at, ready.rule.window))
        message = self.message
        # Without words in the rule or in the message there is one thing to look at.
        versions = message.texts if message.texts else message.versions[:1]
        hits = [self.hit(ready, version) for version in versions]
        found = [one for one in hits if one is not None]
        if found or len(versions) < 2:
            return found
        # As a search has it: words may come from different versions, a phrase may not.
        for groups in accumulate([((message, one),)] for one in versions):
            hit = self._look(ready, groups, groups[-1][0][1])
            if hit is not None:
                return [hit]
        return []

    def hit(self, ready: Ready, version: Version) -> Hit | None:
        """Whether the rule hits this version of the message, read by itself."""
        return self._look(ready, [((self.message, version),)], version)

    def ranges(self, ready: Ready, version: Version) -> tuple[Range, ...]:
        """Where words of the rule stand in the text of a version, hit or not."""
        texts = self._texts(ready, [((self.message, version),)])
        if ready.rule.obfuscation:
            texts = [*texts, *self._disguised(texts)]
        places = self._places(ready.rule.trees(), texts)
        return merged(one for place in places for one in place.ranges)

    def _hits_together(self, ready: Ready, together: Sequence[Message]) -> list[Hit]:
        found: dict[str, Hit] = {}
        for lane in windows.lanes(together):
            own = lane[-1]
            revision = own.revision()
            if revision in found:
                continue
            hit = self._look(ready, [tuple(zip(together, lane, strict=True))], own)
            # What an earlier message says alone was its own hit.
            if hit is not None and any(one.message == self.message.key for one in hit.places):
                found[revision] = hit
        return list(found.values())

    def _look(self, ready: Ready, groups: Sequence[Group], version: Version) -> Hit | None:
        text = version.event.text
        zoned = self._zoned(ready, version)
        if text and not any(text[start:end].strip() for start, end in zoned.kept):
            return None
        if text and not ready.gate.speaks(text):
            return None
        texts = self._texts(ready, groups)
        asked = self._asked(ready, texts)
        is_disguised = False
        if asked is None and ready.rule.obfuscation:
            disguises = self._disguised(texts)
            if disguises:
                texts, is_disguised = [*texts, *disguises], True
                asked = self._asked(ready, texts)
        if asked is None:
            return None
        score, trees = asked
        places = self._places(trees, texts)
        return Hit(version, places, score, zoned.cut, is_disguised,
                   len({one.message for one in places} - {self.message.key}))

    def _texts(self, ready: Ready, groups: Sequence[Group]) -> list[_Text]:
        # Most rules leave out the same zones: what they read is read once.
        name = (ready.rule.zones_out, id(ready.own),
                *(id(version.event) for group in groups for _, version in group),
                *map(len, groups))
        found = self._read.get(name)
        if found is None:
            found = self._read[name] = []
            for group in groups:
                sources = [Source(version.event.text or "", self._zoned(ready, version).kept)
                           for _, version in group]
                found += [_Text(one.text, group, one) for one in segments(sources)]
        return found

    def _disguised(self, texts: list[_Text]) -> list[_Text]:
        """Their other readings. `texts`: as `_texts` gave them, which keeps them."""
        found = self._disguises.get(id(texts))
        if found is None:
            found = self._disguises[id(texts)] = _disguises(texts)
        return found

    def _asked(self, ready: Ready,
               texts: Sequence[_Text]) -> tuple[int | None, tuple[Tree, ...]] | None:
        """(points, the queries that hit), or null where the rule does not."""
        rule = ready.rule
        reading = self._reading(tuple(one.text for one in texts), asks_marks=ready.asks_marks)
        if rule.terms:
            matching = [one for one in rule.terms if self._matches(ready, reading, one.tree)]
            score = sum(one.weight for one in matching)
            trees = tuple(one.tree for one in matching if one.weight > 0)
            return (score, trees) if score >= rule.threshold else None
        if rule.tree is not None and not self._matches(ready, reading, rule.tree):
            return None
        return None, rule.trees()

    def _matches(self, ready: Ready, reading: evaluate.Reading, asked: Tree) -> bool:
        # A window reads other messages, too, whose words nobody has looked for yet.
        left = asked if ready.rule.window is not None else self._pruned(asked)
        return left is not None and reading.matches(left)

    def _reading(self, texts: tuple[str, ...], *, asks_marks: bool) -> evaluate.Reading:
        name = texts, asks_marks
        found = self._readings.get(name)
        if found is None:
            about = self._subject(texts, self._marks if asks_marks else frozenset())
            found = self._readings[name] = evaluate.Reading(
                about, region=self._firm.region, links=self._firm.links, stems=self._stems)
        return found

    def _places(self, trees: Iterable[Tree], texts: Sequence[_Text]) -> tuple[Place, ...]:
        """Where the words of `trees` stand, in the order of the texts that they stand in."""
        found: dict[tuple[bytes, bytes], list[Range]] = {
            (message.key, version.event_id): [] for one in texts for message, version in one.group}
        for asked in trees:
            for one in texts:
                ranges = evaluate.highlights(asked, one.text, stems=self._stems)
                if one.disguise is not None:
                    ranges = [one.disguise.origin(start, end) for start, end in ranges]
                for source, place in one.segment.origin(ranges):
                    message, version = one.group[source]
                    found[message.key, version.event_id].append(place)
        return tuple(Place(message_key, event_id, merged(ranges))
                     for (message_key, event_id), ranges in found.items() if ranges)

    def _zoned(self, ready: Ready, version: Version) -> Zoned:
        text = version.event.text or ""
        if not ready.rule.zones_out:
            return zones.without(text, (), ())
        key = id(version.event), id(ready.own)
        cuts = self._cuts.get(key)
        if cuts is None:
            cuts = self._cuts[key] = zones.find(text, version.whole_zone(), ready.own)
        return zones.without(text, cuts, ready.rule.zones_out)

    def _subject(self, texts: tuple[str, ...], marks: frozenset[Label]) -> evaluate.Subject:
        message, sides = self.message, self._sides
        return evaluate.Subject(
            texts=texts, actors=sides.actor, recipients=sides.recipients,
            channel=message.lead.channel, state=message.state, kind=message.lead.kind,
            kinds=self._kinds, sort_at=message.at, conversations=self._conversations,
            direction=message.lead.direction, marks=marks)

    @cached_property
    def _sides(self) -> Sides:
        return self.message.sides(self._firm.assigned)

    @cached_property
    def _marks(self) -> frozenset[Label]:
        return frozenset(label for one in self.message.captured for label in marks_of(one))

    @cached_property
    def _kinds(self) -> frozenset[str]:
        return frozenset(one.kind for one in self.message.captured)


def _disguises(texts: Iterable[_Text]) -> list[_Text]:
    return [_Text(read.text, one.group, one.segment, read)
            for one in texts for read in obfuscation.readings(one.text)]
