"""Shares of a secret: any k restore it, fewer say nothing, and what is wrong with one is named."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra import keyshares
from infra.keyshares import BYTES, KEK, PASSPHRASE, Field, Share
from schemas.errors import Refused
from tests.world import Random

SECRET = bytes(range(32))
# x^3 + x + 1 and x^4 + x + 1: small enough that every case can be tried.
EIGHT, SIXTEEN = Field(3, 0b1011), Field(4, 0b10011)
GOLDEN_ONE = """\
 1  040W-8PPP-Q26E-2R02-080J  RK
 2  KD9G-5GV9-BTFP-ZRE4-VT6A  4N
 3  463Y-NJNC-VZJ6-PMJ5-7278  PP
 4  GPG1-HYWH-AN3A-A0QY-SKN9  CS
 5  2FJ4-M8C2-RDY1-947D-N930  9Q
"""
GOLDEN_TWO = """\
 1  040W-8PPP-Q26E-2R02-0812  XR
 2  JWGY-B1P3-3JFQ-WWW9-NJWF  H9
 3  88AW-Z3T3-MQ9X-D94A-E03G  QY
 4  QD02-0NMJ-NA6M-M0J2-XCCD  HR
 5  CJV7-7CR4-6GAC-SQ39-QMRG  B4
"""


def shares_of(secret: bytes = SECRET, threshold: int = 3, count: int = 5, *, kind: int = KEK,
              seed: str = "shares") -> list[Share]:
    """A set of shares, the same each time."""
    return keyshares.split(secret, kind, threshold, count, Random(seed))


def dealt(values: Iterable[int]) -> Callable[[int], bytes]:
    """"Random" bytes that are these values, one at a time."""
    left = iter(values)
    return lambda _size: bytes([next(left)])


def test_the_field_is_that_of_aes() -> None:
    """FIPS 197 §4.2 multiplies these; and every element but 0 has its inverse."""
    assert BYTES.multiply(0x57, 0x83) == 0xC1
    assert BYTES.multiply(0x57, 0x13) == 0xFE
    assert all(BYTES.multiply(one, BYTES.inverse(one)) == 1 for one in range(1, 256))
    assert BYTES.inverse(0) == 0


def test_the_field_obeys_its_laws() -> None:
    """Tried for every three elements of the field of sixteen."""
    for one, two, three in itertools.product(range(16), repeat=3):
        multiply = SIXTEEN.multiply
        assert multiply(one, two) == multiply(two, one)
        assert multiply(one, multiply(two, three)) == multiply(multiply(one, two), three)
        assert multiply(one, two ^ three) == multiply(one, two) ^ multiply(one, three)


@given(secret=st.binary(min_size=1, max_size=keyshares.SECRET_BYTES_MAX),
       sizes=st.integers(2, 8).flatmap(lambda count: st.tuples(
           st.integers(2, count), st.just(count))), seed=st.text(max_size=8), data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_k_of_n_restore_it(secret: bytes, sizes: tuple[int, int], seed: str,
                               data: st.DataObject) -> None:
    """Whichever k come, in whatever order, through their printed text."""
    threshold, count = sizes
    made = shares_of(secret, threshold, count, seed=seed)
    chosen = data.draw(st.permutations(made))[:threshold]
    joined = keyshares.join(keyshares.read(one.text()) for one in chosen)
    assert (secret, KEK, ()) == (joined.secret, joined.kind, joined.wrong)


@pytest.mark.parametrize(("threshold", "count"), [(2, 3), (2, 7), (3, 4), (3, 5)])
def test_fewer_than_k_are_consistent_with_every_secret(threshold: int, count: int) -> None:
    """In the field of eight: over every polynomial there is, k - 1 shares take each value equally
    often whatever the secret is. So they say nothing about it."""
    seen: dict[int, Counter[tuple[int, ...]]] = {}
    for secret, *rest in itertools.product(range(8), repeat=threshold):
        points = EIGHT.split([secret], threshold, count, dealt(rest))
        for holders in itertools.combinations(range(1, count + 1), threshold - 1):
            held = (*holders, *(points[number][0] for number in holders))
            seen.setdefault(secret, Counter())[held] += 1
        for holders in itertools.combinations(range(1, count + 1), threshold):
            assert EIGHT.join({number: points[number] for number in holders}) == (secret,)
    assert len(seen) == 8
    assert all(counted == seen[0] for counted in seen.values())
    assert len(set(seen[0].values())) == 1


def test_too_few_shares_say_how_many_more() -> None:
    """And of which set."""
    made = shares_of()
    with pytest.raises(Refused, match="2 of the 3 shares .* 1 more of set " + made[0].set_id.hex()):
        keyshares.join(made[:2])
    with pytest.raises(Refused, match="no share"):
        keyshares.join([])


def test_mixed_sets_are_named() -> None:
    """Which share belongs to which set."""
    ours, others = shares_of(), shares_of(seed="others")
    with pytest.raises(Refused) as refused:
        keyshares.join([ours[0], ours[1], others[2]])
    assert f"set {ours[0].set_id.hex()}: share 1, 2" in str(refused.value)
    assert f"set {others[0].set_id.hex()}: share 3" in str(refused.value)


def test_a_forged_share_is_found_where_there_are_enough() -> None:
    """A share whose body and checks were made anew: named with one share to spare, refused in any
    case."""
    made = shares_of()
    forged = Share(KEK, made[1].set_id, 3, 5, 2, bytes(one ^ 1 for one in made[1].body))
    with pytest.raises(Refused, match="do not give the secret together"):
        keyshares.join([made[0], forged, made[2]])
    joined = keyshares.join([made[0], forged, made[2], made[4]])
    assert (SECRET, (2,)) == (joined.secret, joined.wrong)
    with pytest.raises(Refused, match="call themselves number 2"):
        keyshares.join([*made, forged])


def forge(share: Share) -> Share:
    """The same share with another body; its checks are made anew. Each byte is wrong by another
    amount, so that two forged ones do not take each other's fault away."""
    return replace(share, body=bytes(one ^ (1 + at * share.number % 255)
                                     for at, one in enumerate(share.body)))


