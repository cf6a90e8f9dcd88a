"""A message in its conversation -> the flags that the policies in force raise on it (DESIGN §7).

Owns which rules are asked, and what a flag says. Every text that a message ever had is looked at by
itself, the retracted one included, and all of them together as a search does: whatever a search for
a rule's query answers with is flagged, but for what the rule itself leaves out (zones, exempt
senders). No text is too short, and nothing is capped. A function of the policies, the firm's
settings and the conversation: the same for a message that comes in and for a replay over years.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from schemas import events
from schemas.errors import Refused
from search import evaluate, tree
from search.policy import forms, habit, obfuscation, revisions, windows
from search.policy.conditions import Firm, Gate, group_of, unknown_groups
from search.policy.flags import Flag, Place, bounded
from search.policy.lexicon import (
    ANY,
    AboveHabit,
    Lexicon,
    NumberChanged,
    Removed,
    RetractedSoon,
    Rule,
    Window,
)
from search.policy.look import Hit, Look, Ready
from search.policy.message import Message, Version
from search.policy.screen import Held, Screen, bits
from search.tree import Tree
from search.words import NO_STEMS, Stem, Stems

# A message of so few characters may be one letter of a word that is sent letter by letter.
_LETTER_CHARS_MAX: Final = 2
_NOBODY: Final[frozenset[tuple[str, str]]] = frozenset()


class Engine:
    """Policies, ready to be asked. Holds no message; safe to share between threads."""

    def __init__(self, policies: Iterable[Lexicon], firm: Firm | None = None, *,
                 stems: Stems = NO_STEMS, token_of: Callable[[str], str] | None = None) -> None:
        """`policies`: those in force, one version of each (`lexicon.in_force`). `stems`: of the
        search's languages; `token_of`: the token of a conversation, where a rule names one so.

        Raises Refused for a rule that names a group that the directory lacks, or that asks for
        stems where there are none: it would never hit, and nobody would know.
        """
        self._firm = firm or Firm()
        self._stems = stems
        self._token_of = token_of
        ready = [one for policy in policies for one in _made(policy, self._firm)]
        for one in ready:
            _check(one, self._firm, stems)
        self._habits = tuple(one for one in ready if isinstance(one.rule.revision, AboveHabit))
        self._rules = [one for one in ready if not isinstance(one.rule.revision, AboveHabit)]
        self._has_oks = any(isinstance(one.rule.revision, NumberChanged) for one in ready)
        self._screen = Screen([one.rule for one in self._rules], stems)
        self._disguised = _mask(one.rule.obfuscation for one in self._rules)
        self._by_letter = self._disguised & _mask(
            one.rule.window is not None for one in self._rules)
        self._facing = {direction: _mask(
            direction is None or one.rule.conditions.direction in (ANY, direction)
            for one in self._rules) for direction in (events.IN, events.OUT, None)}
        self.windows: tuple[Window, ...] = tuple(dict.fromkeys(
            one.rule.window for one in self._rules if one.rule.window is not None))

    def flags(self, message: Message, around: Iterable[Message] = ()) -> tuple[Flag, ...]:
        """The flags on a message. `around`: as much of its conversation as is at hand;
        `windows.LOOK_BACK_MAX` messages before it are all that the windows reach."""
        conversation = windows.in_order([*around, message])
        at = next(n for n, one in enumerate(conversation) if one.key == message.key)
        return self.flags_at(conversation, at)

    def flags_at(self, conversation: Sequence[Message], at: int) -> tuple[Flag, ...]:
        """The flags on the message at index `at` of a conversation in order."""
        message = conversation[at]
        mask, held = self._concerned(message)
        if not mask:
            return ()
        look = Look(message, self._firm, self._stems, self._names(message),
                    lambda asked: self._screen.pruned(asked, held))
        return tuple(flag for number in bits(mask)
                     for flag in self._of(self._rules[number], look, conversation, at))

    def affected(self, conversation: Sequence[Message], key: bytes) -> list[Message]:
        """The messages of a conversation in order that are looked at again, in order, when
        something of the message `key` has come: what is read together with it, and what was edited
        around it. Retractions far above habit are `habits`, and no conversation's."""
        found = windows.affected(conversation, key, self.windows)
        if self._has_oks and found:
            at, known = found[0].at, {one.key for one in found}
            found += [one for one in conversation if one.key not in known and (
                one.versions[0].at <= at <= one.versions[-1].at)]
        return windows.in_order(found)

    @property
    def habits(self) -> tuple[Ready, ...]:
        """The rules on retractions far above habit: `flags_at` does not raise them, `habit_flag`
        does for what `habit.unusual` finds (habitdays.py)."""
        return self._habits

    def habit_flag(self, ready: Ready, message: Message, found: habit.Unusual) -> Flag:
        """The flag on a message that was taken back far above habit; `ready`: of `habits`."""
        back = habit.taken_back(message)
        assert back is not None
        return _flag(ready, message, back, _habit_words(found, above_habit(ready)))

    @property
    def firm(self) -> Firm:
        """What of the firm the policies are read with."""
        return self._firm

    def _concerned(self, message: Message) -> tuple[int, Held]:
        """The rules that may hit the message, and what its texts hold, in disguise or not."""
        plain, disguised, is_letter = Held(), Held(), False
        allowed = self._facing[message.lead.direction]
        asks_disguises = self._disguised & allowed
        # Words may come from different texts of a message.
        for version in message.texts:
            text = version.event.text or ""
            plain = plain.both(self._screen.held(text))
            if asks_disguises:
                for read in obfuscation.readings(text):
                    disguised = disguised.both(self._screen.held(read.text))
                is_letter |= len(text.strip()) <= _LETTER_CHARS_MAX
        mask = self._screen.rules(plain)
        if disguised.slots:
            plain = plain.both(disguised)
            mask |= self._screen.rules(plain) & self._disguised
        if is_letter:
            mask |= self._by_letter
        return mask & allowed, plain

    def _names(self, message: Message) -> frozenset[str]:
        name = message.lead.conversation
        return frozenset((name,) if self._token_of is None else (name, self._token_of(name)))

    def _of(self, ready: Ready, look: Look, conversation: Sequence[Message],
            at: int) -> Iterator[Flag]:
        revision = ready.rule.revision
        if revision is not None and len(look.message.versions) < 2:
            return
        if not ready.gate.passes(look.message):
            return
        if isinstance(revision, NumberChanged):
            yield from self._numbers_changed(ready, look, conversation, revision)
        elif isinstance(revision, Removed):
            yield from _removed(ready, look)
        elif isinstance(revision, RetractedSoon):
            yield from _taken_back(ready, look, look.hits(ready, conversation, at), revision)
        else:
            for hit in look.hits(ready, conversation, at):
                yield _flag(ready, look.message, hit.version, _hit_words(ready, hit), hit)

    def _numbers_changed(self, ready: Ready, look: Look, conversation: Sequence[Message],
                         rule: NumberChanged) -> Iterator[Flag]:
        def is_ok(text: str) -> bool:
            return evaluate.matches(rule.ok_tree, _alone(text), stems=self._stems)

        message = look.message
        for one in revisions.numbers_changed_after_ok(message, conversation, is_ok):
            before, after = one.change.before, one.change.after
            if ready.rule.trees() and not (look.hit(ready, before) or look.hit(ready, after)):
                continue
            ok_text = one.ok.version.text or ""
            ok_key = message.key if one.ok.message is None else one.ok.message.key
            places = (
                Place(message.key, before.event_id, tuple((n.start, n.end) for n in one.gone)),
                Place(message.key, after.event_id, tuple((n.start, n.end) for n in one.new)),
                Place(ok_key, one.ok.version.event_id, tuple(evaluate.highlights(
                    rule.ok_tree, ok_text, stems=self._stems))))
            yield _flag(ready, message, after, _number_words(one),
                        Hit(after, tuple(place for place in places if place.ranges)))


