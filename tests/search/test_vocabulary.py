"""The sealed vocabulary: every word of the archive, for whoever has its keys (PROTOCOL I6)."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archive.wordbook import Wordbook
from infra.embedded.index import SqliteIndexSet
from schemas import codec, events, limits
from schemas.errors import CounterfoilError, Refused, Transient
from schemas.events import CapturedEvent, EventPart
from schemas.identity import event_id, message_key
from search import newwords, tokens
from search.expander import CurrentExpander
from search.follow import Follower, bind, rebuild
from search.index import IndexSet
from search.lexicon import Lexicon
from search.newwords import MERGED_CHUNKS, NewWords
from search.vocabulary import TooMany, Vocabulary
from search.words import (
    NO_STEMS,
    PATTERN_WORD_CHARS_MAX,
    Exact,
    Fuzzy,
    Slot,
    Stem,
    Wild,
    holds,
)
from tests.e2e.canary import spellings
from tests.fakes.faults import FAULTS, FaultPlan, Killed
from tests.fakes.index import FakeIndexSet
from tests.fakes.words import FakeWordStore, WordData
from tests.search import strategies, world
from tests.search.world import DOMAIN, PROJECTOR, TOKENIZER, MemoryArchive

OTHER = b"e" * 16


class Ends:
    """Stems that cut a few ends, of two languages."""

    def of(self, term: str) -> frozenset[tuple[str, str]]:
        """See Stems."""
        return frozenset({("a", term), ("a", term.removesuffix("s")), ("b", term),
                          ("b", term.removesuffix("ing"))})


class Office:
    """An archive, an index of it, and whoever asks for patterns."""

    def __init__(self, indexes: IndexSet | None = None, faults: FaultPlan | None = None) -> None:
        self.archive = MemoryArchive()
        self.indexes = indexes or FakeIndexSet(faults)
        bind(self.indexes)
        self._sealed = 0

    def say(self, *texts: str, index: bool = True) -> None:
        """One more segment of messages."""
        items = []
        for text in texts:
            self._sealed += 1
            items.append(world.event(native_id=f"m{self._sealed}", text=text))
        self.archive.seal(items)
        if index:
            self.follower().run_to_end()

    def follower(self, entries: int = 2_500) -> Follower:
        """A new one on the current index."""
        return Follower(self.archive, self.indexes.open(str(self.indexes.current())), PROJECTOR,
                        batch_entries_max=entries)

    def vocabulary(self) -> Vocabulary:
        """A fresh one."""
        index = self.indexes.open(str(self.indexes.current()))
        return Vocabulary(index.words(), self.archive.wordbook, Ends())

    def words(self) -> set[str]:
        """Everything that a fresh one knows."""
        vocabulary = self.vocabulary()
        vocabulary.expand(Wild("zz*"), 0)
        return vocabulary._lexicon._known


def patterns(letters: str) -> st.SearchStrategy[Slot]:
    """Slots that often stand for something."""
    word = st.text(letters, min_size=1, max_size=6)
    return st.one_of(
        st.builds(Wild, st.text(letters + "*?", min_size=1, max_size=7)),
        st.builds(Fuzzy, word, st.integers(0, 2)), st.builds(Stem, word), st.builds(Exact, word))


# --- what a pattern stands for -------------------------------------------------------------------


@given(st.lists(st.text("abs", min_size=1, max_size=6), max_size=60), patterns("abs"))
@example(["ba"], Fuzzy("ab", 1))
@example(["aab", "bsa"], Fuzzy("abs", 2))
@example(["a", "ab", "abs", "\U0010ffff", "\U0010ffffa"], Wild("\U0010ffff*"))
@example(["s", "as", "a"], Stem("as"))
@example([], Wild("*"))
def test_what_is_found_is_what_the_slot_stands_for(terms: list[str], slot: Slot) -> None:
    """However quickly it was found: the answer of `words.holds`, term by term."""
    lexicon = Lexicon()
    for at in range(0, len(terms), 7):
        lexicon.add(terms[at:at + 7])
        lexicon.matching(slot, Ends())
    assert sorted(t for t in set(terms) if holds(slot, t, Ends())) == lexicon.matching(slot, Ends())


@given(strategies.wild_texts, strategies.wild_texts)
def test_words_of_any_script_are_found(first: str, second: str) -> None:
    """By a pattern of their first letters, their last, their middle, and with one changed."""
    lexicon = Lexicon()
    lexicon.add(tokens.stream(first))
    lexicon.add(tokens.stream(second))
    for term in tokens.stream(first)[:5]:
        if set(term) & set("*?"):
            continue
        for slot in (Wild(f"{term[:2]}*"), Wild(f"*{term[-2:]}"), Wild(f"*{term[1:-1]}*"),
                     Wild(f"?{term[1:]}"), Fuzzy(term, 1)):
            assert [t for t in sorted({*tokens.stream(first), *tokens.stream(second)})
                    if holds(slot, t, NO_STEMS)] == lexicon.matching(slot, NO_STEMS)


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    """A line is gone over once: this would take years if each star tried every place."""
    lexicon = Lexicon()
    lexicon.add(["a" * 100 + "b"] * 3 + ["a" * 99])
    assert [] == lexicon.matching(Wild("?a*" * 15 + "c"), NO_STEMS)
    assert [] == lexicon.matching(Wild("a*" * 30 + "c"), NO_STEMS)


def test_too_many_words_are_counted_and_refused() -> None:
    """The person who asks is told how many there are; at the limit they are given."""
    office = Office()
    office.say(" ".join(f"pay{n}" for n in range(40)))
    vocabulary = office.vocabulary()
    assert 40 == len(vocabulary.expand(Wild("pay*"), 40))
    with pytest.raises(TooMany, match="40 words") as caught:
        vocabulary.expand(Wild("pay*"), 39)
    assert 40 == caught.value.count


def test_a_word_as_it_stands_needs_no_vocabulary() -> None:
    """Exact is itself, known or not, and reads nothing."""
    faults = FaultPlan()
    faults.arm("words_since_not_applied")
    vocabulary = Vocabulary(FakeWordStore(WordData(), faults), MemoryArchive().wordbook, Ends())
    assert ("x" * 300,) == vocabulary.expand(Exact("x" * 300), 1)
    with pytest.raises(Transient):
        vocabulary.expand(Wild("x*"), 1)
    assert () == vocabulary.expand(Wild("x*"), 1)


# --- what is gathered ----------------------------------------------------------------------------


def test_every_word_of_every_version_is_known() -> None:
    """Edits, copies, what was retracted, and what other kinds of events say."""
    office = Office()
    office.archive.seal([
        world.event(text="Alpha BETA"), world.edit("gamma", target="m1"), world.retraction(),
        world.event(events.AUDIT, "a1", "delta", channel="firm", provenance=events.OWN),
        world.edit("epsilon", native_id="e9", target="unknown"), b"junk"])
    office.follower().run_to_end()
    assert {"alpha", "beta", "gamma", "delta", "epsilon"} == office.words()


def test_a_word_that_no_pattern_is_compared_with_is_left_out() -> None:
    """Words, emoji and what runs without spaces are cut into, up to the length of a pattern's."""
    office = Office()
    longest = "x" * PATTERN_WORD_CHARS_MAX
    office.say(f"ok {longest} {'y' * (PATTERN_WORD_CHARS_MAX + 1)} 王小明abc 👍🏽 naïve")
    assert {"ok", longest, "王", "王小", "小明", "明", "abc", "👍", "naïve"} == office.words()


