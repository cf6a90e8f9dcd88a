"""The lines of a chat export against those that were read before (PROTOCOL C6). Pure.

Owns which line of a file is which known line, though exports have no message ids and their seconds
differ from one export to the next: equal lines are paired in time, then what stands where a known
line was is a tombstone, an edit or a change of it. What a line *says* is its reader's.

Rules: a line is at most one known line; an equal one nearer in time wins; a line never takes the
place of one that is still there; three equals in a minute are three. Nobody is accused by a guess:
a tombstone is pinned on a message only where as many lines of its author are gone as tombstones
stand there.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from ingest.ledger import LedgerLine

MESSAGE: Final = "message"
NOTICE: Final = "notice"
TOMBSTONE: Final = "tombstone"
# What an app writes where it has no content to show: it says nothing of the message.
PLACEHOLDER: Final = "placeholder"

# What a line of the file is, beside `imports.NEW | KNOWN | EDIT | RETRACTION`.
SAME: Final = "same"                # it was read before
FRESH: Final = "fresh"              # it was not
RETRACTED: Final = "retracted"      # a tombstone where a known message was
EDITED: Final = "edited"            # another body, and it says that it was edited
CHANGED: Final = "changed"          # another body, and it does not say so
REVEALED: Final = "revealed"        # a body where only a tombstone was known
COMPLETED: Final = "completed"      # a body where only a placeholder was known
HIDDEN: Final = "hidden"            # a placeholder where a known message was
REWORDED: Final = "reworded"        # a notice in other words (another language of the app)

# Two exports of one message may differ by this much (CAPTURE §3, measured).
SECONDS_APART_MAX: Final = 1
# Above this many pairs equals are matched by time alone, without looking for the best sum; and
# of what could have replaced what, only what has no other choice.
_PAIRS_MAX: Final = 10_000
# There, how far to look along the known lines for one that had this body before.
_WINDOW_LINES: Final = 16
# How far to look for a line that both sides know, to say between which two a line stands.
_ANCHOR_STEPS_MAX: Final = 64
# The same chat exported in another time zone: all times shifted by a multiple of this.
_ZONE_STEP_SECONDS: Final = 15 * 60
_ZONE_SECONDS_MAX: Final = 26 * 3600
_VOTES_MIN: Final = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One line as a file shows it: as `LedgerLine`, without what only memory gives. `edited` =
    the line itself says that it was edited; `letters` = how many its body has."""

    minute: int
    second: int | None
    author: bytes
    body: bytes
    kind: str
    edited: bool = False
    letters: int = 0


@dataclass(slots=True)
class Alignment:
    """`known[i]` is the index of the known line that line i of the file is, or -1; `how[i]` is what
    it is to it; `absent` are the known lines that the file lacks although it has lines before and
    after them; `shift` seconds were taken off the file's times (another zone). `unclear`: of
    tombstones that are pinned on nothing, the known lines that each may be about."""

    known: list[int]
    how: list[str]
    absent: tuple[int, ...] = ()
    shift: int = 0
    renamed: dict[bytes, bytes] = field(default_factory=dict)
    unclear: dict[int, tuple[int, ...]] = field(default_factory=dict)


def align(old: Sequence[LedgerLine], new: Sequence[Line],
          was_seen: Callable[[str, bytes], bool] = lambda _line_id, _body: False,
          renamed: Mapping[bytes, bytes] = MappingProxyType({})) -> Alignment:
    """Which known line each line of `new` is. Linear but for lines of one minute.

    `was_seen(line id, body)` says whether a known line had this other body before: an older export
    is read again, and nothing is new.

    `renamed`: authors of `new` -> whom of `old` they are (`ingest/likeness.py`). A whole file that
    is shifted in time is read as in the other's zone.
    """
    if renamed:
        new = [replace(one, author=renamed.get(one.author, one.author)) for one in new]
    found = _Pairing(old, new, was_seen).result()
    if old and new and found.how.count(SAME) * 4 < min(len(old), len(new)):
        shift = _shift_of(old, new)
        if shift:
            moved = _Pairing(old, [_moved(one, -shift) for one in new], was_seen).result()
            if moved.how.count(SAME) > found.how.count(SAME):
                found = moved
                found.shift = shift
    found.renamed = dict(renamed)
    return found


