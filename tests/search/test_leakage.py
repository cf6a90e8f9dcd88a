"""What a thief of the index reads is measured as it is, and nothing but shares is said."""

from __future__ import annotations

from dataclasses import asdict
from hashlib import sha256

import pytest

from infra.demo import talk
from schemas.errors import Refused
from search import attacks, leakage
from search.attacks import Statistics, Stream
from search.leakage import ATTACKS, MODES, Corpus, Sample, Share
from search.project import Projector
from search.tokens import BLIND, NONE, PLAIN, TextMode, Tokenizer, stream
from tests.search import world
from tests.search.world import TOKENIZER, MemoryArchive

pytestmark = pytest.mark.slow

SAID = "48334d963e28474ca63ebd76cac1bf901bafd5c0110647cbdd7bd9c905a88c26"
WORDS = [f"word{number}" for number in range(300)]


def corpus(conversations: int = 120) -> Corpus:
    """The beginning of the built-in talk."""
    sample = Sample(10_000)
    for name, texts in list(talk.conversations())[:conversations]:
        for text in texts:
            sample.add(name, text)
    return sample.corpus("talk")


def planted(text: str) -> Stream:
    """What the index holds of a message."""
    return TOKENIZER.words(text)


@pytest.fixture(scope="module")
def split() -> dict[tuple[str, str, int | None], leakage.Read]:
    """What each attack reads in each mode, on one half of the talk."""
    reads = leakage.split(corpus(), None, 0).reads
    keys = [(mode, one.name, one.parameter) for mode in MODES for one in ATTACKS]
    return dict(zip(keys, reads, strict=True))


def test_the_talk_is_the_same_everywhere() -> None:
    """Whoever repeats the measurement has the same texts."""
    said = "\n".join(text for _, texts in talk.conversations() for text in texts)
    assert SAID == sha256(said.encode()).hexdigest()


def test_what_is_attacked_is_what_the_index_holds() -> None:
    """The streams of the experiment are those of a projected message, token for token, in every
    mode."""
    text = "Pay the deposit on 12 March 请把合同 👍🏽"
    said = tuple(stream(text))
    counts: dict[TextMode, int] = {BLIND: len(said), PLAIN: len(said), NONE: 0}
    for mode, count in counts.items():
        tokenizer = Tokenizer(world.INDEX_KEY, text=mode)
        archive = MemoryArchive()
        archive.seal([world.event(text=text)])
        (read,) = archive.events()
        projected = Projector(tokenizer).project(read, 0)
        assert projected is not None
        assert [projected[1].words] == leakage._index([said], tokenizer)
        assert count == len(projected[1].words)


def test_symbols_are_numbered_by_frequency() -> None:
    """The most frequent first; ties by the symbol, which of a token says nothing."""
    found = Statistics([("b", "a"), ("b", "c")])
    assert ["b", "a", "c"] == found.symbols
    assert [2, 1, 1] == found.counts


def test_frequency_matches_ranks() -> None:
    """First with first, second with second, as far as both reach."""
    own = Statistics([("the", "of", "the", "a", "of", "the")])
    assert {"x": "the", "y": "of"} == attacks.by_frequency(Statistics([("x", "x", "y")]), own)


def test_injected_words_are_read_off_in_order() -> None:
    """As many as fit into the messages, the most frequent first, and every one right."""
    once = attacks.by_order(WORDS, planted, 1, 80)
    assert {TOKENIZER.word(word): word for word in WORDS[:len(once)]} == once
    assert 80 >= len(" ".join(once.values())) > 70
    assert {TOKENIZER.word(word): word for word in WORDS} == attacks.by_order(
        WORDS, planted, 100, 80)


@pytest.mark.parametrize("messages", [1, 4, 8])
def test_bisection_names_a_word_by_the_messages_that_it_is_in(messages: int) -> None:
    """m messages name 2**m - 1 words; their order is not looked at."""
    def shuffled(text: str) -> Stream:
        return tuple(sorted(planted(text)))

    found = attacks.by_bisection(WORDS, shuffled, messages)
    assert {TOKENIZER.word(word): word for word in WORDS[:2**messages - 1]} == found


def test_an_ambiguous_token_is_not_named() -> None:
    """A run's edges stand where it stands: no guess is better than a wrong one."""
    found = attacks.by_bisection(["明天", "deposit"], planted, 2)
    assert {TOKENIZER.word("deposit"): "deposit"} == found


def test_the_index_alone_is_read_by_its_neighbours(
        split: dict[tuple[str, str, int | None], leakage.Read]) -> None:
    """Without a key and without one known word, with other texts of the same kind: most of what
    was said. This is what docs/THREATS.md warns of; an attack that got worse would hide it."""
    assert split[BLIND, "n_grams", None].occurrences > 0.75
    assert split[BLIND, "frequency", None].occurrences < 0.4


@pytest.mark.parametrize("words", [10, 50, 200])
def test_neighbours_add_to_known_words(
        split: dict[tuple[str, str, int | None], leakage.Read], words: int) -> None:
    """What is known is never lost, and is right."""
    alone, extended = (split[BLIND, name, words] for name in ("known_words_alone", "known_words"))
    assert alone.right == 1.0
    assert alone.occurrences <= extended.occurrences
    assert alone.distinct <= extended.distinct


