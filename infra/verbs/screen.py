"""How verbs speak: tables for people, one JSON object a line for machines, remarks on stderr."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Console
from rich.text import Text

# No markup, no emoji codes: what people wrote is shown as they wrote it, and a name such as
# "[/b]" or "[link=…]" is a name. Our own emphasis is `good`, `bad`, `strong`.
OUT: Final = Console(highlight=False, markup=False, emoji=False)
ERR: Final = Console(stderr=True, highlight=False, markup=False, emoji=False)
TRIAL_BANNER: Final = ("TRIAL MODE: every lock ends after one day. Nothing here is kept for the "
                       "years the law asks for. Set retention.trial = false to begin for real.")
# Marks that turn the reading direction; shown as escapes so that no text can pose as another.
_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def good(text: str) -> Text:
    """Emphasis: all is well."""
    return Text(text, style="green")


def bad(text: str) -> Text:
    """Emphasis: somebody has to look."""
    return Text(text, style="bold red")


def strong(text: str) -> Text:
    """Emphasis without judgement."""
    return Text(text, style="bold")


def emit(value: Mapping[str, Any]) -> None:
    """One JSON object on stdout, one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def instant(at: int | None) -> str | None:
    """RFC 3339 UTC with milliseconds, or null."""
    if at is None:
        return None
    moment = datetime.fromtimestamp(at / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at % 1000:03d}Z"


def short(at: int | None) -> str:
    """A time as a person reads it in a table, UTC."""
    if at is None:
        return "-"
    try:
        return datetime.fromtimestamp(at // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{at} ms"  # a source may say a time outside the years 1 to 9999


def shown(text: str | None) -> str:
    """Text from outside, safe on a terminal: controls and direction marks become escapes."""
    if text is None:
        return ""
    out = []
    for char in text:
        if char in "\n\t":
            out.append(char)
        elif char in _BIDI or unicodedata.category(char) in ("Cc", "Cs"):
            out.append(f"\\u{ord(char):04x}")
        else:
            out.append(char)
    return "".join(out)


def trial_banner(trial: bool) -> None:
    """On stderr, so that machine output stays clean."""
    if trial:
        ERR.print(Text(f" {TRIAL_BANNER} ", style="black on yellow"))


def verdict(name: str, problems: Sequence[str], counts: Mapping[str, int], *, json: bool) -> int:
    """Whether a file that people write would be taken, with every problem; the exit code."""
    if json:
        emit({"ok": not problems, "file": name, "problems": list(problems), "counts": counts})
        return 1 if problems else 0
    for problem in problems:
        OUT.print(bad("wrong"), shown(problem))
    if not problems:
        OUT.print(good(f"{name} is in order:"),
                  ", ".join(f"{count} {part}" for part, count in counts.items()))
    return 1 if problems else 0
