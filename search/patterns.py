"""Identifiers in a text: account and card numbers, securities, telephone numbers, addresses, money.

Owns how each is told from other text, and its one spelling: the same number has the same value
however it was typed, in digits of any script, with invisible characters between them or not.
Pure, and linear in the text: whatever is repeated in an expression is bounded or possessive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Final

from schemas import limits
from search import registries, tokens

IBAN: Final = "iban"
ISIN: Final = "isin"
CARD: Final = "card"
PHONE: Final = "phone"
EMAIL: Final = "email"
URL: Final = "url"
AMOUNT: Final = "amount"
KINDS: Final = (IBAN, ISIN, CARD, PHONE, EMAIL, URL, AMOUNT)


@dataclass(frozen=True, slots=True)
class Identifier:
    """`kind` is one of KINDS; `start`, `end`: where it stands in the text, half open. `value`:

    iban, isin: capitals and digits · card: digits · phone: digits, in international form (without
    "+") where it was written so, else as dialled in its country · email: local part @ domain ·
    url: the domain without "www." · amount: ISO 4217 code, or a sign of several countries ("$",
    "¥", "kr", "rs"), a space, and the number with a point and no needless zeros. Lower case but
    for codes; domains of other scripts in their ASCII form (xn--…).
    """

    kind: str
    value: str
    start: int
    end: int


def found(text: str) -> tuple[Identifier, ...]:
    """What `text` holds, by place; none overlaps another. At most limits.MARKS_MAX, shared out
    evenly, so that many amounts never hide an account number."""
    if not _is_worth_it(text):
        return ()
    read = _Text(text)
    return tuple(sorted((Identifier(one.kind, one.value, *read.span(one.start, one.end))
                         for one in _scan(read)), key=lambda one: (one.start, one.end)))


def values(text: str) -> tuple[frozenset[tuple[str, str]], bool]:
    """(kind, value) of what `found` finds, much faster; and whether there may be more than that."""
    if not _is_worth_it(text):
        return _NOTHING
    hits = _scan(_Text(text))
    is_cut = len(hits) >= _HITS_MAX and max(
        sum(hit.kind == kind for hit in hits) for kind in KINDS) >= _HITS_MAX
    return frozenset((hit.kind, hit.value) for hit in hits), is_cut


def canonical(kind: str, typed: str) -> str | None:
    """The value of an identifier as a person types it into a search; null when it is none. An
    amount may lack its currency, an email its local part: then it is the number, or the domain."""
    hits = [hit.value for hit in _scan(_Text(typed.strip())) if hit.kind == kind]
    if hits:
        return hits[0]
    plain = tokens.normalise(typed).strip()
    if kind == PHONE:
        digits = "".join(_DIGITS.findall(plain.replace("(0)", "")))
        return digits if _PHONE_DIGITS_MIN <= len(digits) <= _PHONE_DIGITS_MAX else None
    if kind in (EMAIL, URL):
        host = _HOST_TYPED.fullmatch(plain)
        return None if host is None else domain(host[1])
    return _number(plain, "", 0) if kind == AMOUNT else None


def domain(host: str) -> str:
    """A host's one spelling: lower case, without "www.", other scripts in their ASCII form."""
    labels = [_ascii_label(label) for label in host.rstrip(".").split(".")]
    return ".".join(labels[1:] if len(labels) > 2 and labels[0] == "www" else labels)


# --- a text while it is read ---------------------------------------------------------------------

_NOTHING: Final[tuple[frozenset[tuple[str, str]], bool]] = (frozenset(), False)
# Digits of any script, "@", and a point before a letter; whatever normalisation makes one of them
# counts as well.
_WORTH_ASCII: Final = re.compile(r"[0-9@]|\.[a-zA-Z]")
_WORTH: Final = re.compile(
    "[\\d@\u00b2-\u00be\u2070-\u2089\u2150-\u215f\u2189\u2460-\u24ff\u3200-\u33ff\ufe6b\uff20"
    "\U0001f100-\U0001f10a]|[.\u2024\ufe52\uff0e](?!\\s|\\Z)")