def test_injection_is_total() -> None:
    """With messages enough, every word that the thief thought of is read, by order and without."""
    found = leakage.split(corpus(), None, 1)
    keys = [(one.name, one.parameter) for one in ATTACKS]
    for key in (("injected_in_order", 50), ("injected_bisection", 15)):
        assert found.ceiling == found.reads[keys.index(key)]


def test_an_index_without_words_gives_none_away(
        split: dict[tuple[str, str, int | None], leakage.Read]) -> None:
    """Mode none: every attack reads nothing."""
    nothing = leakage.Read(0.0, 0.0, 0.0, 0.0)
    assert {nothing} == {read for (mode, _, _), read in split.items() if mode == NONE}


def test_nobody_reads_what_he_has_no_word_for() -> None:
    """A thief with texts of another language reads nothing of this one."""
    strange = Corpus("strange", tuple(((f"nie{number}", f"da{number % 7}"),)
                                      for number in range(60)))
    found = leakage.split(corpus(), strange, 0)
    assert leakage.Read(0.0, 0.0, 0.0, 0.0) in found.reads
    assert 0.0 == found.ceiling.occurrences == max(read.occurrences for read in found.reads)


@pytest.mark.parametrize("streams", [[], [()], [("one",)]])
def test_too_little_to_attack_is_no_error(streams: list[Stream]) -> None:
    """Empty or tiny indexes and texts give what they give."""
    some = Statistics([("a", "b"), ("a",)])
    little = Statistics(streams)
    for stolen, own in ((little, some), (some, little), (little, little)):
        assert len(attacks.by_context(stolen, own, {})) <= len(stolen.symbols)


def test_a_measurement_repeats() -> None:
    """Equal arguments, equal numbers; another split has another key and other halves."""
    small = corpus(30)
    assert leakage.split(small, None, 0) == leakage.split(small, None, 0)
    assert leakage.split(small, None, 0) != leakage.split(small, None, 1)


def test_a_report_holds_numbers_only() -> None:
    """No word and no token of the texts is in it."""
    small = corpus(30)
    report = leakage.measure(small, None, [leakage.split(small, None, at) for at in range(2)])
    said = str(asdict(report))
    terms = {term for one in small.conversations for message in one for term in message}
    assert not [term for term in terms if len(term) > 9 and term in said]
    assert not [term for term in terms if Tokenizer(bytes(32)).word(term) in said]
    assert (report.messages, report.splits) == (sum(map(len, small.conversations)), 2)
    assert len(MODES) * len(ATTACKS) == len(report.results)


def test_halves_share_no_conversation() -> None:
    """They are disjoint, and together everything."""
    made = Corpus("made", tuple(((f"a{number}",), (f"b{number}",)) for number in range(40)))
    first, second = leakage._halves(made, 3)
    assert 40 == len(first) == len(second)
    assert not {terms[0][1:] for terms in first} & {terms[0][1:] for terms in second}


def test_a_few_conversations_are_parted_by_message() -> None:
    """One long chat has halves, too."""
    first, second = leakage._halves(
        Corpus("one", (tuple((f"w{number}",) for number in range(50)),)), 0)
    assert 25 == len(first) == len(second)


def test_a_sample_is_bounded_and_knows_no_order() -> None:
    """Whole conversations, the same ones in whatever order they come; the rest is counted."""
    messages = [(f"c{number % 40}", f"text {number}") for number in range(400)]
    made = []
    for order in (messages, sorted(messages, reverse=True)):
        sample = Sample(100)
        for conversation, text in order:
            sample.add(conversation, text)
        made.append(sample.corpus("made"))
    kept = [{frozenset(one) for one in found.conversations} for found in made]
    assert kept[0] == kept[1]
    assert [10] * 10 == [len(one) for one in made[0].conversations]
    assert 300 == made[0].left_out == made[1].left_out


def test_one_conversation_is_cut_to_the_bound() -> None:
    """The first messages stay."""
    sample = Sample(50)
    for number in range(60):
        sample.add("only", f"text {number}")
    found = sample.corpus("made")
    assert [50] == [len(one) for one in found.conversations]
    assert 10 == found.left_out


def test_a_message_that_comes_twice_counts_once() -> None:
    """By its id; one without words not at all."""
    sample = Sample(100)
    for number in range(45):
        for _ in range(2):
            sample.add("one", f"text {number}", b"id %d" % number)
        sample.add("one", "...", b"dots %d" % number)
    assert [45] == [len(one) for one in sample.corpus("made").conversations]


def test_too_few_messages_are_refused() -> None:
    """Shares of a handful would be its words."""
    sample = Sample(100)
    sample.add("one", "hello")
    with pytest.raises(Refused, match="1 messages with words"):
        sample.corpus("made")


def test_intervals_are_students() -> None:
    """Mean ± t(2) x s / sqrt(3), cut at 0 and 1."""
    found = leakage._share([0.5, 0.6, 0.7])
    assert (0.6, 0.3516, 0.8484) == tuple(
        round(value, 4) for value in (found.mean, found.low, found.high))
    assert Share(0.0, 0.0, 0.0) == leakage._share([0.0, 0.0])
    assert 0.0 == leakage._share([0.0, 0.1]).low
