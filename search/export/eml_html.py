"""The transcript inside an email of an export, as HTML. Pure.

Owns the markup: no script, no picture, no address. What people wrote is escaped; marks that would
turn the reading are shown, not obeyed. The transcript for a judge is `transcript.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from search.export.loadfile_text import Block, Paragraph
from search.web import texts

_ESCAPES: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;",
                   ord("'"): "&#39;"}
_STYLE: Final = ("body{font-family:sans-serif;margin:1em}section{border-top:1px solid #999;"
                 "padding:.3em 0}h1{font-size:1.2em}h2{font-size:1em;margin:.3em 0}p{margin:.2em 0;"
                 "color:#444}div{white-space:pre-wrap;overflow-wrap:anywhere;"
                 "margin:.2em 0 .5em 1.5em}bdi{color:#a00}")


def page(title: str, found: Iterable[Block], foot: str) -> str:
    """A whole page; lines end with LF."""
    out = ['<!DOCTYPE html>', '<html lang="en"><head><meta charset="utf-8">',
           f"<title>{escaped(title)}</title><style>{_STYLE}</style></head><body>",
           f'<h1 dir="auto">{escaped(title)}</h1>']
    for one in found:
        out.append(f'<section><h2 dir="auto">{escaped(one.heading)}</h2>')
        out += map(_paragraph, one.paragraphs)
        out.append("</section>")
    return "\n".join((*out, f"<p>{escaped(foot)}</p>", "</body></html>", ""))


def escaped(text: str) -> str:
    """Text as markup, all of it, nothing in it obeyed."""
    return "".join(
        f'<bdi title="{piece.control[1].translate(_ESCAPES)}: shown, not obeyed">'
        f"[{piece.control[0]}]</bdi>" if piece.control else piece.text.translate(_ESCAPES)
        for piece in texts.pieces(text))


def _paragraph(one: Paragraph) -> str:
    heading = f'<p dir="auto">{escaped(one.heading)}</p>'
    return heading if not one.body else f'{heading}<div dir="auto">{escaped(one.body)}</div>'