_DIGITS: Final = re.compile(r"[0-9]+")
# Letters of scripts without spaces stand directly beside a number or an address that is none of
# theirs: they border it. Not so signs and words of money.
_UNSPACED: Final = re.compile(
    f"(?![{registries.CURRENCY_SIGNS}{''.join(registries.SCALE_SIGNS)}])"
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3031-\u318f\u31a0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uaa60-\uaa7f\uac00-\ud7ff\uf900-\ufaff"
    "\U00020000-\U000323af]")
_BORDER: Final = "\0"
_UUID: Final = re.compile(
    r"(?<![0-9a-z])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-z])")


def _is_worth_it(text: str) -> bool:
    return (_WORTH_ASCII if text.isascii() else _WORTH).search(text) is not None


class _Text:
    """A text, normalised (`whole`), and what of it nobody has claimed yet (`plain`, as long)."""

    __slots__ = ("_places", "digits", "plain", "source", "whole")

    def __init__(self, source: str) -> None:
        self.source = source
        self.whole = tokens.normalise(source)
        self.plain = self.whole if source.isascii() else _UNSPACED.sub(_BORDER, self.whole)
        if self.plain.count("-") >= 4:
            # A random id is no number of anything, whatever pieces of it look like.
            self.plain = _UUID.sub(_BORDER * 36, self.plain)
        self.digits = sum(map(self.plain.count, "0123456789"))
        self._places: list[tuple[int, int]] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a piece of the normalised text stands in the text."""
        if self.source.isascii():
            return start, end
        if self._places is None:
            self._places = tokens.places(self.source)
        return self._places[start][0], self._places[end - 1][1]

    def is_in_capitals(self, start: int, end: int) -> bool:
        """Whether a piece was written so."""
        first, last = self.span(start, end)
        return self.source[first:last].isupper()

    def claim(self, hits: Iterable[Identifier]) -> None:
        """Nobody finds anything there any more."""
        pieces: list[str] = []
        at = 0
        for hit in hits:
            pieces += self.plain[at:hit.start], _BORDER * (hit.end - hit.start)
            at = hit.end
        self.plain = "".join((*pieces, self.plain[at:]))


def _scan(read: _Text) -> list[Identifier]:
    """Places are those of the normalised text."""
    out: list[Identifier] = []
    for digits_min, needed, find in _FINDERS:
        if read.digits < digits_min or needed not in read.plain:
            continue
        hits = list(islice(find(read), _HITS_MAX))
        if hits:
            out += hits
            read.claim(hits)
    return out


# --- web addresses and mail ----------------------------------------------------------------------

_WEB: Final = re.compile(
    r"https?://(?:[^\s/?#@]{1,64}@)?([^\s/?#:@<>\"'()\[\],;!|\\]{1,253})"
    r"(?::[0-9]{1,5})?(?:[/?#][^\s<>\"]{0,2000})?")
_NAMES: Final = r"[\w-]{1,63}+(?:\.[\w-]{1,63}+){1,9}+"
_BARE: Final = re.compile(
    rf"(?<![\w.@-])({_NAMES})((?::[0-9]{{1,5}})?[/?#][^\s<>\"\0]{{0,2000}})?")
_MAIL: Final = re.compile(rf"(?<![\w.+%'-])([\w.+%'-]{{1,64}}+)@({_NAMES})")
_POINT_IN_WORD: Final = re.compile(r"\.[^\W\d_]{2}")
_HOST_TYPED: Final = re.compile(r"(?:https?://)?@?([^\s/?#:@]{1,253})(?:[:/?#].*)?", re.DOTALL)
_TOP: Final = re.compile(r"[^\W\d_]{2,63}|xn--[a-z0-9-]{2,59}")


def _web_addresses(read: _Text) -> Iterator[Identifier]:
    """With "https://": whatever follows is an address."""
    for match in _WEB.finditer(read.whole):
        host, end = match[1].rstrip("."), match.end()
        cut = _UNSPACED.split(host, maxsplit=1)[0]
        if cut != host and _known_labels(cut.split(".")) == cut.count(".") + 1:
            # Text of a script without spaces follows directly.
            host, end = cut, match.start(1) + len(cut)
        elif match.end() == match.end(1):
            end = match.start(1) + len(host)
        if host:
            yield Identifier(URL, domain(host), match.start(), end)


def _mail_addresses(read: _Text) -> Iterator[Identifier]:
    for match in _MAIL.finditer(read.plain):
        local = match[1].strip(".+%'-")
        labels = match[2].split(".")
        count = _known_labels(labels) or (
            len(labels) if _TOP.fullmatch(labels[-1]) else 0)
        if local and count:
            host = ".".join(labels[:count])
            start = match.start(1) + match[1].index(local)
            yield Identifier(EMAIL, f"{local}@{domain(host)}", start, match.start(2) + len(host))


def _bare_addresses(read: _Text) -> Iterator[Identifier]:
    """Without "https://": only under a top domain that is known, and no two words of sentences
    between which the space is missing."""
    if _POINT_IN_WORD.search(read.plain) is None:
        return
    for match in _BARE.finditer(read.plain):
        labels = match[1].split(".")
        count = _known_labels(labels)
        if not count or not any(map(str.isalpha, labels[count - 2])):
            continue
        is_whole = count == len(labels)
        has_path = is_whole and match[2] is not None
        if count == 2 and labels[1] in registries.TOP_DOMAIN_WORDS and not has_path:
            continue
        host = ".".join(labels[:count])
        yield Identifier(URL, domain(host), match.start(),
                         match.end() if has_path else match.start() + len(host))


def _known_labels(labels: list[str]) -> int:
    """How many labels make a name under a top domain that is known; 0 = none do."""
    for count in range(len(labels), 1, -1):
        if _ascii_label(labels[count - 1]) in registries.TOP_DOMAINS:
            return count
    return 0


def _ascii_label(label: str) -> str:
    """`münchen` and `xn--mnchen-3ya` are one."""
    if label.startswith("xn--"):
        try:
            label = tokens.normalise(label[4:].encode("ascii").decode("punycode"))
        except UnicodeError:
            return label  # no such name: as it stands
    if label.isascii():
        return label
    # The codec takes the square of the length; no label is longer.
    return "xn--" + label[:63].encode("punycode").decode("ascii")


# --- numbers with check digits -------------------------------------------------------------------

_EDGE: Final = r"(?<![^\W_])"           # no letter and no digit before
_END: Final = r"(?![^\W_])"             # nor behind
_IBAN_START: Final = re.compile(_EDGE + r"[a-z]{2}(?=[ .-]?[0-9][ .-]?[0-9])")
_IBAN_RUN: Final = re.compile(r"([0-9]+)([nac])")
_IBAN_CLASSES: Final = {"n": "[0-9]", "a": "[a-z]", "c": "[a-z0-9]"}
_BETWEEN: Final = re.compile(r"[ .-]")
_ISIN_WRITTEN: Final = re.compile(_EDGE + r"([a-z]{2})-?([a-z0-9]{9})-?([0-9])" + _END)
_ISIN_CHARS: Final = 12
_ISIN_DIGITS_MIN: Final = 3             # with fewer it is a word
_CARD_RUN: Final = re.compile(
    r"(?<![^\W_])(?<!\+)[0-9]++(?![^\W_])(?:[ -][0-9]++(?![^\W_]))*+")
_CARD: Final = re.compile("|".join((
    r"4[0-9]{12}(?:[0-9]{3}){0,2}",                             # Visa
    r"5[1-5][0-9]{14}|2[2-7][0-9]{14}",                         # Mastercard, Mir
    r"3[47][0-9]{13}",                                          # American Express
    r"3(?:0[0-59]|[689][0-9])[0-9]{11,16}",                     # Diners Club
    r"35[2-8][0-9]{13,16}",                                     # JCB
    r"6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12,15}",              # Discover, RuPay
    r"(?:62|81|82)[0-9]{14,17}|508[0-9]{13}",                   # UnionPay, RuPay
    r"(?:50|5[6-9]|6[0-9])[0-9]{11,17}|9792[0-9]{12}",          # Maestro, Troy
)))
_CARD_FIRST: Final = frozenset("234568 9")
_CARD_DIGITS_MIN: Final = 13
_CARD_DIGITS_MAX: Final = 19
_CARD_GROUPS_MAX: Final = 6
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def _ibans(read: _Text) -> Iterator[Identifier]:
    free = 0
    for start in _IBAN_START.finditer(read.plain):
        expression = _iban_expression(start[0]) if start.start() >= free else None
        match = expression.match(read.plain, start.start()) if expression else None
        if match is None:
            continue
        value = _BETWEEN.sub("", match[0])
        if int("".join(str(int(one, 36)) for one in value[4:] + value[:4])) % 97 == 1:
            free = match.end()
            yield Identifier(IBAN, value.upper(), match.start(), free)


@lru_cache(maxsize=128)
def _iban_expression(country: str) -> re.Pattern[str] | None:
    structure = registries.IBAN_STRUCTURES.get(country)
    if structure is None:
        return None
    runs = "".join(f"(?:[ .-]?{_IBAN_CLASSES[kind]}){{{count}}}"
                   for count, kind in _IBAN_RUN.findall("2n" + structure))
    return re.compile(country + runs + _END)


def _isins(read: _Text) -> Iterator[Identifier]:
    if max(map(len, read.plain.split())) < _ISIN_CHARS:
        return
    for match in _ISIN_WRITTEN.finditer(read.plain):
        value = "".join(match.groups())
        if (match[1] in registries.ISIN_PREFIXES
                and sum(map(str.isdigit, value)) >= _ISIN_DIGITS_MIN
                and _passes_luhn("".join(str(int(one, 36)) for one in value))):
            yield Identifier(ISIN, value.upper(), match.start(), match.end())


def _cards(read: _Text) -> Iterator[Identifier]:
    for run in _CARD_RUN.finditer(read.plain):
        if len(run[0]) < _CARD_DIGITS_MIN:
            continue
        groups = list(_DIGITS.finditer(read.plain, run.start(), run.end()))
        free = 0
        for place, first in enumerate(groups):
            if first.start() < free or first[0][0] not in _CARD_FIRST:
                continue
            hit = _card(groups[place:place + _CARD_GROUPS_MAX])
            if hit is not None:
                free = hit.end
                yield hit


def _card(groups: list[re.Match[str]]) -> Identifier | None:
    """The longest card number that begins with the first group and ends with one."""
    number, hit = "", None
    for group in groups:
        number += group[0]
        if len(number) > _CARD_DIGITS_MAX:
            break
        if len(number) >= _CARD_DIGITS_MIN and _CARD.fullmatch(number) and _passes_luhn(number):
            hit = Identifier(CARD, number, groups[0].start(), group.end())
    return hit


def _passes_luhn(digits: str) -> bool:
    return (sum(map(int, digits[::-2])) + sum(_DOUBLED[int(one)] for one in digits[-2::-2])
            ) % 10 == 0


# --- money ---------------------------------------------------------------------------------------

# Groups of three behind spaces, else digits with points, commas or apostrophes between them.
_NUMBER: Final = re.compile(
    r"(?<![0-9])(?<![0-9][.,'’\u066b\u066c])"
    r"(?:[0-9]{1,3}(?: [0-9]{3}(?![0-9])){1,6}+(?:[.,\u066b][0-9]{1,18}+)?"
    r"|[0-9]{1,18}+(?:[.,'’\u066b\u066c][0-9]{1,18}+){0,8}+)(?![0-9])")
_SCALE: Final = re.compile(
    rf" ?(?:({'|'.join(sorted(registries.SCALES, key=len, reverse=True))})\b\.?"
    rf"|([{''.join(registries.SCALE_SIGNS)}]))")
_SCALES: Final = registries.SCALES | registries.SCALE_SIGNS
_CURRENCY_CHARS_MAX: Final = 8
_CURRENCY_BEFORE: Final = re.compile(
    rf"(?:{_EDGE}(?:[a-z]{{1,2}}\$|[^\W\d_]{{1,{_CURRENCY_CHARS_MAX}}}\.?)"
    rf"|[{registries.CURRENCY_SIGNS}]) ?\Z")
_CURRENCY_BEHIND: Final = re.compile(
    rf" ?(?:[^\W\d_]{{1,{_CURRENCY_CHARS_MAX}}}\$?(?![\w$])|[{registries.CURRENCY_SIGNS}])")
_LETTERS: Final = re.compile(
    rf"[^\W\d_{registries.CURRENCY_SIGNS}]+|[{registries.CURRENCY_SIGNS}]")
_NUMBER_NEXT: Final = re.compile(r" ?[0-9]")
_POINTS: Final = ".,\u066b"
_NUMBER_DIGITS_MAX: Final = 24          # of an exact Decimal there are 28


def _amounts(read: _Text) -> Iterator[Identifier]:
    if registries.CURRENCIES.keys().isdisjoint(_LETTERS.findall(read.plain)):
        return
    free = 0
    for match in _NUMBER.finditer(read.plain):
        scale = _SCALE.match(read.plain, match.end())
        end = scale.end() if scale else match.end()
        currency, start, end = _currency_of(read, free, match.start(), end)
        zeros = _SCALES[scale[1] or scale[2]] if scale else 0
        number = _number(match[0], currency, zeros) if currency else None
        if number is not None:
            free = end
            yield Identifier(AMOUNT, f"{currency} {number}", start, end)


def _currency_of(read: _Text, free: int, start: int, end: int) -> tuple[str, int, int]:
    """The currency beside a number at `start` to `end`, and where the two begin and end; "" = none.

    What stands before it counts; but "$500 CAD" is not of just any dollars. What lies before `free`
    belongs to another number.
    """
    before = _CURRENCY_BEFORE.search(read.plain, max(free, start - _CURRENCY_CHARS_MAX - 2), start)
    behind = _CURRENCY_BEHIND.match(read.plain, end)
    first = _currency(read, before) if before else ""
    last = _currency(read, behind) if behind else ""
    if before and first:
        start = before.start()
        if not (last and first in registries.CURRENCY_READINGS):
            return first, start, end
    if not behind or (first and _NUMBER_NEXT.match(read.plain, behind.end())):
        return first, start, end
    return last, start, behind.end()


def _currency(read: _Text, match: re.Match[str]) -> str:
    written = match[0].strip(" .")
    if written in registries.CURRENCIES_IN_CAPITALS:
        start = match.start() + match[0].index(written)
        if not read.is_in_capitals(start, start + len(written)):
            return ""
    return registries.CURRENCIES.get(written, "")


def _number(written: str, currency: str, zeros: int) -> str | None:
    """ "1.234,50" and "1,234.5" are 1234.5; null for what is no number, a date or a list."""
    if not _NUMBER.fullmatch(written) or len(written) > 2 * _NUMBER_DIGITS_MAX:
        return None
    separators = [one for one in written if not one.isdigit()]
    whole, part = written, ""
    if separators and _is_point(written, separators, currency):
        whole, _, part = written.rpartition(separators.pop())
    if len(set(separators)) > 1 or (separators and not _is_grouped(whole, separators[0])):
        return None
    digits = "".join(_DIGITS.findall(whole + part))
    if len(digits) > _NUMBER_DIGITS_MAX:
        return None
    number = f"{Decimal(digits).scaleb(zeros - len(part)):f}"
    return number.rstrip("0").rstrip(".") if "." in number else number


def _is_point(written: str, separators: list[str], currency: str) -> bool:
    """Whether the last separator is before the decimals. One point or comma before three digits is
    not: 1.500 is fifteen hundred, but where money has three decimals."""
    last = separators[-1]
    if last not in _POINTS or separators.count(last) > 1:
        return False
    whole, _, part = written.rpartition(last)
    if len(separators) > 1 or last == "\u066b":
        return True
    return (len(part) != 3 or len(whole) > 3 or whole.startswith("0")
            or currency in registries.CURRENCIES_OF_THREE_PLACES)


def _is_grouped(whole: str, separator: str) -> bool:
    """Groups of three, or as in India of two and at last three."""
    first, *middle, last = whole.split(separator)
    return 1 <= len(first) <= 3 == len(last) and len({*map(len, middle)} | {3}) <= 2 and all(
        2 <= len(one) <= 3 for one in middle)


# --- telephone numbers ---------------------------------------------------------------------------

_JOINT: Final = r"(?:[ ./-]|\)[ -]?| \()"
_PHONE_RUN: Final = re.compile(
    rf"(?<![^\W_])(?:\+\(?|\(\+?|)[0-9]++{_END}(?:{_JOINT}[0-9]++{_END})*+")
_HYPHENS: Final = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))
_NATIONAL_CHARS_MAX: Final = 24
_PHONE_DIGITS_MIN: Final = 7
_PHONE_DIGITS_MAX: Final = 15
# How numbers are written at home, by country. What is written like a date, a range or a price in
# groups is none of them.
_NATIONAL: Final = re.compile("|".join((
    r"(?:1[ .-])?\(?[2-9][0-9]{2}\)?[ .-]?[0-9]{3}[ .-][0-9]{4}",       # North America
    r"0[1-9][0-9]{7,10}",                                               # a trunk zero, in one piece
    r"(?:\(0[1-9][0-9]{0,4}\) ?|0[1-9][0-9]{0,4}[ /-])[0-9]{2,8}(?:[ /-][0-9]{2,8}){0,4}",
    r"0[1-9][0-9]{0,2}(?:\.[0-9]{2,4}){2,5}",                           # or with points
    r"1[2-9][0-9]{9}|1[3-9][0-9][ -][0-9]{4}[ -][0-9]{4}",              # China; North America
    r"[2-9][0-9]{2}([ -])[0-9]{3}\1[0-9]{3}",                           # Spain, Poland, Portugal
    r"[2-9][0-9]{3} [0-9]{4}",                                          # Hong Kong, Singapore
    r"[6-9][0-9]{4} [0-9]{5}",                                          # India
    r"\([1-9][0-9]\) ?9?[0-9]{4}-[0-9]{4}|[2-9][0-9] [0-9]{4} [0-9]{4}",  # Brazil, Mexico
    r"[2-9][0-9](?: [0-9]{2}){3}|[2-9][0-9]{2} [0-9]{2} [0-9]{3}",      # Denmark, Norway
    r"8[ -]?\(?[0-9]{3}\)?[ -]?[0-9]{3}[ -][0-9]{2}[ -][0-9]{2}",       # Russia
)))
_TRUNK_DIGITS_MIN: Final = 9            # fewer, behind a zero, are times of a day
_YEAR: Final = re.compile(r"(?:19|20)[0-9]{2}")
# Behind such a word any number of the right length is one.
_CUE: Final = re.compile(
    _EDGE + r"(?:tel|telephone|telefon|tlf|phone|ph|mob|mobile|mobil|cell|call|ring|fax|handy|"
    r"whatsapp|téléphone|teléfono|telefone|тел|телефон)[^0-9\n]{0,12}\Z")
_CUE_CHARS_MAX: Final = 28
# Of a run of numbers: what has other separators than spaces.
_PIECE: Final = re.compile(r"(?<![^ ])[^ ]*[^0-9 ][^ ]*")


def _phones(read: _Text) -> Iterator[Identifier]:
    plain = read.plain if read.plain.isascii() else read.plain.translate(_HYPHENS)
    for run in _PHONE_RUN.finditer(plain):
        if len(run[0]) < _PHONE_DIGITS_MIN:
            continue
        if run[0].startswith(("+", "(+", "00")):
            hit = _international(plain, run.start(), run.end())
            if hit is not None:
                yield hit
        elif _is_national(run[0]) or _is_announced(plain, run):
            yield _phone(run[0], run.start())
        else:
            # Without spaces, among other numbers.
            yield from (_phone(piece[0], run.start() + piece.start())
                        for piece in _PIECE.finditer(run[0]) if _is_national(piece[0]))


def _phone(written: str, start: int) -> Identifier:
    return Identifier(PHONE, "".join(_DIGITS.findall(written)), start, start + len(written))


def _international(plain: str, start: int, end: int) -> Identifier | None:
    """Up to the length that numbers of its country have."""
    number, longest = "", _PHONE_DIGITS_MAX
    last = start
    for group in _DIGITS.finditer(plain, start, end):
        if group[0] == "0" and plain[group.start() - 1] == "(":
            continue  # "+44 (0)20": never dialled from abroad
        more = group[0].removeprefix("00") if not number else group[0]
        if len(number) + len(more) > longest:
            break
        number, last = number + more, group.end()
        longest = next((registries.E164_DIGITS_MAX[number[:size]] for size in (1, 2, 3)
                        if number[:size] in registries.E164_DIGITS_MAX), _PHONE_DIGITS_MAX)
    if len(number) < _PHONE_DIGITS_MIN or number.startswith("0"):
        return None
    return Identifier(PHONE, number, start, last)


def _is_national(written: str) -> bool:
    if len(written) > _NATIONAL_CHARS_MAX or _NATIONAL.fullmatch(written) is None:
        return False
    digits = sum(map(str.isdigit, written))
    return digits <= _PHONE_DIGITS_MAX and not _is_date(written) and (
        written.lstrip("(")[0] != "0" or digits >= _TRUNK_DIGITS_MIN)


def _is_announced(plain: str, run: re.Match[str]) -> bool:
    if len(run[0]) > _NATIONAL_CHARS_MAX or _is_date(run[0]):
        return False
    return (_PHONE_DIGITS_MIN <= sum(map(str.isdigit, run[0])) <= _PHONE_DIGITS_MAX and _CUE.search(
        plain, max(0, run.start() - _CUE_CHARS_MAX), run.start()) is not None)


def _is_date(written: str) -> bool:
    """Days, months and a year; or years alone."""
    groups = _DIGITS.findall(written)
    years = sum(1 for one in groups if _YEAR.fullmatch(one))
    return years > 0 and all(len(one) <= 2 or _YEAR.fullmatch(one) for one in groups)


# Digits and characters that a text needs at least; how identifiers are then found in it. In this
# order: what an address or an account number holds is no amount and no telephone number.
_FINDERS: Final[tuple[tuple[int, str, Callable[[_Text], Iterator[Identifier]]], ...]] = (
    (0, "://", _web_addresses),
    (0, "@", _mail_addresses),
    (0, ".", _bare_addresses),
    (9, "", _ibans),                    # fewer are in no number that a bank has given out
    (_ISIN_DIGITS_MIN, "", _isins),
    (_CARD_DIGITS_MIN, "", _cards),
    (1, "", _amounts),
    (_PHONE_DIGITS_MIN, "", _phones),
)
_HITS_MAX: Final = limits.MARKS_MAX // len(_FINDERS)
