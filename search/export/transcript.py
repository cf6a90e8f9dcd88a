"""Transcripts as HTML: one page a slice, and an index of them.

Owns the writer and its templates' environment. A page stands alone: no script, no address outside
the package, everything that people wrote escaped, marks that would turn the reading shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from search.export import transcript_sheet
from search.export import transcript_view as view
from search.export import transcript_words as words
from search.export.model import Counts, Job, Sink, Slice
from search.web import diff, texts

INDEX: Final = f"{view.FOLDER}/index.html"
_TEMPLATES: Final = "templates"


@dataclass(frozen=True, slots=True)
class Transcript:
    """A `model.Writer`. `with_pdf`: the index names the PDF beside each page."""

    with_pdf: bool = False

    def begin(self, job: Job, sink: Sink) -> None:
        """The index as far as its first line."""
        sink.append(INDEX, _render("index_head.html", job=job, with_pdf=self.with_pdf))

    def slice(self, job: Job, one: Slice, sink: Sink) -> None:
        """The page, and its line in the index."""
        sheet = transcript_sheet.sheet(job, one)
        sink.put(path(one.name), _render("transcript.html", job=job, sheet=sheet,
                                         verify=words.HOW_TO_VERIFY))
        sink.append(INDEX, _render("index_row.html", sheet=sheet, one=one,
                                   with_pdf=self.with_pdf))

    def end(self, job: Job, counts: Counts, slices: Iterable[str], sink: Sink) -> None:
        """The end of the index."""
        sink.append(INDEX, _render("index_foot.html", job=job, counts=counts,
                                   pages=sum(1 for _ in slices), verify=words.HOW_TO_VERIFY))


def path(name: str) -> str:
    """Where the page of a slice lies."""
    return f"{view.FOLDER}/{name}.html"


def whole(text: str | None) -> Markup:
    """All of a text, however long, as `texts.shown` shows it."""
    if text is None:
        return Markup("")
    return Markup("").join(texts.shown(text[at:at + texts.CHARS_MAX])
                           for at in range(0, len(text), texts.CHARS_MAX))


def _render(template: str, **given: Any) -> bytes:
    # A lone half of a character is shown as its number by `texts`; what is left is ours.
    return _environment().get_template(template).render(**given).encode()


@lru_cache(maxsize=1)
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("search.export", _TEMPLATES), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, auto_reload=False)
    made.filters.update(whole=whole, plain=texts.plain, address=_address, quoted=_quoted)
    made.globals.update(
        SAME=diff.SAME, GONE=diff.GONE, empty=words.empty, taken=words.taken,
        is_gap=_is(view.Gap), is_box=_is(view.Box))
    return made


def _address(link: str) -> str:
    """A path in the package as a relative address."""
    return quote(link, safe="/")


def _quoted(text: str) -> Markup:
    """A text of the stylesheet: letters, digits and what stands in an id."""
    return Markup('"{}"').format("".join(
        one for one in text if one.isalnum() or one in " -–_,"))


def _is(kind: type) -> Any:
    return lambda row: isinstance(row, kind)
