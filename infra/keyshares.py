"""A secret in n printable shares: any k of them restore it, fewer say nothing about it (Shamir).

Owns the field, splitting, joining and a share's text (docs/FORMAT.md §15). Pure: randomness is an
argument, files and terminals are the verbs'. No table is looked up by a secret and no branch
depends on one.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, combinations, islice
from math import comb
from typing import Final

from schemas.errors import Refused
from schemas.identity import canonical

KEK: Final = 1
PASSPHRASE: Final = 2
KINDS: Final = {KEK: "the wrapping key", PASSPHRASE: "the passphrase of the key backups"}
SHARES_MAX: Final = 32
SECRET_BYTES_MAX: Final = 128
# More than any text of one share; a file that is longer is none.
TEXT_BYTES_MAX: Final = 16 * 1024

_VERSION: Final = 1
_SET_BYTES: Final = 7
_CHECK_BYTES: Final = 8
_HEAD_BYTES: Final = 1 + 1 + _SET_BYTES + 1 + 1 + 1 + 1
_BLOCK: Final = 16
_BLOCKS_MIN: Final = 2
# Crockford's: no I, L, O, U. What is typed for one of those is taken for what it looks like.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LOOKS_LIKE: Final = str.maketrans("OIL", "011")
_GROUP, _GROUPS = 4, 5
_LINE: Final = re.compile(r"\s*([1-9][0-9]?)[ \t.:)]+([0-9A-Za-z][0-9A-Za-z \t-]*)")
# Sets of shares that are tried, where one of more than enough is not what it was.
_TRIES_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Field:
    """GF(2^bits) modulo `polynomial`. The small ones are for tests that try everything."""

    bits: int
    polynomial: int

    def multiply(self, one: int, other: int) -> int:
        """Their product: the same steps whatever the two are."""
        product = 0
        for _ in range(self.bits):
            product ^= one & -(other & 1)
            one = (one << 1) ^ (self.polynomial & -(one >> (self.bits - 1)))
            other >>= 1
        return product

    def inverse(self, one: int) -> int:
        """one^(2^bits - 2); 0 for 0."""
        out = 1
        for _ in range(self.bits - 1):
            one = self.multiply(one, one)
            out = self.multiply(out, one)
        return out

    def split(self, secret: Sequence[int], threshold: int, count: int,
              random: Callable[[int], bytes]) -> dict[int, tuple[int, ...]]:
        """Points 1 to `count` of polynomials of degree `threshold` - 1 whose values at 0 are the
        secret. Every coefficient is as likely as every other, 0 too: that is what hides it."""
        mask = (1 << self.bits) - 1
        upper = [[byte & mask for byte in random(len(secret))] for _ in range(threshold - 1)]
        return {number: tuple(self._value([constant, *rest], number) for constant, *rest
                              in zip(secret, *upper, strict=True))
                for number in range(1, count + 1)}

    def join(self, points: Mapping[int, Sequence[int]], at: int = 0) -> tuple[int, ...]:
        """The values at `at` of the polynomials through `points` (Lagrange)."""
        length = len(next(iter(points.values())))
        out = [0] * length
        for number, values in points.items():
            weight = 1
            for other in points:
                if other != number:
                    weight = self.multiply(weight, self.multiply(
                        at ^ other, self.inverse(number ^ other)))
            for place, value in enumerate(values):
                out[place] ^= self.multiply(weight, value)
        return tuple(out)

    def _value(self, coefficients: Sequence[int], at: int) -> int:
        out = 0
        for one in reversed(coefficients):
            out = self.multiply(out, at) ^ one
        return out


# The field of AES (FIPS 197).
BYTES: Final = Field(8, 0x11B)


@dataclass(frozen=True, slots=True)
class Share:
    """One share: which set it belongs to, how many of how many are needed, which one it is."""

    kind: int
    set_id: bytes
    threshold: int
    count: int
    number: int
    body: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """As people speak of it."""
        return f"share {self.number} of {self.count} (set {self.set_id.hex()})"

    def text(self) -> str:
        """Its lines: number, five groups of four characters, two characters that check the line."""
        body = self._packed()
        digits = _to_text(body + sha256(b"counterfoil/share/v1" + body).digest()[:_CHECK_BYTES])
        lines, step = [], _GROUP * _GROUPS
        for number, at in enumerate(range(0, len(digits), step), 1):
            line = digits[at:at + step]
            groups = "-".join(line[start:start + _GROUP] for start in range(0, len(line), _GROUP))
            lines.append(f"{number:2}  {groups}  {_line_check(number, line)}\n")
        return "".join(lines)

    def _packed(self) -> bytes:
        return bytes([_VERSION, self.kind]) + self.set_id + bytes(
            [self.threshold, self.count, self.number, len(self.body)]) + self.body


@dataclass(frozen=True, slots=True)
class Joined:
    """What shares gave: the secret, and the numbers of shares that are not what they were (known
    only where more were given than are needed)."""

    kind: int
    set_id: bytes
    wrong: tuple[int, ...]
    secret: bytes = field(repr=False)


def split(secret: bytes, kind: int, threshold: int, count: int,
          random: Callable[[int], bytes]) -> list[Share]:
    """`count` shares, any `threshold` of which give the secret. Raises Refused."""
    if not 2 <= threshold <= count <= SHARES_MAX:
        raise Refused(f"{threshold} of {count} shares: at least 2 must be needed, no more than "
                      f"there are, and no more than {SHARES_MAX} made")
    if not 0 < len(secret) <= SECRET_BYTES_MAX:
        raise Refused(f"a secret of {len(secret)} bytes: 1 to {SECRET_BYTES_MAX} can be split")
    set_id = random(_SET_BYTES)
    # The check lies inside what is split: beside it, it would let one officer try passphrases.
    points = BYTES.split(_padded(secret) + _check(set_id, kind, secret), threshold, count, random)
    return [Share(kind, set_id, threshold, count, number, bytes(values))
            for number, values in points.items()]


def join(shares: Iterable[Share]) -> Joined:
    """The secret. Raises Refused, naming what is missing, mixed or changed."""
    given = _of_one_set(list(shares))
    first = next(iter(given.values()))
    missing = first.threshold - len(given)
    if missing > 0:
        raise Refused(f"{len(given)} of the {first.threshold} shares that are needed are here: "
                      f"{missing} more of set {first.set_id.hex()}")
    for numbers in _choices(list(given), first.threshold):
        chosen = {number: given[number].body for number in numbers}
        secret = _opened(first, bytes(BYTES.join(chosen)))
        if secret is not None:
            wrong = tuple(number for number, one in given.items() if number not in chosen
                          and bytes(BYTES.join(chosen, at=number)) != one.body)
            return Joined(first.kind, first.set_id, wrong, secret)
    said = ("the shares are whole and of one set, and do not give the secret together: one was "
            "made anew or forged")
    if len(given) == first.threshold:
        said += "; with one more share it could be told which"
    elif comb(len(given), first.threshold) > _TRIES_MAX:
        # Not more than one: a choice without it would have been among the first.
        said = (f"the shares are whole and of one set, and {_TRIES_MAX} of the ways to choose "
                f"{first.threshold} of them do not give the secret: more than one was made anew or "
                "forged. The other ways were not tried: leave shares out that you doubt, and join "
                "again")
    raise Refused(said)


def read(text: str) -> Share:
    """A share from its text; lines that do not begin with a number are words for people. Raises
    Refused, naming the line that was mistyped or is missing."""
    if len(text) > TEXT_BYTES_MAX:
        raise Refused("this is no share: it is too long")
    lines: dict[int, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None:
            number, digits = read_line(match[0])
            if lines.setdefault(number, digits) != digits:
                raise Refused(f"line {number} stands there twice and differs")
    if not lines:
        raise Refused("this is no share: no line of it begins with a number")
    for number in range(1, max(lines) + 1):
        if number not in lines:
            raise Refused(f"line {number} is missing")
    return _unpacked(_to_bytes("".join(lines[number] for number in sorted(lines))))


def read_line(line: str) -> tuple[int, str]:
    """Number and characters of one typed line. Raises Refused where its check says no."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise Refused("a line is its number, groups of four characters, and two at the end")
    number = int(match[1])
    digits = re.sub(r"[ \t-]", "", match[2]).upper().translate(_LOOKS_LIKE)
    data, check = digits[:-2], digits[-2:]
    if not data or len(data) > _GROUP * _GROUPS or set(digits) - set(_ALPHABET):
        raise Refused(f"line {number}: {len(data)} characters, or one that no share has")
    if check != _line_check(number, data):
        raise Refused(f"line {number} is mistyped, or stands in another place")
    return number, data