def remembered(old: Sequence[LedgerLine], new: Sequence[Line], found: Alignment,
               name: Callable[[Line, int], str]) -> tuple[list[LedgerLine], list[LedgerLine]]:
    """(what to remember of the chat from now on, in order; what each line of `new` is remembered
    as).

    `name` makes the id of a line that was not known from the line and its ordinal among equals; an
    id that is taken is never given again. Known lines keep theirs, and their place and time.
    """
    after = _place_of(old, new, found)
    kept = list(old)
    lines: list[LedgerLine] = []
    taken = _Taken(old)
    fresh: dict[int, list[LedgerLine]] = {}
    for number, line in enumerate(new):
        at = found.known[number]
        if at >= 0:
            known = old[at]
            if found.how[number] in (EDITED, CHANGED, RETRACTED, COMPLETED):
                kept[at] = replace(known, body=line.body, kind=line.kind)
            lines.append(kept[at])
            continue
        author = found.renamed.get(line.author, line.author)
        moved = _moved(replace(line, author=author), -found.shift)
        given = taken.give(moved, name)
        fresh.setdefault(after[number], []).append(given)
        lines.append(given)
    merged = list(fresh.get(-1, ()))
    for at, known in enumerate(kept):
        merged.append(known)
        merged += fresh.get(at, ())
    return merged, lines


def seconds_between(first: Line | LedgerLine, second: Line | LedgerLine) -> int:
    """How far apart two lines are at least, in seconds: one without seconds may be anywhere in its
    minute."""
    gap = max(first.minute, second.minute) - min(first.minute, second.minute)
    if first.second is not None and second.second is not None:
        return abs((first.minute - second.minute) * 60 + first.second - second.second)
    if gap == 0:
        return 0
    early, late = (first, second) if first.minute < second.minute else (second, first)
    early_end = 59 if early.second is None else early.second
    return gap * 60 + (late.second or 0) - early_end


class _Taken:
    """The ids that are given. An id that is taken has a next ordinal; most have none."""

    def __init__(self, old: Sequence[LedgerLine]) -> None:
        self._ids = {one.line_id for one in old}
        self._next: dict[str, int] = {}

    def give(self, line: Line, name: Callable[[Line, int], str]) -> LedgerLine:
        """What `line` is remembered as. An edited line has left its body's name behind: that is
        taken, too."""
        ordinal = 0
        line_id = first = name(line, 0)
        if first in self._ids:
            ordinal = self._next.get(first, 1)
            while (line_id := name(line, ordinal)) in self._ids:
                ordinal += 1
            self._next[first] = ordinal + 1
        self._ids.add(line_id)
        return LedgerLine(line_id, line.minute, line.second, line.author, line.body, ordinal,
                          line.kind)


