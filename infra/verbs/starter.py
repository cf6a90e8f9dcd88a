"""`policy starter`: the pack of policies that comes with Counterfoil, how well each does on texts
that a person has labelled, and a copy of them for the firm to change and sign.

Owns the pack's files and the copy into `policies/`; `search/policy/precision.py` measures.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from infra.policies import FOLDER, read_folder
from infra.rulefolder import source_of
from infra.verbs.screen import OUT, emit, good, shown, strong
from infra.wire import Wire
from schemas.errors import Missing, Refused
from search.policy import labelled, loading, precision
from search.policy.labelled import Labelled
from search.policy.lexicon import Lexicon
from search.policy.precision import ALL, Outcome, Row, Score

PACK: Final = resources.files("search.policy").joinpath("starter")
README: Final = "README.md"
# What it is called beside the firm's policies.
README_COPY: Final = "STARTER-README.md"
COPIED: Final = "copied"
KEPT: Final = "kept"
# How the texts of the set `check` did before anybody mended a rule for them: 20 that should be hit
# and 20 that should not for each policy. What they do today says less.
FIRST: Final = {
    "complaints": Score(20, 17, 20, 2), "inside": Score(20, 12, 20, 1),
    "offchannel": Score(20, 19, 20, 0), "offensive": Score(20, 14, 20, 1),
    "outcome": Score(20, 19, 20, 1), "payment": Score(20, 15, 20, 1),
    "undertakings": Score(20, 16, 20, 0),
}
FIRST_LANGUAGES: Final = {
    "en": Score(28, 21, 28, 0), "de": Score(21, 19, 21, 1), "fr": Score(21, 16, 21, 2),
    "es": Score(14, 13, 14, 1), "zh": Score(14, 14, 14, 0), "ar": Score(14, 11, 14, 0),
    "it": Score(14, 11, 14, 1), "pt": Score(14, 7, 14, 1),
}
_NEXT: Final = (
    "None of them is in force: their first day is 9999-12-31.",
    f"1. Read {README_COPY} beside them, and change what your firm says otherwise.",
    "2. counterfoil policy test ID shows what one would flag in your archive. It flags nothing.",
    "3. Put your name as author, somebody else's as approver, and the first day as effective.",
    "4. counterfoil policy list says which are in force.",
)


@dataclass(frozen=True, slots=True)
class Part:
    """One policy of the pack. `source`: its file's bytes."""

    name: str
    source: bytes
    policy: Lexicon
    texts: tuple[Labelled, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """As typed. `policy`: the id of one of the pack, or the firm's own file of one, "" = all."""

    policy: str = ""
    check: bool = False
    languages: bool = False
    rules: bool = False
    misses: bool = False
    install: bool = False


def pack() -> tuple[Part, ...]:
    """Every policy of the pack with its texts, by name."""
    return tuple(map(_part, _names()))


def policy_starter(wire: Wire, wanted: Wanted, *, json: bool) -> int:
    """Lists the pack; measures it; copies it."""
    is_measured = wanted.check or wanted.languages or wanted.rules or wanted.misses
    if wanted.install and (is_measured or Path(wanted.policy).suffix == ".toml"):
        raise Refused("--install copies the pack's own policies: measure them, or a file of yours, "
                      "by itself")
    parts = _chosen(wanted.policy)
    done = _install(wire, parts) if wanted.install else {}
    found = {one.name: precision.outcomes(one.policy, one.texts) for one in parts} \
        if is_measured else {}
    if json:
        for one in parts:
            emit(_line(one, done.get(one.name), found.get(one.name), wanted))
    elif wanted.install:
        _print_install(wire, parts, done)
    elif is_measured:
        _print_check(parts, found, wanted)
    else:
        _print_list(parts)
    return 0


def wrong(found: Sequence[Outcome]) -> tuple[Outcome, ...]:
    """What is missed, and what is hit and should not be."""
    return tuple(one for one in found if not one.is_right)


def _names() -> list[str]:
    return sorted(one.name.removesuffix(".toml") for one in PACK.iterdir()
                  if one.name.endswith(".toml"))


@cache
def _part(name: str) -> Part:
    source = PACK.joinpath(f"{name}.toml").read_bytes()
    return Part(name, source, loading.load(source, f"{name}.toml"), labelled.read(
        PACK.joinpath("texts", f"{name}.tsv").read_bytes(), f"{name}.tsv"))


def _chosen(name: str) -> tuple[Part, ...]:
    """The parts meant; for a file of the firm's, the pack's texts for the policy of that id."""
    path = Path(name)
    if path.suffix != ".toml":
        return pack() if not name else (_part(_known(name)),)
    source = source_of(path)
    policy = loading.load(source, path.name)
    return (Part(policy.policy_id, source, policy, _part(_known(policy.policy_id)).texts),)


def _known(name: str) -> str:
    if name not in _names():
        raise Missing(f"no policy of the starter pack is called {name}: see `counterfoil policy "
                      "starter`")
    return name


def _install(wire: Wire, parts: Sequence[Part]) -> dict[str, str]:
    """Copies what the firm has not got; says of each COPIED or KEPT. Nothing is overwritten.

    A policy of the same id under another name of file counts as there: two texts under one version
    would be refused, and with them the whole folder.
    """
    folder = wire.home / FOLDER
    ids = {one.policy.policy_id for one in read_folder(wire)}
    folder.mkdir(mode=0o700, exist_ok=True)
    _copy(folder / README_COPY, PACK.joinpath(README).read_bytes())
    return {one.name: COPIED if one.name not in ids and _copy(
        folder / f"{one.name}.toml", one.source) else KEPT for one in parts}


def _copy(target: Path, source: bytes) -> bool:
    """Whether it was copied; false where a file is. It has its name when all of it is there: a
    reader of the folder never meets half a policy."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        # As what else lies in the data folder: for its owner only.
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(source)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, target)
        finally:
            draft.unlink(missing_ok=True)
    except FileExistsError:
        return False
    except OSError as error:
        raise Refused(f"{target} cannot be written: {error.strerror}") from error
    return True


def _line(part: Part, done: str | None, found: Sequence[Outcome] | None,
          wanted: Wanted) -> dict[str, Any]:
    policy = part.policy
    rows = [] if found is None else _meant(precision.rows(policy, found), wanted)
    return {
        "policy": policy.policy_id, "version": policy.version, "title": policy.title,
        "severity": policy.severity, "mandatory": policy.mandatory,
        "digest": policy.digest(), "rules": [one.rule_id for one in policy.rules],
        "languages": _languages(part), "texts": len(part.texts), "install": done,
        "scores": [_scored(one) for one in rows],
        "wrong": [_told(one) for one in wrong(found or ())] if wanted.misses else None}


def _meant(rows: Sequence[Row], wanted: Wanted) -> list[Row]:
    return [one for one in rows if (one.rule == ALL or wanted.rules)
            and (one.language == ALL or wanted.languages)]


def _scored(row: Row) -> dict[str, Any]:
    score = row.score
    return {"rule": None if row.rule == ALL else row.rule,
            "language": None if row.language == ALL else row.language, "set": row.kind,
            "due": score.due, "found": score.found, "others": score.others, "false": score.false,
            "recall": _decimal(score.recall), "precision": _decimal(score.precision)}


def _decimal(share: Fraction | None) -> float | None:
    return None if share is None else round(float(share), 4)


def _told(one: Outcome) -> dict[str, Any]:
    text = one.labelled
    return {"set": text.kind, "language": text.language, "line": text.line,
            "is_hit_due": text.is_hit, "rules": sorted(one.rules), "text": text.text,
            "known": text.known or None}


def _languages(part: Part) -> list[str]:
    return list(dict.fromkeys(one.language for one in part.texts))


def _print_list(parts: Sequence[Part]) -> None:
    table = Table("policy", "title", "severity", "rules", "languages", "texts")
    for one in parts:
        table.add_row(one.name, one.policy.title, one.policy.severity, str(len(one.policy.rules)),
                      " ".join(_languages(one)), str(len(one.texts)))
    OUT.print(table)
    OUT.print("They are a start, and no legal advice. --check says how well they do, --install "
              "copies them into policies/ of the data folder.")


def _print_check(parts: Sequence[Part], found: dict[str, tuple[Outcome, ...]],
                 wanted: Wanted) -> None:
    rows = [row for one in parts for row in precision.rows(one.policy, found[one.name])]
    shown_rows = _meant(rows, wanted)
    if len(parts) > 1:
        shown_rows += precision.together(rows)
    first = sum((FIRST[one.name] for one in parts), Score(0, 0, 0, 0))
    found_first, right_first = precision.shares(first)
    table = Table("policy", *(["rule"] if wanted.rules else []), "language", "set", "recall",
                  "precision")
    for row in shown_rows:
        table.add_row(row.policy, *([row.rule] if wanted.rules else []), row.language,
                      row.kind.replace("_", " "), *precision.shares(row.score))
    OUT.print(table)
    OUT.print("The sets: tuned, the rules were changed for these texts; held out, written with "
              "those; fresh, written later in other words on purpose; check, written by somebody "
              f"who had not seen the rules: then {found_first} were found and {right_first} of the "
              "hits were right, and the rules were mended. Go by that, by fresh, and by `policy "
              "test` on your own archive.")
    if not wanted.misses:
        return
    for one in parts:
        for told in wrong(found[one.name]):
            text = told.labelled
            what = "missed" if text.is_hit else f"false hit of {', '.join(sorted(told.rules))}"
            OUT.print(strong(f"{one.name} {text.language} {text.kind.replace('_', ' ')}, {what}:"))
            OUT.print(f"  {shown(text.text)}", soft_wrap=True)
            if text.known:
                OUT.print(f"  known: {shown(text.known)}", soft_wrap=True)


def _print_install(wire: Wire, parts: Sequence[Part], done: dict[str, str]) -> None:
    for one in parts:
        if done[one.name] == COPIED:
            OUT.print(good(f"{one.name}: copied"))
        else:
            OUT.print(f"{one.name}: a policy of this id, or a file of this name, is there; kept as "
                      "it is")
    OUT.print(f"The folder is {wire.home / FOLDER}.", soft_wrap=True)
    for line in _NEXT:
        OUT.print(line, soft_wrap=True)