def _choices(numbers: Sequence[int], need: int) -> Iterator[tuple[int, ...]]:
    """Ways to choose `need` of them, some twice. First those that stand side by side in a ring:
    where there are more than are needed, each single share is left out of one of these."""
    ring = [*numbers, *numbers]
    beside = (tuple(ring[at:at + need]) for at in range(len(numbers)))
    return chain(beside, islice(combinations(numbers, need), _TRIES_MAX))


def _of_one_set(shares: Sequence[Share]) -> dict[int, Share]:
    if not shares:
        raise Refused("no share was given")
    sets: dict[bytes, list[int]] = {}
    for one in shares:
        sets.setdefault(one.set_id, []).append(one.number)
    if len(sets) > 1:
        named = "; ".join(f"set {set_id.hex()}: share {', '.join(map(str, sorted(set(numbers))))}"
                          for set_id, numbers in sets.items())
        raise Refused(f"the shares are of {len(sets)} different sets: {named}")
    out: dict[int, Share] = {}
    first = shares[0]
    for one in shares:
        if (one.kind, one.threshold, one.count, len(one.body)) != (
                first.kind, first.threshold, first.count, len(first.body)):
            raise Refused(f"{one.name} says something else of its set than share {first.number}")
        if out.setdefault(one.number, one) != one:
            raise Refused(f"two different shares call themselves number {one.number}")
    return dict(sorted(out.items()))