class _Pairing:
    """One file against what is known, while the pairs are found."""

    def __init__(self, old: Sequence[LedgerLine], new: Sequence[Line],
                 was_seen: Callable[[str, bytes], bool]) -> None:
        self.old = old
        self.new = new
        self.was_seen = was_seen
        self.known = [-1] * len(new)
        self.how = [FRESH] * len(new)
        self.line_of = [-1] * len(old)
        self.unclear: dict[int, tuple[int, ...]] = {}

    def result(self) -> Alignment:
        clusters = list(self._clusters())
        for olds, news in clusters:
            self._equals(olds, news)
        self.unclear = _Replaced(self, clusters).pair_all()
        for olds, news in clusters:
            self._equals_of_next_minute(olds, news)
        seen = [at for at in self.known if at >= 0]
        absent: tuple[int, ...] = ()
        if seen:
            absent = tuple(at for at in range(min(seen), max(seen)) if self.line_of[at] < 0)
        return Alignment(self.known, self.how, absent, unclear=self.unclear)

    def _clusters(self) -> Iterator[tuple[list[int], list[int]]]:
        """(known lines, lines) of minutes that follow each other: no pair crosses a gap of one."""
        olds = sorted(range(len(self.old)), key=lambda at: self.old[at].minute)
        news = sorted(range(len(self.new)), key=lambda number: self.new[number].minute)
        i = j = 0
        while i < len(olds) and j < len(news):
            first_old, first_new = i, j
            reach = min(self.old[olds[i]].minute, self.new[news[j]].minute) + 1
            while True:
                before = i, j
                while i < len(olds) and self.old[olds[i]].minute <= reach:
                    reach = max(reach, self.old[olds[i]].minute + 1)
                    i += 1
                while j < len(news) and self.new[news[j]].minute <= reach:
                    reach = max(reach, self.new[news[j]].minute + 1)
                    j += 1
                if before == (i, j):
                    break
            if i > first_old and j > first_new:
                yield sorted(olds[first_old:i]), sorted(news[first_new:j])

    def pair(self, at: int, number: int, how: str) -> None:
        self.known[number] = at
        self.how[number] = how
        self.line_of[at] = number

    def _equals(self, olds: Sequence[int], news: Sequence[int]) -> None:
        groups: dict[tuple[bytes, bytes], tuple[list[int], list[int]]] = {}
        for at in olds:
            groups.setdefault((self.old[at].author, self.old[at].body), ([], []))[0].append(at)
        for number in news:
            key = self.new[number].author, self.new[number].body
            if key in groups:
                groups[key][1].append(number)
        for same_old, same_new in groups.values():
            for at, number in self._paired(same_old, same_new):
                self.pair(at, number, SAME)

    def _paired(self, olds: Sequence[int], news: Sequence[int]) -> list[tuple[int, int]]:
        """Equals in order: as many as can be, and of those ways the nearest in time."""
        if len(olds) == len(news):
            pairs = list(zip(olds, news, strict=True))
            if all(self.near(at, number) for at, number in pairs):
                return pairs
        if len(olds) * len(news) > _PAIRS_MAX:
            return self._paired_by_time(olds, news)
        return self._best_pairs(olds, news)

    def near(self, at: int, number: int) -> bool:
        """Within the tolerance; two lines without seconds only in the same minute."""
        known, line = self.old[at], self.new[number]
        if known.second is None and line.second is None:
            return known.minute == line.minute
        return seconds_between(known, line) <= SECONDS_APART_MAX

    def _best_pairs(self, olds: Sequence[int], news: Sequence[int]) -> list[tuple[int, int]]:
        # best[i][j] = (pairs, -seconds) of the first i and the first j.
        best = [[(0, 0)] * (len(news) + 1) for _ in range(len(olds) + 1)]
        for i, at in enumerate(olds, 1):
            for j, number in enumerate(news, 1):
                value = max(best[i - 1][j], best[i][j - 1])
                if self.near(at, number):
                    count, seconds = best[i - 1][j - 1]
                    apart = seconds_between(self.old[at], self.new[number])
                    value = max(value, (count + 1, seconds - apart))
                best[i][j] = value
        pairs: list[tuple[int, int]] = []
        i, j = len(olds), len(news)
        while i and j:
            if best[i][j] == best[i - 1][j]:
                i -= 1
            elif best[i][j] == best[i][j - 1]:
                j -= 1
            else:
                i, j = i - 1, j - 1
                pairs.append((olds[i], news[j]))
        return pairs

    def _paired_by_time(self, olds: Sequence[int], news: Sequence[int]) -> list[tuple[int, int]]:
        pairs: list[tuple[int, int]] = []
        waiting = sorted(news, key=lambda number: (_start(self.new[number]), number))
        j = 0
        for at in sorted(olds, key=lambda at: (_start(self.old[at]), at)):
            while j < len(waiting) and not self.near(at, waiting[j]) \
                    and _start(self.new[waiting[j]]) < _start(self.old[at]):
                j += 1
            if j < len(waiting) and self.near(at, waiting[j]):
                pairs.append((at, waiting[j]))
                j += 1
        return pairs

    def _equals_of_next_minute(self, olds: Sequence[int], news: Sequence[int]) -> None:
        """Without seconds, one message can be shown in two minutes; only what nothing else was."""
        free: dict[tuple[bytes, bytes, int], deque[int]] = {}
        for at in olds:
            if self.line_of[at] < 0:
                known = self.old[at]
                free.setdefault((known.author, known.body, known.minute), deque()).append(at)
        for number in news if free else ():
            line = self.new[number]
            if self.known[number] >= 0:
                continue
            for minute in (line.minute - 1, line.minute, line.minute + 1):
                waiting = free.get((line.author, line.body, minute))
                # Of one minute the first is as good as any: more would make equals quadratic.
                if waiting and seconds_between(
                        self.old[waiting[0]], line) <= SECONDS_APART_MAX:
                    self.pair(waiting.popleft(), number, SAME)
                    break


