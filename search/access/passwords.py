"""Passwords: what is one, how it is kept, how it is checked (argon2id, RFC 9106).

Owns the parameters and the rules. The same work is done for a person whom nobody knows as for one
who has a password: the time of a refusal says nothing.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import Type

from schemas.errors import Refused

CHARS_MIN: Final = 12
# Longer is refused before it is normalised or hashed.
CHARS_MAX: Final = 256
# Besides what the rules name: at least so many different characters.
_DISTINCT_MIN: Final = 5
CHECKS_AT_ONCE: Final = 4
# Of a person's name, a firm's name: shorter parts are in too many good passwords.
_WORD_CHARS_MIN: Final = 4
# What must remain when such words are taken out.
_REST_CHARS_MIN: Final = 8
_SALT_BYTES: Final = 16
_TAG_BYTES: Final = 32
# Words that the most guessed long passwords are made of. The rule on what remains does the rest.
COMMON: Final = ("password", "passwort", "motdepasse", "contraseña", "qwertyuiop", "qwertzuiop",
                 "azertyuiop", "asdfghjkl", "letmein", "welcome", "willkommen", "iloveyou",
                 "administrator", "changeme", "trustno1", "counterfoil", "compliance", "supervisor",
                 "1q2w3e4r5t6y", "qwerty", "1234567890", "0987654321", "abcdefghij", "monkey",
                 "dragon", "football", "baseball", "sunshine", "princess", "superman", "secret")
# Without i, l, o, 0 and 1: it is read from a screen or a sheet and typed.
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_INITIAL_GROUPS: Final = 4


class Unfit(Refused):
    """A new password that is not taken; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Of argon2id. `memory_kib` is taken for the time of one check, by each check that runs."""

    time_cost: int
    memory_kib: int
    lanes: int


# RFC 9106 §4, "second recommended option": 64 MiB, 3 passes, 4 lanes.
RECOMMENDED: Final = Parameters(3, 65_536, 4)
# For a machine that has not got them: OWASP's equivalent of 19 MiB, 2 passes, 1 lane.
SMALL: Final = Parameters(2, 19_456, 1)
_SMALL_BELOW_BYTES: Final = 1 << 30


def parameters_for(memory_bytes: int) -> Parameters:
    """For a machine with so much memory: below 1 GiB several checks at once would not fit."""
    return RECOMMENDED if memory_bytes >= _SMALL_BELOW_BYTES else SMALL


class Passwords:
    """Hashes and checks."""

    def __init__(self, random: Callable[[int], bytes], parameters: Parameters = RECOMMENDED,
                 ) -> None:
        """`random`: that many random bytes. `parameters`: small ones in tests."""
        self._random = random
        self._hasher = PasswordHasher(
            time_cost=parameters.time_cost, memory_cost=parameters.memory_kib,
            parallelism=parameters.lanes, hash_len=_TAG_BYTES, salt_len=_SALT_BYTES,
            type=Type.ID)  # resists side channels and tables both; RFC 9106 wants it
        # Of random bytes that nobody keeps: no password fits, and all of the work is done. Made
        # now: the first who asks for a name that nobody has would wait twice as long.
        self._nobodys = self._hasher.hash(random(32), salt=random(_SALT_BYTES))
        # The memory of a check, times those that run: a flood of sign-ins waits, and takes no more.
        self._turn = threading.BoundedSemaphore(CHECKS_AT_ONCE)

    def hashed(self, password: str) -> str:
        """The encoded hash, with its parameters and salt. `password` was found fit."""
        with self._turn:
            return self._hasher.hash(normal(password), salt=self._random(_SALT_BYTES))

    def matches(self, kept: str, password: str) -> bool:
        """Whether `password` is the one. `kept` "" = there is none: False, after the same work."""
        has_one = bool(kept) and len(password) <= CHARS_MAX
        against = kept if has_one else self._nobodys
        try:
            with self._turn:
                self._hasher.verify(against, normal(password[:CHARS_MAX]))
        except VerifyMismatchError:
            return False
        except (VerificationError, InvalidHashError) as error:
            raise Refused("accounts.json holds a password hash that does not read: set a new "
                          "password with `counterfoil account password`") from error
        return has_one

    def is_outdated(self, kept: str) -> bool:
        """Whether it was made with other parameters: hash anew at the next sign-in."""
        return self._hasher.check_needs_rehash(kept)



def normal(password: str) -> str:
    """NFKC: the same on a keyboard that types é as one character and on one that types two."""
    return unicodedata.normalize("NFKC", password)


def require_fit(password: str, words: Iterable[str] = ()) -> None:
    """Raises Unfit unless it may become a password.

    `words`: what somebody would guess of this person and firm (names, ids, the mail address).
    """
    if len(password) > CHARS_MAX:
        raise Unfit(f"a password has at most {CHARS_MAX} characters")
    text = normal(password)
    if len(text) > CHARS_MAX:
        raise Unfit(f"a password has at most {CHARS_MAX} characters")
    if len(text) < CHARS_MIN:
        raise Unfit(f"a password has at least {CHARS_MIN} characters; several words are easy to "
                    "remember")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise Unfit("a password has no control characters, tabs or line ends")
    plain = "".join(text.casefold().split())
    if len(set(plain)) < _DISTINCT_MIN or _is_repeated(plain) or _is_run(plain):
        raise Unfit("this password is a simple pattern; take several words that do not belong "
                    "together")
    rest = plain
    for word in sorted({*COMMON, *_parts(words)}, key=len, reverse=True):
        rest = rest.replace(word, "")
    if rest != plain and len(rest) < _REST_CHARS_MIN:
        raise Unfit("this password is among the first that are guessed: it is made of a common "
                    "word or of a name; take several words that do not belong together")


def initial(random: Callable[[int], bytes]) -> str:
    """A one-time password to be read out or handed over: 4 groups of 5, some 99 bits."""
    return "-".join(_group(random) for _ in range(_INITIAL_GROUPS))


def _group(random: Callable[[int], bytes]) -> str:
    out = ""
    while len(out) < 5:
        (byte,) = random(1)
        # Those above the last full round would make the first letters likelier.
        if byte < 256 - 256 % len(_ALPHABET):
            out += _ALPHABET[byte % len(_ALPHABET)]
    return out


def _parts(words: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for word in words:
        text = normal(word).casefold()
        for char in "@.,;:-_/()'\"":
            text = text.replace(char, " ")
        pieces = text.split()
        found |= {piece for piece in (*pieces, "".join(pieces)) if len(piece) >= _WORD_CHARS_MIN}
    return found


def _is_repeated(text: str) -> bool:
    """One piece again and again: it lies in its double, apart from the ends."""
    return text in (text + text)[1:-1]


def _is_run(text: str) -> bool:
    """Each character the next of the one before: abcdef…, 987654…"""
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps in ({1}, {-1})