def _opened(first: Share, plain: bytes) -> bytes | None:
    length, padded = plain[0], plain[1:-_CHECK_BYTES]
    secret = padded[:length]
    right = hmac.compare_digest(_check(first.set_id, first.kind, secret), plain[-_CHECK_BYTES:])
    return secret if right and _padded(secret) == plain[:-_CHECK_BYTES] else None


def _padded(secret: bytes) -> bytes:
    blocks = max(_BLOCKS_MIN, -(-len(secret) // _BLOCK))
    return bytes([len(secret)]) + secret.ljust(blocks * _BLOCK, b"\0")


def _check(set_id: bytes, kind: int, secret: bytes) -> bytes:
    return sha256(canonical("counterfoil/share-secret/v1", set_id, kind, secret)
                  ).digest()[:_CHECK_BYTES]


def _unpacked(data: bytes) -> Share:
    body, check = data[:-_CHECK_BYTES], data[-_CHECK_BYTES:]
    if len(body) <= _HEAD_BYTES or sha256(b"counterfoil/share/v1" + body
                                          ).digest()[:_CHECK_BYTES] != check:
        raise Refused("the lines are right one by one and not together: one is missing at the end, "
                      "or they are of two shares")
    version, kind = body[0], body[1]
    if version != _VERSION or kind not in KINDS:
        raise Refused(f"a share of version {version} and kind {kind}, which this program does not "
                      "know")
    set_id = body[2:2 + _SET_BYTES]
    threshold, count, number, length = body[2 + _SET_BYTES:_HEAD_BYTES]
    if not (2 <= threshold <= count <= SHARES_MAX and 1 <= number <= count
            and length == len(body) - _HEAD_BYTES > _CHECK_BYTES + 1):
        raise Refused("a share whose numbers do not fit together")
    return Share(kind, set_id, threshold, count, number, body[_HEAD_BYTES:])


def _line_check(number: int, digits: str) -> str:
    value = int.from_bytes(sha256(b"counterfoil/share-line/v1" + bytes([number])
                                  + digits.encode()).digest()[:2], "big")
    return _ALPHABET[value >> 11] + _ALPHABET[value >> 6 & 31]


def _to_text(data: bytes) -> str:
    """Five bits a character. A share is its holder's secret alone: what leaks in time here is one
    share to whoever measures the machine that made all of them."""
    size = -(-len(data) * 8 // 5)
    value = int.from_bytes(data, "big") << (size * 5 - len(data) * 8)
    return "".join(_ALPHABET[value >> 5 * place & 31] for place in reversed(range(size)))


def _to_bytes(text: str) -> bytes:
    value = 0
    for char in text:
        value = value << 5 | _ALPHABET.index(char)
    spare = len(text) * 5 % 8
    if spare >= 5 or value & ((1 << spare) - 1):
        raise Refused("the lines are right one by one and not together: one is missing at the end")
    return (value >> spare).to_bytes(len(text) * 5 // 8, "big")