class _Replaced:
    """What stands where a known line was, once all equal lines are paired.

    A *gap* is what lies between two lines that are surely the same on both sides. In a gap, the
    lines of one author that are near each other in time are one case: it is clear when as many are
    left on both sides, and then the first is the first.
    """

    def __init__(self, pairing: _Pairing,
                 clusters: Sequence[tuple[Sequence[int], Sequence[int]]]) -> None:
        self._of = pairing
        self._clusters = clusters
        self._loose: set[int] = set()          # known lines that equals could stand for
        self._equals: dict[tuple[bytes, bytes], list[int]] = {}
        self._gaps: list[tuple[int, int]] = []
        self._disputed: set[int] = set()
        self._unclear: dict[int, tuple[int, ...]] = {}

    def pair_all(self) -> dict[int, tuple[int, ...]]:
        """Pair what can be; the candidates of the tombstones that cannot."""
        work = [(olds, news) for olds, news in self._clusters if self._is_open(olds, news)]
        if not work:
            return {}
        for olds, news in work:
            self._seen_before(olds, news, (MESSAGE, NOTICE))
        groups = [group for olds, _ in work for group in self._exchangeable(olds)]
        self._loose = {at for group in groups for at in group}
        for olds, news in work:
            self._loose.update(self._beside_more(olds, news))
        self._gaps = self._between()
        for group in groups:
            self._into_their_gaps(sorted(group))
            known = self._of.old[group[0]]
            self._equals.setdefault((known.author, known.body), []).extend(group)
        for olds, news in work:
            self._clear_cases(olds, news, self._tells, (MESSAGE, PLACEHOLDER))
            self._clear_cases(olds, news, self._says, (TOMBSTONE, PLACEHOLDER))
            self._clear_cases(olds, news, self._hides, (MESSAGE, TOMBSTONE))
            # Tombstones and placeholders are all equal: only after what the order tells of them.
            self._seen_before(olds, news, (TOMBSTONE, PLACEHOLDER))
            self._nearest(olds, news)
        return {number: ats for number, ats in self._unclear.items()
                if self._of.known[number] < 0}

    def _is_open(self, olds: Sequence[int], news: Sequence[int]) -> bool:
        return (any(self._of.line_of[at] < 0 for at in olds)
                and any(self._of.known[number] < 0 for number in news))

    # What the left lines of a case must be: tombstones and edits; words; placeholders.

    def _tells(self, line: Line) -> bool:
        return line.kind == TOMBSTONE or line.edited

    def _says(self, line: Line) -> bool:
        return line.kind == MESSAGE

    def _hides(self, line: Line) -> bool:
        return line.kind == PLACEHOLDER

    # --- what had this body before ---

    def _seen_before(self, olds: Sequence[int], news: Sequence[int],
                     kinds: tuple[str, ...]) -> None:
        left = [number for number in news
                if self._of.known[number] < 0 and self._of.new[number].kind in kinds]
        free = _by_minute(self._of, olds if left else ())
        if _pairs(self._of, free, left) > _PAIRS_MAX:
            self._seen_in_order(olds, left)
            return
        for number in left:
            line = self._of.new[number]
            near = sorted((seconds_between(self._of.old[at], line), at)
                          for at in _near_free(self._of, free, number))
            for _, at in near:
                if self._of.was_seen(self._of.old[at].line_id, line.body):
                    self._of.pair(at, number, SAME)
                    break
                if self._is_exchanged(at, number):
                    break

    def _is_exchanged(self, free: int, number: int) -> bool:
        """Whether an equal of a free line had this body before: then the equal's line becomes the
        free one's, and this one is the equal's."""
        known = self._of.old[free]
        if free not in self._loose:
            return False
        for at in self._equals.get((known.author, known.body), ())[:_ANCHOR_STEPS_MAX]:
            other = self._of.line_of[at]
            if other >= 0 and self._of.near(at, number) and self._of.near(free, other) \
                    and self._of.was_seen(self._of.old[at].line_id, self._of.new[number].body):
                self._of.pair(free, other, SAME)
                self._of.pair(at, number, SAME)
                return True
        return False

    def _seen_in_order(self, olds: Sequence[int], left: Sequence[int]) -> None:
        """Where too many were replaced to ask of each about each: in order."""
        free: dict[bytes, list[int]] = {}
        for at in olds:
            if self._of.line_of[at] < 0:
                free.setdefault(self._of.old[at].author, []).append(at)
        places: Counter[bytes] = Counter()
        for number in left:
            line = self._of.new[number]
            place = places[line.author]
            waiting = free.get(line.author, ())
            for step, at in enumerate(waiting[place:place + _WINDOW_LINES], place + 1):
                if self._of.near(at, number) and self._of.was_seen(
                        self._of.old[at].line_id, line.body):
                    self._of.pair(at, number, SAME)
                    places[line.author] = step
                    break

    # --- clear cases ---

    def _exchangeable(self, olds: Sequence[int]) -> Iterator[list[int]]:
        """Known lines that are equal and near, of which some are there and some are not: which ones
        only the order in the file tells."""
        groups: dict[tuple[bytes, bytes], list[int]] = {}
        for at in olds:
            known = self._of.old[at]
            groups.setdefault((known.author, known.body), []).append(at)
        for equals in groups.values():
            if not self._is_mixed(equals):
                continue
            chain: list[int] = []
            for at in sorted(equals, key=lambda one: (_start(self._of.old[one]), one)):
                if chain and seconds_between(self._of.old[chain[-1]],
                                             self._of.old[at]) > 2 * SECONDS_APART_MAX:
                    if self._is_mixed(chain):
                        yield chain
                    chain = []
                chain.append(at)
            if self._is_mixed(chain):
                yield chain

    def _beside_more(self, olds: Sequence[int], news: Sequence[int]) -> Iterator[int]:
        """Known tombstones that are there, near one of their author that is more than were known:
        which of them it is only the order tells."""
        graves: dict[tuple[bytes, bytes], list[tuple[LedgerLine | Line, int]]] = {}
        for number in news:
            line = self._of.new[number]
            if line.kind == TOMBSTONE and self._of.known[number] < 0:
                graves.setdefault((line.author, line.body), []).append((line, -1))
        for at in olds if graves else ():
            known = self._of.old[at]
            if known.kind == TOMBSTONE and (known.author, known.body) in graves:
                graves[known.author, known.body].append((known, at))
        for found in graves.values():
            chain: list[tuple[LedgerLine | Line, int]] = []
            for one in sorted(found, key=lambda one: _start(one[0])):
                if chain and seconds_between(chain[-1][0], one[0]) > 2 * SECONDS_APART_MAX:
                    yield from _known_beside_new(chain)
                    chain = []
                chain.append(one)
            yield from _known_beside_new(chain)

    def _is_mixed(self, equals: Sequence[int]) -> bool:
        return len({self._of.line_of[at] < 0 for at in equals}) == 2

    def _into_their_gaps(self, equals: Sequence[int]) -> None:
        """Of equals, those are there that stand where the file shows them, if all can."""
        numbers = sorted(self._of.line_of[at] for at in equals if self._of.line_of[at] >= 0)
        chosen: list[int] = []
        place = 0
        for number in numbers:
            low, high = self._gaps[number]
            while place < len(equals) and not (
                    low < equals[place] < high and self._of.near(equals[place], number)):
                place += 1
            if place == len(equals):
                return
            chosen.append(equals[place])
            place += 1
        for at in equals:
            self._of.line_of[at] = -1
        for at, number in zip(chosen, numbers, strict=True):
            self._of.pair(at, number, SAME)

    def _between(self) -> list[tuple[int, int]]:
        """Per line of the file the known lines between which it surely stands."""
        sure = [at if at >= 0 and at not in self._loose else -1 for at in self._of.known]
        lows: list[int] = []
        low = -1
        for at in sure:
            lows.append(low)
            low = at if at >= 0 else low
        gaps: list[tuple[int, int]] = []
        high = len(self._of.old)
        for low, at in zip(reversed(lows), reversed(sure), strict=True):
            gaps.append((low, high))
            high = at if at >= 0 else high
        return gaps[::-1]

    def _clear_cases(self, olds: Sequence[int], news: Sequence[int],
                     is_left: Callable[[Line], bool], kinds: tuple[str, ...]) -> None:
        cases: dict[tuple[int, int, bytes], list[int]] = {}
        for number in news:
            line, at = self._of.new[number], self._of.known[number]
            if (is_left(line) if at < 0 else at in self._loose):
                cases.setdefault((*self._gaps[number], line.author), []).append(number)
        known: dict[bytes, list[int]] = {}
        for at in olds:
            one = self._of.old[at]
            if at in self._loose or (self._of.line_of[at] < 0 and one.kind in kinds):
                known.setdefault(one.author, []).append(at)
        for (low, high, author), numbers in cases.items():
            if all(self._of.known[number] >= 0 for number in numbers):
                continue                   # nothing of this case is left
            mine = known.get(author, [])
            inside = mine[bisect_right(mine, low):bisect_left(mine, high)]
            for ats, lines in _near_ones(self._of, inside, numbers):
                if not self._paired_in_order(ats, lines, kinds):
                    self._leave_open(ats or mine, lines)

    def _paired_in_order(self, ats: Sequence[int], lines: Sequence[int],
                         kinds: tuple[str, ...]) -> bool:
        if len(ats) != len(lines) or not {
                self._of.line_of[at] for at in ats} - {-1} <= set(lines):
            return False
        hows: list[str] = []
        for at, number in zip(ats, lines, strict=True):
            one, line = self._of.old[at], self._of.new[number]
            is_known = one.body == line.body or self._of.was_seen(one.line_id, line.body)
            how = SAME if is_known else _how(one, line, inside=True)
            if how is None or not self._of.near(at, number):
                return False
            is_taken = self._of.known[number] >= 0 and not (
                line.kind == TOMBSTONE and self._of.known[number] in ats)
            if how != SAME and (is_taken or one.kind not in kinds):
                return False
            hows.append(how)
        for at, number, how in zip(ats, lines, hows, strict=True):
            self._of.pair(at, number, how)
        return True

    def _leave_open(self, ats: Sequence[int], lines: Sequence[int]) -> None:
        """Nobody knows which it is: a tombstone names what it may be about."""
        graves = [number for number in lines if self._of.known[number] < 0
                  and self._of.new[number].kind == TOMBSTONE]
        free = [at for at in ats if self._of.old[at].kind != TOMBSTONE
                and (self._of.line_of[at] < 0 or at in self._loose)]
        is_crowded = len(free) * len(graves) > _PAIRS_MAX
        if is_crowded:
            self._disputed.update(free)
            free.sort(key=lambda at: (self._of.old[at].minute, at))
        for number in graves:
            nearby: Sequence[int] = free
            if is_crowded:
                first = bisect_left(free, self._of.new[number].minute - 1,
                                    key=lambda at: self._of.old[at].minute)
                nearby = free[first:first + _ANCHOR_STEPS_MAX]
            near = tuple(at for at in nearby if self._of.near(at, number))
            if near:
                self._unclear[number] = near
                self._disputed.update(near)

    # --- what is left: edits, changes, notices in other words ---

    def _nearest(self, olds: Sequence[int], news: Sequence[int]) -> None:
        free = _by_minute(self._of, olds)
        left = [number for number in news if self._of.known[number] < 0
                and self._of.new[number].kind in (MESSAGE, NOTICE)]
        is_crowded = _pairs(self._of, free, left) > _PAIRS_MAX
        # What says of itself what it is chooses first.
        for number in sorted(left, key=lambda one: (not self._of.new[one].edited, one)):
            if is_crowded and _count(free, self._of.new[number]) > 1:
                continue
            chosen = self._chosen(number, _near_free(self._of, free, number))
            if chosen is not None:
                self._of.pair(*chosen)

    def _chosen(self, number: int, near: Iterator[int]) -> tuple[int, int, str] | None:
        low, high = self._anchors(number)
        best: tuple[bool, int, int] | None = None
        chosen: tuple[int, int, str] | None = None
        line = self._of.new[number]
        for at in near:
            known = self._of.old[at]
            inside = low < at < high
            if at in self._disputed or known.kind not in (MESSAGE, NOTICE):
                continue
            how = _how(known, line, inside=inside)
            rank = not inside, seconds_between(known, line), at
            if how is not None and (best is None or rank < best):
                best, chosen = rank, (at, number, how)
        return chosen

    def _anchors(self, number: int) -> tuple[int, int]:
        """The known lines between which line `number` stands, by its neighbours in the file."""
        known = self._of.known
        low, high = -1, len(self._of.old)
        for step in range(number - 1, max(-1, number - 1 - _ANCHOR_STEPS_MAX), -1):
            if known[step] >= 0:
                low = known[step]
                break
        for step in range(number + 1, min(len(known), number + 1 + _ANCHOR_STEPS_MAX)):
            if known[step] >= 0:
                high = known[step]
                break
        return low, high


