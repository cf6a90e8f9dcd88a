"""The typesetter: a template and its data become a PDF (PDF/A-2a and PDF/UA-1). Pure.

Owns the call of the library. The data are values, never source, so that no text can say anything to
the typesetter; the standards refuse a document in which a character would have no shape.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any, Final

import typst

from schemas.errors import Refused
from search.export import pdf_fonts

# Archival with text that can be read out and searched; tagged for people who read with their ears.
_STANDARDS: Final[list[typst.PDFStandard]] = ["a-2a", "ua-1"]


def pdf(template: str, data: Mapping[str, Any], made_at: int) -> bytes:
    """`template`: of `templates/`, "transcript.typ"; `made_at`: UTC ms, what the file says of when
    it was made. The same data give the same bytes. Raises Refused if it cannot be set."""
    try:
        made = _compiler().compile(
            _source(template), format="pdf", timestamp=made_at // 1000, pdf_standards=_STANDARDS,
            sys_inputs={"data": json.dumps(data, ensure_ascii=False, separators=(",", ":"))})
    except typst.TypstError as error:
        raise Refused(f"the PDF could not be set: {error.message}") from error
    if not isinstance(made, bytes):
        raise Refused("the PDF could not be set: the typesetter gave several files")
    return made


@lru_cache(maxsize=8)
def _source(template: str) -> bytes:
    here = resources.files("search.export") / "templates"
    return b"".join((here / name).read_bytes() for name in ("common.typ", template))


@lru_cache(maxsize=1)
def _compiler() -> typst.Compiler:
    # Only the fonts that we name: what a machine has beside them must not change the bytes.
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False,
                        font_paths=pdf_fonts.places())
    return typst.Compiler(font_paths=fonts, ignore_system_fonts=True)
