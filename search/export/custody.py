"""The chain of custody of an export, as its acts on record tell it: who, when, what, tool, hash.

Owns the lines of custody.jsonl (docs/FORMAT.md §17) and their words. A package holds what was done
before it was made; what was done with it afterwards is in the archive, and `counterfoil export
show` prints the same lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from schemas import exports
from schemas.exports import Act, Export

_NAMES: Final = ("act", "at", "line", "sha256", "tool", "who", "words")


def lines(export: Export, until: int | None = None) -> tuple[dict[str, Any], ...]:
    """One for each act that counts, in order of time; up to `until` (UTC ms), null = all of them.

    `act`: its name; `at`: UTC ms; `who`; `words`: what was done; `tool`: what did it, "" = not
    recorded; `sha256`: of what it is about (the request, the package, the file that was handed
    over), hex; `line`: from 1.
    """
    found = [one for one in export.history() if until is None or one.at <= until]
    return tuple(dict(zip(_NAMES, (
        act.action, act.at, number, _hash(act, export), act.text("tool"), act.by,
        _WORDS[act.action](act)), strict=True)) for number, act in enumerate(found, 1))


def counts_words(act: Act) -> str:
    """What a `finished` says of its package, as a few words; "" where it says nothing."""
    values = act.values().get("counts")
    if not isinstance(values, dict):
        return ""
    said = [f"{values[name]} {word}{'' if values[name] == 1 else 's'}" for name, word in (
        ("exported", "message"), ("records", "record"), ("files", "file"))
        if isinstance(values.get(name), int)]
    withheld = values.get("withheld")
    if isinstance(withheld, dict) and withheld:
        said.append(f"{sum(withheld.values())} withheld")
    return ", ".join(said)


def _hash(act: Act, export: Export) -> str:
    if act.action == exports.FINISHED:
        return act.text("manifest_sha256")
    if act.action == exports.HANDED_OVER:
        return act.text("file_sha256") or act.text("manifest_sha256")
    return export.requested.digest


def _requested(act: Act) -> str:
    title = act.text("title") or act.text("matter")
    return (f"asked for the export{f' “{title}”' if title else ''}; a second person "
            + ("has to agree" if act.needs_approval else "was not needed"))


def _approved(act: Act) -> str:
    return "agreed to this request" + (f": {act.said}" if act.said else "")


def _refused(act: Act) -> str:
    return f"refused this request: {act.said}"


def _begun(act: Act) -> str:
    return (f"began to make the package, under the log's checkpoint of {act.number('checkpoint')} "
            "entries")


def _finished(act: Act) -> str:
    counted = counts_words(act)
    return "finished and sealed the package" + (f": {counted}" if counted else "")


def _handed_over(act: Act) -> str:
    return (f"handed it over to {act.text('to')}, {act.text('how')}"
            + (f" (file {act.text('file')})" if act.text("file") else "")
            + (f": {act.said}" if act.said else ""))


_WORDS: Final[Mapping[str, Callable[[Act], str]]] = MappingProxyType({
    exports.REQUESTED: _requested, exports.APPROVED: _approved, exports.REFUSED: _refused,
    exports.BEGUN: _begun, exports.FINISHED: _finished, exports.HANDED_OVER: _handed_over})