def _known_beside_new(chain: Sequence[tuple[LedgerLine | Line, int]]) -> list[int]:
    ats = [at for _, at in chain]
    return [at for at in ats if at >= 0] if -1 in ats else []


_Minutes = dict[tuple[bytes, int], list[int]]


def _by_minute(pairing: _Pairing, olds: Sequence[int]) -> _Minutes:
    """The known lines that nothing is, by author and minute."""
    found: _Minutes = {}
    for at in olds:
        if pairing.line_of[at] < 0:
            known = pairing.old[at]
            found.setdefault((known.author, known.minute), []).append(at)
    return found


def _around(line: Line) -> tuple[tuple[bytes, int], ...]:
    return tuple((line.author, line.minute + step) for step in (-1, 0, 1))


def _count(free: _Minutes, line: Line) -> int:
    return sum(len(free.get(key, ())) for key in _around(line))


def _pairs(pairing: _Pairing, free: _Minutes, left: Sequence[int]) -> int:
    return sum(_count(free, pairing.new[number]) for number in left)


def _near_free(pairing: _Pairing, free: _Minutes, number: int) -> Iterator[int]:
    for key in _around(pairing.new[number]):
        for at in free.get(key, ()):
            if pairing.line_of[at] < 0 and pairing.near(at, number):
                yield at