def above_habit(ready: Ready) -> AboveHabit:
    """What a rule of `Engine.habits` asks."""
    assert isinstance(ready.rule.revision, AboveHabit)
    return ready.rule.revision


def party_values(policies: Iterable[Lexicon]) -> frozenset[str]:
    """The people whom policies name, groups apart: `Firm.links` says who else they are."""
    rules = [(policy, rule) for policy in policies for rule in policy.rules]
    named = {leaf.value for _, rule in rules for leaf in _leaves(rule)
             if isinstance(leaf, tree.Party)}
    named.update(name for policy, rule in rules for name in _people(policy, rule)
                 if not group_of(name))
    return frozenset(named)


def _removed(ready: Ready, look: Look) -> Iterator[Flag]:
    for change in revisions.changes(look.message):
        hit = look.hit(ready, change.before)
        gone = revisions.removed(change, lambda one: look.ranges(ready, one)) if hit else ()
        if hit is not None and gone:
            how = "an edit" if change.after.event.kind == events.EDIT else "a retraction"
            place = Place(look.message.key, change.before.event_id, gone)
            yield _flag(ready, look.message, change.after,
                        f"words of the rule were removed by {how}, "
                        f"{_seconds(change.after.at - change.before.at)} after they were written",
                        Hit(change.before, (place,), hit.score, hit.cut))


