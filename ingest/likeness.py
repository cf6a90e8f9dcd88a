"""How much of a file is a known chat, and who in it is known under another name. Pure.

Owns the evidence for saying that two lists of lines are one chat (docs/decisions/0017): what is
taken for known is not stored, so a sender is another one renamed, and a chat is one of another
name, on overwhelming evidence only. In doubt they are two, and nothing is lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, TypeVar

from ingest.align import MESSAGE, PLACEHOLDER, TOMBSTONE, Line
from ingest.ledger import LedgerLine

# A line of so many letters is said in one minute by one person in one chat, or was sent to many.
TELLING_LETTERS: Final = 24
# So many different ones at their minutes are no chance and no circular ...
_TELLING_MIN: Final = 20
# ... where somebody answered: what one person says alone may have been sent to many.
_TELLING_OF_OTHERS_MIN: Final = 5
# Below this many lines nothing is said by what they have in common.
LINES_MIN: Final = 3

_NOBODY: Final[frozenset[bytes]] = frozenset()
_AnyLine = TypeVar("_AnyLine", LedgerLine, Line)


class Likeness:
    """What known lines and a file's have in common in the *stretch* of time that both cover.

    `renamed`: senders of the file -> whom they are. Of the stretch: `common` lines of the file are
    known, of `authors` people; `least` of the two numbers of lines. `differs`: both sides have a
    sender there whom the other side never names and who is nobody renamed. `alike` counts equal
    lines whoever said them.
    """

    def __init__(self, old: Sequence[LedgerLine], new: Sequence[Line],
                 is_number: Callable[[bytes], bool] = lambda _author: False) -> None:
        self._all = old, new
        olds: Sequence[LedgerLine] = [one for one in old if one.kind == MESSAGE]
        news: Sequence[Line] = [one for one in new if one.kind == MESSAGE]
        if not olds or not news:
            olds, news = old, new      # a chat in which nobody has said anything yet
        self.shorter = min(len(olds), len(news))
        self._old_authors = {one.author for one in olds}
        self._new_authors = {one.author for one in news}
        self._begin, self._end = _stretch(olds, news)
        self._olds = self._within(olds)
        self._news = self._within(news)
        self.least = min(len(self._olds), len(self._news))
        self._said: dict[tuple[int, bytes], set[bytes]] = {}
        for one in self._olds:
            self._said.setdefault((one.minute, one.body), set()).add(one.author)
        self.renamed: dict[bytes, bytes] = {}
        self._count()
        self._find_renamed(is_number)
        if self.renamed:
            self._count()
        strange = {one.author for one in self._news} - self._old_authors - set(self.renamed)
        gone = ({one.author for one in self._olds} - self._new_authors
                - set(self.renamed.values()))
        self.differs = bool(strange and gone)
        self._count_bodies(olds, news)

    @property
    def has_other_people(self) -> bool:
        """At whatever time: each side has senders whom the other does not name."""
        return bool(self._new_authors - self._old_authors - set(self.renamed)
                    and self._old_authors - self._new_authors - set(self.renamed.values()))

    @property
    def is_at_other_hours(self) -> bool:
        """Nearly all that was said is known: in another time zone no minute agrees."""
        return self._bodies >= LINES_MIN and self._bodies * 4 >= self._distinct * 3

    @property
    def speaks_against(self) -> bool:
        """Both have lines of one time and none in common."""
        return (self.least >= LINES_MIN and not self.common
                and self._bodies * 4 < self._distinct)

    @property
    def is_partly_known(self) -> bool:
        """A good part of the stretch is the same (what was changed is not)."""
        return self.common * 4 >= self.least or self.is_at_other_hours

    @property
    def is_like(self) -> bool:
        """Nearly all lines are equal, whoever said them, and two people did."""
        return (self.alike >= LINES_MIN and self._alike_authors > 1
                and self.alike * 5 >= self.least * 4)

    @property
    def is_without_contradiction(self) -> bool:
        """Nobody else speaks, and within the stretch no line is on one side alone."""
        return not self.differs and not self._unlike(None)

    @property
    def is_overwhelming(self) -> bool:
        """So many long and different lines of more than one person at their minutes."""
        return self._is_telling and self.is_without_contradiction

    def _within(self, lines: Sequence[_AnyLine]) -> list[_AnyLine]:
        return [one for one in lines if self._begin <= one.minute <= self._end]

    def _authors_of(self, line: Line) -> AbstractSet[bytes]:
        """Who of the known said this in this minute."""
        minute, body = line.minute, line.body
        found = self._said.get((minute, body), _NOBODY)
        if line.author in found:
            return found                 # nobody is renamed who is there under his own name
        return found.union(self._said.get((minute - 1, body), _NOBODY),
                           self._said.get((minute + 1, body), _NOBODY))

    def _count(self) -> None:
        telling: dict[bytes, set[bytes]] = {}
        self.common = self.alike = 0
        authors: set[bytes] = set()
        alike: set[bytes] = set()
        for line in self._news:
            found = self._authors_of(line)
            self.alike += bool(found)
            if found:
                alike.add(line.author)
            author = self.renamed.get(line.author, line.author)
            if author not in found:
                continue
            self.common += 1
            authors.add(author)
            if line.letters >= TELLING_LETTERS:
                telling.setdefault(author, set()).add(line.body)
        self.authors = len(authors)
        self._alike_authors = len(alike)
        chief = max((len(one) for one in telling.values()), default=0)
        self._is_telling = (len(set().union(*telling.values())) >= _TELLING_MIN
                            and sum(map(len, telling.values())) - chief >= _TELLING_OF_OTHERS_MIN)

    def _find_renamed(self, is_number: Callable[[bytes], bool]) -> None:
        """A contact that was saved or renamed: all that the one said, the other said."""
        votes: dict[bytes, Counter[bytes]] = {}
        telling: dict[bytes, set[bytes]] = {}
        for line in self._news:
            if line.author in self._old_authors:
                continue
            gone = self._authors_of(line) - self._new_authors
            votes.setdefault(line.author, Counter()).update(gone)
            if gone and line.letters >= TELLING_LETTERS:
                telling.setdefault(line.author, set()).add(line.body)
        mine = Counter(one.author for one in self._news)
        theirs = Counter(one.author for one in self._olds)
        taken: set[bytes] = set()
        for author, counted in sorted(votes.items()):
            for former, count in sorted(counted.items(), key=lambda one: (-one[1], one[0]))[:1]:
                # Two numbers are two people.
                if former in taken or (is_number(author) and is_number(former)):
                    continue
                if self._is_telling:
                    # Which chat it is the others' lines say: here a few lines tell who.
                    is_one = count * 5 >= 4 * max(mine[author], theirs[former])
                else:
                    is_one = (len(telling.get(author, ())) >= _TELLING_MIN
                              and not self._unlike((author, former)))
                if is_one:
                    self.renamed[author] = former
                    taken.add(former)

    def _unlike(self, pair: tuple[bytes, bytes] | None) -> bool:
        """Whether a line within the stretch is on one side alone, of anybody or of one (author,
        former author); but where a tombstone, an edit or a placeholder may stand for it. The first
        and the last minute are left out: an export ends in the midst of one."""
        names = dict([pair]) if pair is not None else self.renamed
        first, last = self._begin + 1, self._end - 1
        old, new = self._all
        hidden = _minutes(one.minute for one in old if one.kind in (TOMBSTONE, PLACEHOLDER))
        changed = _minutes(one.minute for one in new
                           if one.kind in (TOMBSTONE, PLACEHOLDER) or one.edited)
        here: set[tuple[int, bytes, bytes]] = set()
        for line in self._news:
            author = names.get(line.author, line.author)
            here.add((line.minute, line.body, author))
            if pair is not None and author != pair[1]:
                continue
            if (first < line.minute < last and not line.edited and line.minute not in hidden
                    and author not in self._authors_of(line)):
                return True
        return any(
            (pair is None or one.author == pair[1]) and first < one.minute < last
            and one.minute not in changed
            and not any((one.minute + step, one.body, one.author) in here for step in (-1, 0, 1))
            for one in self._olds)

    def _count_bodies(self, olds: Sequence[LedgerLine], news: Sequence[Line]) -> None:
        former = {(one.author, one.body) for one in olds}
        shown = {(self.renamed.get(one.author, one.author), one.body) for one in news}
        self._bodies = len(former & shown)
        self._distinct = min(len(former), len(shown))


def _stretch(olds: Sequence[LedgerLine], news: Sequence[Line]) -> tuple[int, int]:
    """The minutes that both cover, and one before and after; (0, -1) = none."""
    if not olds or not news:
        return 0, -1
    return (max(min(one.minute for one in olds), min(one.minute for one in news)) - 1,
            min(max(one.minute for one in olds), max(one.minute for one in news)) + 1)


def _minutes(minutes: Iterable[int]) -> frozenset[int]:
    return frozenset(one + step for one in minutes for step in (-1, 0, 1))