def _near_ones(pairing: _Pairing, ats: Sequence[int], lines: Sequence[int]) -> list[
        tuple[list[int], list[int]]]:
    """(known lines, lines) of one gap and author that time connects, each side in order."""
    if not ats or len(ats) * len(lines) > _PAIRS_MAX:
        # So many that all of them are one case: it is clear, or it stays open.
        return [(list(ats), list(lines))]
    leader = list(range(len(ats) + len(lines)))

    def lead(one: int) -> int:
        while leader[one] != one:
            leader[one] = leader[leader[one]]
            one = leader[one]
        return one

    for place, at in enumerate(ats):
        for other, number in enumerate(lines, len(ats)):
            if pairing.near(at, number):
                leader[lead(other)] = lead(place)
    cases: dict[int, tuple[list[int], list[int]]] = {}
    for place, at in enumerate(ats):
        cases.setdefault(lead(place), ([], []))[0].append(at)
    for other, number in enumerate(lines, len(ats)):
        cases.setdefault(lead(other), ([], []))[1].append(number)
    return [one for one in cases.values() if one[1]]


def _how(known: LedgerLine, line: Line, *, inside: bool) -> str | None:
    """What `line` is, should it stand where `known` was; null = it cannot."""
    if (known.kind == NOTICE) != (line.kind == NOTICE):
        return None
    if known.kind == NOTICE:
        return REWORDED if inside else None
    if line.kind == TOMBSTONE:
        return RETRACTED if known.kind != TOMBSTONE else None
    if line.kind == PLACEHOLDER:
        return HIDDEN if known.kind != PLACEHOLDER else None
    if known.kind == PLACEHOLDER:
        return COMPLETED
    if known.kind == TOMBSTONE:
        return REVEALED
    if line.edited:
        return EDITED
    # Without a mark of its own it must stand exactly where the other stood.
    return CHANGED if inside else None