def _taken_back(ready: Ready, look: Look, hits: Sequence[Hit],
                rule: RetractedSoon) -> Iterator[Flag]:
    found = revisions.taken_back_within(look.message, [one.version for one in hits], rule.seconds)
    if found is None:
        return
    mark, version = found
    hit = next(one for one in hits if one.version is version)
    yield _flag(ready, look.message, mark,
                f"{_hit_words(ready, hit)}; taken back {_seconds(mark.at - version.at)} later", hit)


def _flag(ready: Ready, message: Message, version: Version, how: str,
          hit: Hit | None = None) -> Flag:
    policy, rule = ready.policy, ready.rule
    places, left_out = bounded(hit.places if hit else ())
    return Flag(
        message=message.key, policy=policy.policy_id, rule=rule.rule_id, version=policy.version,
        severity=policy.severity, revision=version.revision(), digest=ready.digest,
        reason=f"{rule.why.rstrip('.')} ({how}).", places=places, left_out=left_out,
        score=hit.score if hit else None, cut=hit.cut if hit else (), mandatory=policy.mandatory)


# --- reasons in words: the rule's, never the message's ------------------------------------------


def _hit_words(ready: Ready, hit: Hit) -> str:
    said = ["the message is as the rule describes"]
    if hit.score is not None:
        said = [f"{hit.score} points of the {ready.rule.threshold} that are enough"]
    elif hit.places:
        said = ["words of the rule are in the text"]
    if hit.version.event.kind == events.EDIT:
        said.append("after an edit")
    if hit.is_disguised:
        said.append("in disguise")
    if hit.others:
        said.append(f"together with {hit.others} message{'s' * (hit.others > 1)} before it")
    if hit.cut:
        names = dict.fromkeys(one.zone for one in hit.cut)
        said.append(f"not counting what is {' or '.join(names)}")
    return ", ".join(said)


def _number_words(one: revisions.NumberChange) -> str:
    what = "changed" if one.gone and one.new else ("removed" if one.gone else "added")
    after = _seconds(one.change.after.at - one.ok.version.at)
    return f"a number was {what} by an edit, {after} after the other side's OK"


def _habit_words(one: habit.Unusual, rule: AboveHabit) -> str:
    return (f"{one.in_period} messages taken back in {rule.period_h} hours, of {one.sent} sent; by "
            f"the habit of the {rule.history_d} days before, {one.expected:.3g} would be expected "
            f"and so many have a probability of {one.tail:.2g}")


def _seconds(ms: int) -> str:
    seconds = max(0, ms) // 1_000
    return f"{seconds} second{'s' * (seconds != 1)}"


# --- rules, ready to be asked --------------------------------------------------------------------


def _made(policy: Lexicon, firm: Firm) -> list[Ready]:
    own, digest = forms.phrases(policy.disclaimers), policy.digest()
    return [Ready(policy, digest, rule, Gate(rule.conditions, (*policy.exempt, *rule.exempt), firm),
                  own, any(isinstance(leaf, tree.Marked) for leaf in _leaves(rule)))
            for rule in policy.rules]


def _check(ready: Ready, firm: Firm, stems: Stems) -> None:
    rule = ready.rule
    where = f"policy {ready.policy.policy_id} version {ready.policy.version}, rule {rule.rule_id}"
    unknown = unknown_groups(_people(ready.policy, rule), firm.directory)
    if unknown:
        raise Refused(f"{where}: the directory has no group {unknown[0]!r}")
    if stems is NO_STEMS and _asks_stems(rule):
        raise Refused(f"{where}: stem: needs the search's languages to be configured")


def _people(policy: Lexicon, rule: Rule) -> tuple[str, ...]:
    asked = rule.conditions
    return (*asked.senders, *asked.recipients, *asked.parties, *rule.exempt, *policy.exempt)


def _asks_stems(rule: Rule) -> bool:
    return any(isinstance(slot, Stem) for leaf in _leaves(rule) if isinstance(leaf, tree.Text)
               for slot in leaf.slots)


def _leaves(rule: Rule) -> Iterator[Tree]:
    asked = [*rule.trees(), *(one.tree for one in rule.terms)]
    if isinstance(rule.revision, NumberChanged):
        asked.append(rule.revision.ok_tree)
    return (leaf for one in asked for leaf in tree.leaves(one))


def _mask(asked: Iterable[bool]) -> int:
    return sum(1 << number for number, one in enumerate(asked) if one)


def _alone(text: str) -> evaluate.Subject:
    """A text by itself, for a query of words."""
    return evaluate.Subject(
        texts=(text,), actors=_NOBODY, recipients=_NOBODY, channel="", state="", kind="",
        kinds=frozenset(), sort_at=0, conversations=frozenset())