@pytest.mark.parametrize("number", [1, 10, 20])
def test_one_wrong_share_of_many_is_found(number: int) -> None:
    """Of twenty, ten of which are needed, there are 184,756 tens: the one that is wrong is found
    wherever it stands."""
    made = shares_of(threshold=10, count=20)
    made[number - 1] = forge(made[number - 1])
    joined = keyshares.join(made)
    assert (SECRET, (number,)) == (joined.secret, joined.wrong)


def test_it_says_when_it_gave_up() -> None:
    """Where too many are wrong to try every choice, nobody is told that all was tried; with fewer
    of them the wrong ones are found."""
    made = shares_of(threshold=10, count=20)
    bad = [forge(one) if one.number in (1, 11) else one for one in made]
    with pytest.raises(Refused, match="The other ways were not tried: leave shares out"):
        keyshares.join(bad)
    joined = keyshares.join(bad[1:])
    assert (SECRET, (11,)) == (joined.secret, joined.wrong)


def test_every_slip_of_a_key_is_noticed() -> None:
    """Each character of a share replaced by another, and each two neighbours exchanged: refused,
    naming the line; never another secret."""
    text = shares_of()[0].text()
    for at, char in enumerate(text):
        line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at) - 1
        if column < 4 or not char.isalnum():
            continue  # not the number of the line
        slip = "7" if char != "7" else "8"
        with pytest.raises(Refused, match=f"line {line} "):
            keyshares.read(text[:at] + slip + text[at + 1:])
    lines = text.splitlines(keepends=True)
    with pytest.raises(Refused, match="line 2 is missing"):
        keyshares.read("".join(lines[:1] + lines[2:]))
    with pytest.raises(Refused, match="missing at the end"):
        keyshares.read("".join(lines[:-1]))
    other = shares_of()[1].text().splitlines(keepends=True)
    with pytest.raises(Refused, match="not together"):
        keyshares.read("".join([*lines[:-1], other[-1]]))
    exchanged = "".join(["1" + lines[1][2:], " 2" + lines[0][2:], *lines[2:]])
    with pytest.raises(Refused, match="another place"):
        keyshares.read(exchanged)


def test_it_reads_as_people_type() -> None:
    """Small letters, O for 0, I and L for 1, no groups, words around it."""
    one = shares_of()[3]
    typed = "my share, from the envelope\n" + one.text().lower().replace("-", " ").replace(
        "0", "o", 3)
    first, _, rest = typed.partition("\n")
    assert one == keyshares.read(f"{first}\n{rest}\nkeep it safe\n")


@given(st.text(max_size=400))
@settings(max_examples=200, deadline=None)
def test_what_is_no_share_is_refused(text: str) -> None:
    """Whatever is typed."""
    with pytest.raises(Refused):
        keyshares.read(text)


@pytest.mark.parametrize(("threshold", "count", "size"), [
    (1, 3, 32), (4, 3, 32), (2, 33, 32), (2, 3, 0), (2, 3, 129)])
def test_a_split_that_protects_nothing_is_refused(threshold: int, count: int, size: int) -> None:
    """One share that is enough is no sharing; and everything has its limit."""
    with pytest.raises(Refused):
        keyshares.split(bytes(size), KEK, threshold, count, Random("x"))


def test_the_length_of_a_short_passphrase_is_hidden() -> None:
    """12 and 30 characters give shares of one length; nothing of the secret stands in clear."""
    short = shares_of(b"a sentence12", kind=PASSPHRASE)
    long = shares_of(b"a sentence that is much longer", kind=PASSPHRASE)
    assert len(short[0].text()) == len(long[0].text())
    assert keyshares.join(short[:3]).kind == PASSPHRASE
    assert short[0].text().count("\n") == 5


def test_golden_shares_read_for_ever() -> None:
    """The shares of docs/FORMAT.md §15, version 1."""
    one, two = shares_of(b"\x2a", 2, 2, seed="golden")
    assert one.text() == GOLDEN_ONE
    assert two.text() == GOLDEN_TWO
    assert keyshares.join([keyshares.read(GOLDEN_ONE), keyshares.read(GOLDEN_TWO)]).secret == b"*"