def _start(line: Line | LedgerLine) -> int:
    return line.minute * 60 + (line.second or 0)


def _moved(line: Line, seconds: int) -> Line:
    if not seconds:
        return line
    return replace(line, minute=line.minute + seconds // 60)


def _place_of(old: Sequence[LedgerLine], new: Sequence[Line], found: Alignment) -> list[int]:
    """After which known line each line of the file belongs; -1 = before all."""
    starts: list[int] = []
    for one in old:                  # running maximum: exports are not quite sorted
        starts.append(max(_start(one), starts[-1] if starts else _start(one)))
    places: list[int] = []
    place: int | None = None
    for number, line in enumerate(new):
        if found.known[number] >= 0:
            place = found.known[number]
        elif place is None or (place + 1 < len(old) and starts[place + 1]
                               <= _start(line) - found.shift - 120):
            place = bisect_left(starts, _start(line) - found.shift + 1) - 1
        places.append(place)
    return places


def _shift_of(old: Sequence[LedgerLine], new: Sequence[Line]) -> int:
    """Seconds by which all of `new` lies later than `old`, a multiple of a quarter of an hour."""
    times: dict[tuple[bytes, bytes], int | None] = {}
    for one in old:
        key = one.author, one.body
        times[key] = None if key in times else _start(one)      # only what is said once
    counted = Counter((one.author, one.body) for one in new)
    votes: Counter[int] = Counter()
    for line in new:
        at = times.get((line.author, line.body))
        if at is None or counted[line.author, line.body] > 1:
            continue
        apart = _start(line) - at
        step = round(apart / _ZONE_STEP_SECONDS) * _ZONE_STEP_SECONDS
        if abs(apart - step) <= 60 and abs(step) <= _ZONE_SECONDS_MAX:
            votes[step] += 1
    best = votes.most_common(1)
    if not best or best[0][1] < _VOTES_MIN or best[0][1] * 4 < sum(votes.values()) * 3:
        return 0
    return best[0][0]
