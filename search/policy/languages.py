"""Which languages a text may be in: by its script, else by its commonest words. Pure.

Owns that guess. It is one for conditions of a rule, so it errs towards "may be": a text of which
nothing is known may be in any language, however short it is.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from search.tokens import normalise

# Letters that no other of these languages uses, by script.
_SCRIPTS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    ("ja", re.compile("[\u3040-\u30ff\uff66-\uff9d]")),
    ("ko", re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")),
    ("th", re.compile("[\u0e00-\u0e7f]")),
    ("he", re.compile("[\u0590-\u05ff]")),
    ("hi", re.compile("[\u0900-\u097f]")),
    ("el", re.compile("[\u0370-\u03ff]")),
    ("fa", re.compile("[\u067e\u0686\u0698\u06a9\u06af\u06cc]")),
    ("ar", re.compile("[\u0621-\u064a]")),
    ("uk", re.compile("[\u0404\u0406\u0407\u0454\u0456\u0457\u0490\u0491]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
    ("zh", re.compile("[\u3400-\u9fff\U00020000-\U000323af]")),
)
# A text in one of these scripts may hold letters of the other's: Japanese is written with Chinese
# ones, Persian with Arabic, Ukrainian with Russian.
_WITHIN: Final = {"zh": "ja", "ar": "fa", "ru": "uk"}
_WORDS: Final[dict[str, str]] = {
    "en": "the and you are is was have has not this that with for will what can of to be we they "
          "it he she my your from do does did would there if",
    "de": "der die das und ist nicht ich du sie wir ihr ein eine mit für auf von zu den dem des "
          "war sind haben hat kann wird auch noch bitte aber wenn",
    "fr": "le la les et est pas je tu vous nous il elle un une des du dans pour avec sur que qui "
          "ce sont ai avez être plus mais au aux",
    "es": "el los las y es no yo tú usted un una de del que en por para con se lo su como más "
          "pero está son tiene hay muy al",
    "it": "il lo gli e è non io tu noi un una di del della che in per con si come più ma sono hai "
          "ha al questo anche",
    "pt": "o os as e é não eu você nós um uma de do da que em por para com se como mais mas são "
          "tem está ao isso também",
    "nl": "de het en is niet ik je jij wij een van voor met op dat die zijn heeft kan wordt ook "
          "nog maar als er aan",
    "pl": "i nie to jest się na w z do że jak ale czy tak co dla od po za są był",
    "tr": "ve bir bu da de için ne mi var yok ben sen çok ama ile gibi daha",
}
LANGUAGES: Final = tuple(sorted({*_WORDS, *(name for name, _ in _SCRIPTS)}))
_LATIN: Final = re.compile("[a-zà-öø-ÿœćęłńśźżąğış]+")
# Words and characters looked at; a language shows early.
_CHARS_MAX: Final = 2_000
_WORDS_OF: Final = {
    word: tuple(name for name, words in _WORDS.items() if word in words.split())
    for words in _WORDS.values() for word in words.split()
}
# So many common words tell a language from another that has at most a third of them.
_WORDS_LEAST: Final = 2


def may_be(text: str) -> frozenset[str]:
    """Two-letter codes of the languages it may be in; empty = it cannot be told."""
    plain = normalise(text[:_CHARS_MAX])
    scripts = _scripts(plain)
    return frozenset(scripts | _by_words(plain))


def _scripts(plain: str) -> set[str]:
    found = {name for name, letters in _SCRIPTS if letters.search(plain)}
    return {name for name in found if _WITHIN.get(name) not in found}


def _by_words(plain: str) -> set[str]:
    points: Counter[str] = Counter()
    for word in _LATIN.findall(plain):
        points.update(_WORDS_OF.get(word, ()))
    best = max(points.values(), default=0)
    if best < _WORDS_LEAST:
        return set()
    return {name for name, count in points.items() if count * 3 > best}
