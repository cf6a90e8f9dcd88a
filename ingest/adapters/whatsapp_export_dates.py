"""The date and time at the head of an exported message.

Owns the stamp's spellings (digits, calendars, words for the halves of the day), the order of day,
month and year that a whole file shows, and a local time's instant in a zone. No stamp says in which
order its numbers are: `Order` says how it is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from typing import Final

from ingest.adapters.whatsapp_export_text import ascii_digits, unmarked

STAMP_CHARS_MAX: Final = 64
MINUTE_MS: Final = 60_000
DAY_MINUTES: Final = 1440
_EPOCH: Final = date(1970, 1, 1).toordinal()
_THAI_OFFSET: Final = 543
# WhatsApp is of 2009; no message is older.
_FIRST_YEAR: Final = 2009
_FIRST_DAY: Final = date(_FIRST_YEAR, 1, 1).toordinal() - _EPOCH
_ERAS: Final = {"R": 2018, "令和": 2018, "H": 1988, "平成": 1988}

GREGORIAN: Final = "gregorian"
BUDDHIST: Final = "buddhist"
JAPANESE: Final = "japanese"
UNKNOWN: Final = "unknown"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words for the halves of the day, as CLDR has them, without dots, quotes and spaces.
_AM: Final = _words("""am a vm fm πμ дп прпладне преди прпл פד לפנהצ לפניהצ ص صباحا قظ पूर्वाह्न
पूर्व মপূ পূর্বাহ্ণ 午前 上午 早上 清晨 오전 sa öö pd de dop dopoledne pg kaheja ap утра ночи दिपू
முற்பகல் ఉ ಪೂರ್ವಾಹ್ನ മഎ ก่อนเที่ยง gb rn προμεσημβρίας""")
_PM: Final = _words("""pm p nm em μμ пп слпладне след слоб אחהצ אחרהצ م مساء بظ अपराह्न अप অপরাহ্ণ
午後 下午 晚上 오후 ch ös md du odp odpoledne ptg mchana ip вечера дня दिउ பிற்பகல் సా ಅಪರಾಹ್ನ
หลังเที่ยง gh in μετάμεσημβρίας""")
_AM_MIDNIGHT: Final = frozenset({"凌晨", "半夜"})
_NOON: Final = frozenset({"中午"})
_CONNECTORS: Final = _words("""à klo kl um at lúc в o ob u om às alle alleore alas ala as la ч
επί στις kell las ora de den saat pukul""")
_MERIDIEMS: Final = _AM | _PM | _AM_MIDNIGHT | _NOON

_DATE: Final = (
    r"(?:(?P<era>R|H|令和|平成)\s?)?(?P<a>\d{1,4})\s?(?P<s1>[./\-年년])\s?"
    r"(?P<b>\d{1,2})\s?(?:[./\-月월])\s?(?P<era2>R|H)?(?P<c>\d{1,4})(?P<dot>[.日일])?"
    r"(?:\s?(?:BE|B\.E\.|พ\.ศ\.|AD|CE|AP|г\.|g\.))?")
_WORD: Final = r"[^\d\s:,/\[\]()\-][^\d:,/\[\]()\-]{0,15}?"
_TIME: Final = (
    r"(?P<h>\d{1,2})\s?[:.h時时시]\s?(?P<m>\d{2})\s?[분分]?"
    r"(?:\s?[:.]?\s?(?P<s>\d{2})[秒초]?)?")
# At most STAMP_CHARS_MAX characters are ever matched: nothing here can take long.
_DATE_FIRST: Final = re.compile(
    rf"{_DATE}(?P<sep>[\s,]*)(?:(?P<w1>{_WORD})[\s,]*)?{_TIME}(?:\s?(?P<w2>{_WORD}))?")
_TIME_FIRST: Final = re.compile(
    rf"(?:(?P<w1>{_WORD})\s?)?{_TIME}(?:\s?(?P<w2>{_WORD}))?(?P<sep>[\s,]+){_DATE}")
_ODD_SPACES: Final = str.maketrans({"\u202f": " ", "\u00a0": " ", "\u2009": " ", "،": ",",
                                    "、": ",", "，": ",", "\x00": None})


@dataclass(frozen=True, slots=True)
class Stamp:
    """A date as its three numbers stand there, and the time of day in seconds. `year_first` is
    true or false where it can be seen, else null (all three have at most two digits). `shape` is
    the same for all stamps that one app wrote with one setting."""

    numbers: tuple[int, int, int]
    year_first: bool | None
    calendar: str
    seconds: int
    has_second: bool
    shape: str
    hints_year_first: bool = False


@lru_cache(maxsize=8192)
def read(text: str) -> Stamp | None:
    """The stamp that the whole of `text` is, or null."""
    if not 8 <= len(text) <= STAMP_CHARS_MAX:
        return None
    plain = ascii_digits(unmarked(text)).translate(_ODD_SPACES).strip()
    match = _DATE_FIRST.fullmatch(plain)
    time_first = match is None
    if match is None:
        match = _TIME_FIRST.fullmatch(plain)
    if match is None:
        return None
    half = _half(match["w1"], match["w2"])
    if half is None:
        return None
    seconds = _seconds(match, half)
    if seconds is None:
        return None
    numbers, year_first, calendar = _numbers(match)
    second = match["s"] is not None
    separator = match["s1"]
    shape = f"{separator}{'t' if time_first else 'd'}{'s' if second else 'm'}" \
            f"{',' if ',' in match['sep'] else ''}{'h' if half else ''}"
    asian = separator in "年년" or bool(match["dot"]) or (half != "" and not half.isascii())
    return Stamp(numbers, year_first, calendar, seconds, second, shape, asian)


def _half(first: str | None, second: str | None) -> str | None:
    """The word for the half of the day, "" where there is none; null = a word nobody knows."""
    found = ""
    for word in (first, second):
        if word is None:
            continue
        plain = re.sub(r"[\s.'׳״\"”“/]", "", word).casefold().strip("·")
        if plain in _MERIDIEMS:
            found = plain
        elif plain not in _CONNECTORS and plain not in {"h", "uhr"}:
            return None
    return found


def _seconds(match: re.Match[str], half: str) -> int | None:
    hour, minute, second = int(match["h"]), int(match["m"]), int(match["s"] or 0)
    if hour > 24 or minute > 59 or second > 59:
        return None
    if half in _AM or half in _AM_MIDNIGHT:
        hour %= 12
    elif half in _PM and hour < 13:
        hour = hour % 12 + 12
    elif half in _NOON and hour < 11:
        hour += 12
    # 24:05 is five past midnight at the *beginning* of the day that it names (ICU's hour "k").
    return hour % 24 * 3600 + minute * 60 + second


def _numbers(match: re.Match[str]) -> tuple[tuple[int, int, int], bool | None, str]:
    a, b, c = int(match["a"]), int(match["b"]), int(match["c"])
    if match["era"]:
        return (a + _ERAS[match["era"]], b, c), True, JAPANESE
    if match["era2"]:
        return (a, b, c + _ERAS[match["era2"]]), False, JAPANESE
    if len(match["a"]) > 2:
        return (a, b, c), True, GREGORIAN
    if len(match["c"]) > 2:
        return (a, b, c), False, GREGORIAN
    return (a, b, c), None, GREGORIAN


# --- the order over a whole file ---

DAY_FIRST: Final = "day_first"
MONTH_FIRST: Final = "month_first"
YEAR_FIRST: Final = "year_first"


@dataclass(frozen=True, slots=True)
class Order:
    """In which order the file's numbers are, and `how` that is known: stated (the operator),
    four_digits, value (one above 12), future, file_names, sequence, same (all orders mean the
    same), remembered, habit; `ambiguous` where it is not."""

    name: str
    how: str
    votes: int = 0

    @property
    def is_known(self) -> bool:
        """Whether somebody may rely on it."""
        return self.how != "ambiguous"


@dataclass(frozen=True, slots=True)
class Day:
    """A day: days since 1970, and the calendar that its year was written in."""

    number: int
    calendar: str


def day_of(stamp: Stamp, order: str, last_year: int) -> Day | None:
    """The day that a stamp's numbers mean in `order`; null where there is no such day. `last_year`
    is the latest that is believed."""
    a, b, c = stamp.numbers
    if stamp.year_first or (stamp.year_first is None and order == YEAR_FIRST):
        year, month, day = a, b, c
    elif order == MONTH_FIRST:
        year, month, day = c, a, b
    else:
        year, month, day = c, b, a
    year, calendar = _year(year, stamp.calendar, last_year)
    try:
        return Day(date(year, month, day).toordinal() - _EPOCH, calendar)
    except ValueError:
        return None


def _year(year: int, calendar: str, last_year: int) -> tuple[int, str]:
    if calendar != GREGORIAN:
        return year, calendar
    if year < 100:
        buddhist = year + 2500 - _THAI_OFFSET
        if 2000 + year > last_year and _FIRST_YEAR <= buddhist <= last_year:
            return buddhist, BUDDHIST
        return 2000 + year, calendar
    if year >= 2400:
        return year - _THAI_OFFSET, BUDDHIST
    return year, calendar if year >= 1900 else UNKNOWN


def order_of(stamps: Sequence[Stamp], named_days: Iterable[tuple[Stamp, int]], now: int,
             day_first: bool | None = None) -> Order:
    """The order in which the numbers of `stamps` (in the file's order, repeats left out) are.

    `named_days` are stamps beside the day that a file's name in the same line states. `now` is our
    clock (UTC ms): nothing is later than two days after it. `day_first` is the operator's word; it
    decides unless the file has days that it makes impossible.
    """
    open_stamps = [one for one in stamps if not one.year_first]
    if not open_stamps:
        return Order(YEAR_FIRST, "four_digits")
    last_day = now // (DAY_MINUTES * MINUTE_MS) + 2
    last_year = datetime.fromtimestamp(now / 1000, UTC).year + 1
    orders = [DAY_FIRST, MONTH_FIRST]
    if all(one.year_first is None for one in open_stamps):
        orders.append(YEAR_FIRST)
    days = {order: [day_of(one, order, last_year) for one in open_stamps] for order in orders}
    if YEAR_FIRST in days:
        # A telephone's clock may be wrong; a whole file of 2005 is read in the wrong order.
        days[YEAR_FIRST] = [one if one is None or one.number >= _FIRST_DAY else None
                            for one in days[YEAR_FIRST]]
    # A few pasted headers must not rule an order out.
    few = len(open_stamps) // 100
    valid = [one for one in orders if days[one].count(None) <= few]
    stated = DAY_FIRST if day_first else MONTH_FIRST
    if day_first is not None and stated in valid:
        return Order(stated, "stated")
    if days[DAY_FIRST] == days[MONTH_FIRST] and all(days[DAY_FIRST]):
        return Order(DAY_FIRST, "same")
    if len(valid) < 2:
        least = min(orders, key=lambda one: days[one].count(None))
        votes = sum(days[one].count(None) for one in orders if one != least)
        return Order(least, "value", votes)
    past = [one for one in valid if _later(days[one], last_day) <= few]
    if len(past) == 1:
        return Order(past[0], "future", sum(_later(days[one], last_day) for one in valid))
    chosen = _by_names(past or valid, named_days, last_year)
    if chosen is None:
        chosen = _by_sequence(past or valid, days)
    return chosen or _by_habit(past or valid, open_stamps, days)


def _later(days: Sequence[Day | None], last_day: int) -> int:
    return sum(1 for one in days if one is not None and one.number > last_day)


def _by_names(orders: Sequence[str], named: Iterable[tuple[Stamp, int]],
              last_year: int) -> Order | None:
    votes = dict.fromkeys(orders, 0)
    for stamp, stated in named:
        fitting = []
        for order in orders:
            found = day_of(stamp, order, last_year)
            # The name is of the day on which the file was made: often the day before.
            if found is not None and abs(found.number - stated) <= 1:
                fitting.append(order)
        if len(fitting) == 1:
            votes[fitting[0]] += 1
    best, second, *_ = sorted(orders, key=lambda one: -votes[one])
    if votes[best] > 4 * votes[second]:
        return Order(best, "file_names", votes[best])
    return None


def _by_sequence(orders: Sequence[str], days: dict[str, list[Day | None]]) -> Order | None:
    back = {order: sum(1 for one, two in pairwise(days[order])
                       if one is not None and two is not None and two.number < one.number)
            for order in orders}
    best, second, *_ = sorted(orders, key=lambda one: back[one])
    # Android's own lines are not quite sorted: a few steps back are no proof of anything.
    if back[second] > 4 * back[best] and back[second] >= 1:
        return Order(best, "sequence", back[second] - back[best])
    return None


def _by_habit(orders: Sequence[str], stamps: Sequence[Stamp],
              days: dict[str, list[Day | None]]) -> Order:
    """Where only the place of a two-digit year is open: it is first where the rest is East Asian or
    Hungarian, else last. Day and month are never told by habit."""
    if YEAR_FIRST in orders and all(one.hints_year_first for one in stamps):
        return Order(YEAR_FIRST, "habit")
    rest = [one for one in orders if one != YEAR_FIRST]
    if len(rest) == 1 or (len(rest) == 2 and days[rest[0]] == days[rest[1]]):
        return Order(rest[0], "habit")
    return Order(DAY_FIRST, "ambiguous")


# --- instants ---


@dataclass(frozen=True, slots=True)
class Instant:
    """A local time's instant: `at` UTC ms; `fold` 0 or 1 where the local time occurred twice, else
    null; `is_missing` where it never did (the clocks were put forward over it)."""

    at: int
    fold: int | None = None
    is_missing: bool = False


def instant(minute: int, second: int | None, zone: tzinfo, *, second_time: bool = False) -> Instant:
    """The instant of local `minute` (since 1970) and `second` in `zone`. `second_time`: of an hour
    that occurs twice, the later one."""
    # Naive on purpose: it is a wall clock's time until the zone is put on it below.
    local = datetime(1970, 1, 1, tzinfo=zone) + timedelta(minutes=minute, seconds=second or 0)
    early, late = (_utc_ms(local.replace(fold=fold)) for fold in (0, 1))
    if early < late:
        return Instant(late if second_time else early, int(second_time))
    return Instant(early, is_missing=early > late)


def _utc_ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def shown(minute: int, second: int | None) -> str:
    """A local time as ISO 8601 without a zone, as precise as it is."""
    days, rest = divmod(minute, DAY_MINUTES)
    hour, minutes = divmod(rest, 60)
    text = f"{date.fromordinal(_EPOCH + days).isoformat()}T{hour:02d}:{minutes:02d}"
    return text if second is None else f"{text}:{second:02d}"


def day_number(year: int, month: int, day: int) -> int | None:
    """Days since 1970, or null where there is no such day."""
    try:
        return date(year, month, day).toordinal() - _EPOCH
    except ValueError:
        return None