def test_only_what_is_indexed_is_known() -> None:
    """A text beyond the limit is cut in both places alike."""
    office = Office()
    office.say(" ".join(f"w{n}" for n in range(limits.INDEXED_TOKENS_MAX + 10)))
    vocabulary = office.vocabulary()
    assert (f"w{limits.INDEXED_TOKENS_MAX - 1}",) == vocabulary.expand(
        Wild(f"w{limits.INDEXED_TOKENS_MAX - 1}*"), 9)
    assert () == vocabulary.expand(Wild(f"w{limits.INDEXED_TOKENS_MAX}*"), 9)


def parts(event: CapturedEvent, total: int) -> list[EventPart]:
    """`event` in parts."""
    datum = codec.encode(event)
    width = -(-len(datum) // total)
    return [EventPart(event_id(event), message_key(event), event.kind, number, total,
                      datum[number * width:(number + 1) * width], "carol", "default", 7, "",
                      "2026-01", "") for number in range(total)]


@pytest.mark.parametrize("entries", [1, 2, 2_500])
def test_words_of_a_large_event_are_known_when_it_is_whole(entries: int) -> None:
    """Whichever batch the last part comes in."""
    office = Office()
    first, second, third = parts(world.event(text="alpha beta"), 3)
    office.archive.seal([first])
    office.archive.seal([second, world.event(native_id="m2", text="gamma")])
    office.follower(entries).run_to_end()
    assert {"gamma"} == office.words()
    office.archive.seal([third])
    office.follower(entries).run_to_end()
    assert {"alpha", "beta", "gamma"} == office.words()


def test_a_word_is_sealed_once() -> None:
    """What the follower knows to be stored is not stored again; a new word is."""
    faults = FaultPlan()
    office = Office(faults=faults)
    office.say("alpha beta", index=False)
    follower = office.follower()
    follower.run_to_end()
    office.say("beta alpha", "ALPHA", index=False)
    follower.run_to_end()
    assert 1 == faults.calls["words.add"]
    office.say("alpha gamma", index=False)
    follower.run_to_end()
    assert 2 == faults.calls["words.add"]
    assert {"alpha", "beta", "gamma"} == office.words()


def test_what_is_remembered_is_bounded() -> None:
    """A forgotten word is stored once more, and no word is lost."""
    data = WordData()
    book = Wordbook(world.domain_keys(MemoryArchive().keyring))
    words = NewWords(FakeWordStore(data, FaultPlan()), book, known_words_max=5)
    for n in range(20):
        words.of((DOMAIN, 0)).update({f"t{n}": f"w{n}", "t": "w"})
        words.store()
        assert words._known_count == sum(map(len, words._known.values())) <= 5
    vocabulary = Vocabulary(FakeWordStore(data, FaultPlan()), book, Ends())
    assert 21 == len(vocabulary.expand(Wild("w*"), 99))


# --- order, failures, several at once ------------------------------------------------------------

WORD_FAULTS = sorted(name for name, fault in FAULTS.items()
                     if fault.operation in ("words.add", "words.remove", "index.put",
                                            "index.cursor"))


@pytest.mark.parametrize("name", WORD_FAULTS)
@pytest.mark.parametrize("nth", [1, 2])
def test_no_document_is_ever_there_without_its_words(
        name: str, nth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails, and when: before and after the next start."""
    monkeypatch.setattr(newwords, "MERGED_CHUNKS", 2)
    faults = FaultPlan()
    office = Office(faults=faults)
    for n in range(6):
        office.say(f"alpha{n} beta", index=False)
    faults.arm(name, nth)
    with contextlib.suppress(CounterfoilError, Killed):
        office.follower(1).run_to_end()
    require_words(office)
    office.follower(1).run_to_end()
    assert faults.idle()
    require_words(office)
    assert {"beta", *(f"alpha{n}" for n in range(6))} == office.words()


def require_words(office: Office) -> None:
    """Each token of each document is that of a word that is known."""
    index = office.indexes.open(str(office.indexes.current()))
    index.refresh()
    known = set(map(TOKENIZER.word, office.words()))
    assert known >= {token for one in index.scan() for words in one.words for token in words}


def test_many_small_chunks_become_few(tmp_path: Path) -> None:
    """A trickle of new words does not become a trickle of requests for whoever reads them."""
    office = Office(SqliteIndexSet(tmp_path / "index"))
    follower = office.follower()
    count = MERGED_CHUNKS * MERGED_CHUNKS + 5
    for n in range(count):
        office.say(f"word{n}", index=False)
        follower.run_to_end()
    vocabulary = office.vocabulary()
    assert count == len(vocabulary.expand(Wild("word*"), count))
    assert 6 == vocabulary.chunks


def test_two_that_merge_the_same_lose_nothing() -> None:
    """One of them removes what the other is about to merge: the words stay."""
    data, faults = WordData(), FaultPlan()
    book = Wordbook(world.domain_keys(MemoryArchive().keyring))
    first, second = (NewWords(FakeWordStore(data, faults), book) for _ in range(2))
    for n in range(MERGED_CHUNKS):
        for words in (first, second):
            words.of((DOMAIN, 0))[f"t{n}"] = f"w{n}"
        if n == MERGED_CHUNKS - 1:
            # Both have read the same chunks when the first of them removes them.
            faults.before("words.remove", second.store)
        first.store()
        if n < MERGED_CHUNKS - 1:
            second.store()
    assert faults.idle()
    vocabulary = Vocabulary(FakeWordStore(data, FaultPlan()), book, Ends())
    assert MERGED_CHUNKS == len(vocabulary.expand(Wild("w*"), 99))
    assert 1 == vocabulary.chunks


# --- whose words they are ------------------------------------------------------------------------


def test_no_word_lies_readable_in_the_store(tmp_path: Path) -> None:
    """Not in a file of the embedded index, in whatever spelling (G4)."""
    office = Office(SqliteIndexSet(tmp_path / "index"))
    office.say("zanzibarcanary and others", "quetzalcanary")
    assert ("quetzalcanary", "zanzibarcanary") == office.vocabulary().expand(Wild("*canary"), 9)
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert len(held) > 10_000
    for word in ("zanzibarcanary", "quetzalcanary"):
        assert [] == [name for name, one in spellings(word).items() if one in held]


def test_who_destroys_the_key_erases_the_words() -> None:
    """A fresh vocabulary knows those of other domains, and counts what it could not open."""
    keyring, data = MemoryArchive().keyring, WordData()
    store = FakeWordStore(data, FaultPlan())
    for domain in (DOMAIN, OTHER):
        words = NewWords(store, Wordbook(world.domain_keys(keyring, domain)))
        words.of((domain, 0))[domain.hex()] = f"word{domain.decode()[:1]}"
        words.store()
    keys = world.domain_keys(keyring)
    kept = Vocabulary(store, Wordbook(keys), Ends())
    assert ("wordd", "worde") == kept.expand(Wild("word*"), 9)
    keyring.destroy(f"{OTHER.hex()}/0")
    fresh = Vocabulary(store, Wordbook(world.domain_keys(keyring)), Ends())
    assert ("wordd",) == fresh.expand(Wild("word*"), 9)
    assert (2, 1, 1) == (fresh.chunks, fresh.gone, len(fresh))
    keys.forget()
    assert ("wordd",) == Vocabulary(store, Wordbook(keys), Ends()).expand(Wild("word*"), 9)


def test_words_of_a_key_that_goes_while_they_are_read_are_left_out() -> None:
    """The follower goes on: what it cannot seal nobody will be able to read either."""
    office = Office()
    office.archive.wordbook._keys.forget()
    office.archive.keyring.destroy(f"{DOMAIN.hex()}/0")
    office.say("alpha")
    assert set() == office.words()


# --- complete or refused -------------------------------------------------------------------------


def test_more_words_than_fit_refuse_every_pattern() -> None:
    """With the number and the domain that has the most: never an answer that leaves some out."""
    office = Office()
    office.say(" ".join(f"w{n}" for n in range(11)))
    store = office.indexes.open(str(office.indexes.current())).words()
    vocabulary = Vocabulary(store, office.archive.wordbook, Ends(), words_max=10)
    for _ in range(2):
        with pytest.raises(Refused, match=f"more than 10 words.*about 11.*{DOMAIN.hex()}"):
            vocabulary.expand(Wild("w1*"), 99)
        assert 0 == len(vocabulary)
    assert 11 == len(Vocabulary(store, office.archive.wordbook, Ends(), words_max=11).expand(
        Wild("w*"), 99))


def test_a_chunk_that_does_not_open_refuses_every_pattern() -> None:
    """Damaged or forged: the answer could leave its words out."""
    office = Office()
    office.say("alpha", "beta")
    index = office.indexes.open(str(office.indexes.current()))
    (_, whole), = index.words().since(0)
    index.words().add([type(whole)(b"x" * 16, whole.domain, 0, 0, whole.body)])
    vocabulary = office.vocabulary()
    with pytest.raises(Refused, match=r"damaged.*rebuilt"):
        vocabulary.expand(Wild("alph*"), 9)
    rebuild(office.archive, office.indexes, PROJECTOR)
    assert ("alpha",) == office.vocabulary().expand(Wild("alph*"), 9)


def test_a_look_that_fails_goes_on_where_it_stopped() -> None:
    """What was taken stays; nothing is skipped."""
    office = Office()
    for n in range(4):
        office.say(f"alpha{n}")
    vocabulary = office.vocabulary()
    service = office.archive.wordbook._keys._service
    office.archive.wordbook._keys.forget()
    service.faults.arm("keys_unwrap_not_applied", 1)  # type: ignore[attr-defined]
    with pytest.raises(Transient):
        vocabulary.expand(Wild("alpha*"), 9)
    assert 4 == len(vocabulary.expand(Wild("alpha*"), 9))


# --- a search process that stays -----------------------------------------------------------------


def test_the_expander_follows_the_archive_and_the_current_index() -> None:
    """New words with the next pattern; after a swap the new index's; before the first none."""
    indexes = FakeIndexSet()
    archive = MemoryArchive()
    expander = CurrentExpander(indexes, archive.wordbook, Ends())
    assert () == expander.expand(Wild("al*"), 9)
    assert ("never",) == expander.expand(Exact("never"), 9)
    office = Office(indexes)
    office.archive.keyring, office.archive.wordbook = archive.keyring, archive.wordbook
    office.say("alpha")
    assert ("alpha",) == expander.expand(Wild("al*"), 9)
    office.say("alphabet")
    assert ("alpha", "alphabet") == expander.expand(Wild("al*"), 9)
    old = str(indexes.current())
    rebuild(office.archive, indexes, PROJECTOR)
    indexes.drop(old)
    assert ("alpha", "alphabet") == expander.expand(Wild("al*"), 9)
    assert ("alpha", "alphabet") == expander.expand(Fuzzy("alphabe", 2), 9)
    assert ("alpha",) == expander.expand(Stem("alphas"), 9)
