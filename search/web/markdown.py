"""The little of Markdown that our own pages use, as blocks for a template. Pure.

Owns headings, paragraphs, lists and tables, with code, emphasis and links inside a line. It reads
our own documentation and nothing from outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

_INLINE: Final = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\[([^\]]+)\]\(([^)]+)\)")
_RULE: Final = re.compile(r"\|(?:\s*:?-+:?\s*\|)+")
_CELL: Final = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Block:
    """`kind`: heading | text | list | table. `anchor`: of a heading. `rows`: of a table without its
    head, of a list one cell each."""

    kind: str
    level: int = 0
    anchor: str = ""
    body: Markup | None = None
    head: tuple[Markup, ...] = ()
    rows: tuple[tuple[Markup, ...], ...] = ()


def blocks(text: str) -> list[Block]:
    """The page."""
    return [_block(lines) for lines in _parts(text)]


def _parts(text: str) -> Iterator[list[str]]:
    part: list[str] = []
    for line in text.splitlines():
        ends = not line.strip() or line.startswith("#") or (
            bool(part) and part[0].startswith("#"))
        if ends and part:
            yield part
            part = []
        if line.strip():
            part.append(line)
    if part:
        yield part


def _block(lines: list[str]) -> Block:
    first = lines[0]
    if first.startswith("#"):
        level = len(first) - len(first.lstrip("#"))
        title = first.lstrip("# ")
        return Block("heading", level, _anchor(title), _inline(title))
    if first.startswith("|"):
        head = _cells(first)
        rows = tuple(_cells(line) for line in lines[1:] if not _RULE.fullmatch(line.strip()))
        return Block("table", head=head, rows=rows)
    if first.startswith("* "):
        return Block("list", rows=tuple((_inline(one),) for one in _items(lines)))
    return Block("text", body=_inline(" ".join(line.strip() for line in lines)))


def _items(lines: list[str]) -> Iterator[str]:
    item = ""
    for line in lines:
        if line.startswith("* "):
            if item:
                yield item
            item = line[2:]
        else:
            item += f" {line.strip()}"
    yield item


def _cells(line: str) -> tuple[Markup, ...]:
    return tuple(_inline(cell.strip().replace("\\|", "|"))
                 for cell in _CELL.split(line.strip().strip("|")))


def _inline(text: str) -> Markup:
    out, at = [], 0
    for found in _INLINE.finditer(text):
        out.append(escape(text[at:found.start()]))
        code, strong, label, _ = found.groups()
        if code is not None:
            out.append(Markup("<code dir=\"auto\">{}</code>").format(code))
        elif strong is not None:
            out.append(Markup("<strong>{}</strong>").format(strong))
        else:
            # Our pages point at files beside them, which the console does not have.
            out.append(_inline(label))
        at = found.end()
    out.append(escape(text[at:]))
    return Markup("").join(out)


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
