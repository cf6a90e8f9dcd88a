"""Transcripts on paper: whole, inside the page, readable for another program, always the same."""

from __future__ import annotations

import base64
import random
import re
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pypdfium2
import pytest
from pypdfium2 import raw

from schemas.errors import Refused
from schemas.events import Attachment
from search.export import pdf, pdf_fonts, pdf_text, pdf_typeset
from search.export.model import Slice
from search.export.pdf import PdfTranscript
from search.export.pdf_text import Setter
from search.web import texts
from tests.export import slices
from tests.export.slices import MemorySink, Story

# What separates, turns or joins: a reader of PDFs gives it back as it likes.
_UNSTEADY = {*" \n\r\t\u200b\u200d\u2068\u2069\ufe0f\ufe0e\u00a0\ufffe-\u00ad\u0002"}
_MARGIN_PT = 18 * 72 / 25.4
# Six by four pixels each.
GIF = base64.b64decode("R0lGODdhBgAEAIEAAMgeHgAA/wAAAAAAACwAAAAABgAEAAAIDQABCBwIIADBgwgBBAQAOw==")
WEBP = base64.b64decode(
    "UklGRjgAAABXRUJQVlA4ICwAAABwAQCdASoGAAQABABoJbACdAFAAAD+6mmABP2qqev1rf/G8f5Lv7d9lAAAAA==")


def png(width: int, height: int, *, says: tuple[int, int] | None = None) -> bytes:
    """A grey picture. `says`: the size that its head tells, where that is another."""
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (len(body).to_bytes(4, "big") + kind + body
                + zlib.crc32(kind + body).to_bytes(4, "big"))
    told = says or (width, height)
    head = b"".join(one.to_bytes(4, "big") for one in told) + b"\x08\x00\x00\x00\x00"
    lines = (b"\x00" + b"\x80" * width) * height
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
            + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def made(one: Slice, *stories: Story) -> tuple[bytes, MemorySink]:
    """The PDF of a slice, and where it was put."""
    sink = slices.sink_for([one], stories)
    PdfTranscript().slice(slices.job(), one, sink)
    return sink.files[pdf.path(one.name)], sink


def pages(body: bytes) -> Iterator[tuple[pypdfium2.PdfPage, str]]:
    """Each page and its text."""
    with pypdfium2.PdfDocument(body) as document:
        for page in document:
            yield page, page.get_textpage().get_text_bounded()


def bare(text: str) -> str:
    """Letters only, in their order."""
    return "".join(one for one in text if one not in _UNSTEADY)


def text_of(body: bytes) -> str:
    """The text of all pages, bare, without what stands at the head and the foot of each."""
    return bare("\n".join(
        "\n".join(line for line in text.splitlines()
                  if "0123456789abcdef0123456789abcdef" not in line.replace("export ", "")
                  and not line.startswith("M-2026-014, ") and not line.startswith("page "))
        for _, text in pages(body)))


def letters_of(body: bytes) -> Counter[str]:
    """Every letter that the file spells: in its text, and beside shapes that stand for others
    (joined letters, emoji with a tone), which this reader of PDFs does not give back."""
    found = Counter(text_of(body))
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", body, re.DOTALL):
        try:
            opened = zlib.decompress(stream)
        except zlib.error:
            continue  # it is not packed: no page
        for spelled in re.findall(rb"/ActualText<FEFF([0-9A-F]*)>", opened):
            found.update(bytes.fromhex(spelled.decode()).decode("utf-16-be"))
    return found


def is_one_way(text: str) -> bool:
    """Whether a reader of PDFs gives it back in the order in which it was written."""
    return not any("\u0590" <= one <= "\u08ff" or one >= "\U0001f000" for one in text)


@pytest.fixture(scope="module")
def printed() -> dict[str, bytes]:
    """The PDFs of every slice, by the name of the slice."""
    return {one.name: made(one)[0] for one in slices.every_slice()}


@pytest.mark.parametrize("one", slices.every_slice(), ids=lambda one: one.name)
def test_every_version_is_on_paper_whole(one: Slice, printed: dict[str, bytes]) -> None:
    """A reader that is not ours finds each text of each version, and each document id."""
    found = text_of(printed[one.name])
    letters = letters_of(printed[one.name])
    for item in one.items:
        assert bare(item.document_id) in found
        for version in item.view.versions:
            shown = bare("".join(each.control[0] if each.control else each.text
                                 for each in texts.pieces(version.text or "")))
            if is_one_way(shown):
                assert shown in found
            else:
                assert not Counter(shown) - letters


@pytest.mark.parametrize("one", slices.every_slice(), ids=lambda one: one.name)
def test_each_page_says_what_it_belongs_to(one: Slice, printed: dict[str, bytes]) -> None:
    """Document ids and export at the head, page and of how many at the foot; none is blank."""
    count = len(list(pages(printed[one.name])))
    ids = f"{one.items[0].document_id} – {one.items[-1].document_id}"
    for number, (page, text) in enumerate(pages(printed[one.name]), 1):
        assert bare(f"{ids}") in bare(text)
        assert f"export {slices.job().export_id}" in text
        assert f"page {number} of {count}" in text
        assert min(bytes(page.render(scale=0.5).buffer)) < 0x80


@pytest.mark.parametrize("one", slices.every_slice(), ids=lambda one: one.name)
def test_nothing_runs_off_the_page(one: Slice, printed: dict[str, bytes]) -> None:
    """No letter lies outside the margins, however long a word is."""
    assert [] == off_page(printed[one.name])


def off_page(body: bytes) -> list[tuple[str, float, float]]:
    """Letters outside the margins: letter, left, right (points)."""
    out = []
    with pypdfium2.PdfDocument(body) as document:
        for page in document:
            width = page.get_width()
            text = page.get_textpage()
            for at in range(text.count_chars()):
                left, _, right, _ = text.get_charbox(at, loose=False)
                if left < _MARGIN_PT - 3 or right > width - _MARGIN_PT + 3:
                    letter = chr(raw.FPDFText_GetUnicode(text, at))
                    if letter.isprintable() and not letter.isspace() and right > left:
                        out.append((letter, left, right))
    return out


def test_long_words_are_broken_and_stay_whole() -> None:
    """An address, a hash, a scream: every letter is there and inside the page."""
    long = "https://example.test/" + "abcdefghij" * 40 + " " + "W" * 300 + " " + "同" * 200
    name = "M" * 200
    one = slices.slice_of([slices.plain(slices.NINE, slices.PAIR, "m", long)], title=name,
                          native_conversation=name, custodian=name)
    body, _ = made(one)
    assert [] == off_page(body)
    assert bare(long) in text_of(body)
    hearts = slices.slice_of([slices.plain(slices.NINE, slices.PAIR, "m", "❤️" * 300)])
    assert [] == off_page(made(hearts)[0])


def test_a_character_that_no_font_has_is_shown_as_its_number() -> None:
    """Never a blank, never a box without a name; and it is counted."""
    one = slices.slice_of([slices.plain(slices.NINE, slices.PAIR, "m",
                                        "a\u1400b \ue000 c\U000f0000 \u0628\u0943")])
    body, sink = made(one)
    found = text_of(body)
    for number in ("aU+1400b", "U+E000", "cU+F0000", "U+0943"):
        assert number in found
    assert {pdf.NOTE_GLYPHS: 4} == dict(sink.notes)


def test_the_typesetter_refuses_what_would_be_blank() -> None:
    """The guard behind it: the standard that the files keep has no room for a missing shape."""
    sheet_data = {"title": "x", "author": "x", "export": "x", "left": "\u1400", "foot": "x",
                  "fonts": pdf_fonts.families()}
    with pytest.raises(Refused, match="could not be displayed"):
        pdf_typeset.pdf("transcript.typ", {
            **sheet_data, "heading": "x", "day": "x", "facts": [], "people": [], "rows": [],
            "verify": [], "checkpoint": "x", "signs": [], "more_signs": 0}, 0)


def test_marks_that_no_shaping_bears_do_not_stop_the_export(
        monkeypatch: pytest.MonkeyPatch) -> None:
    """If a page cannot be set, it is set once more with every mark as a number, and counted."""
    real, asked = pdf_typeset.pdf, []

    def refusing(template: str, data: dict[str, object], made_at: int) -> bytes:
        asked.append(template)
        if len(asked) == 1:
            raise Refused("the PDF could not be set")
        return real(template, data, made_at)

    monkeypatch.setattr(pdf_typeset, "pdf", refusing)
    body, sink = made(slices.slice_of([slices.plain(slices.NINE, slices.PAIR, "m", "né e\u0301")]))
    assert "néeU+0301" in text_of(body)
    assert {pdf.NOTE_GLYPHS: 1} == dict(sink.notes)


def test_any_text_can_be_set() -> None:
    """Two hundred texts of any characters at all, marks on marks: each is set."""
    source = random.Random(20260514)
    common = [*range(0x20, 0x2FFF), *range(0x1F000, 0x1FB00), *([0x200D, 0xFE0F, 0x1F3F4] * 90)]
    # Half a pair is no text: no archive has it.
    said = ["".join(chr(source.choice(common) if source.random() < 0.8
                        else source.choice((0, 0xE000)) + source.randrange(0xD800))
                    for _ in range(30)) for _ in range(200)]
    one = slices.slice_of([slices.plain(slices.NINE + at, slices.PAIR, f"m{at}", "\n".join(
        said[at:at + 20])) for at in range(0, 200, 20)])
    body, _ = made(one)
    assert [] == off_page(body)


@pytest.mark.parametrize(("media_type", "body", "drawn"), [
    ("image/png", png(40, 30), True), ("image/gif", GIF, True), ("image/webp", WEBP, True),
    ("image/png", b"first", False), ("image/png", png(4, 4)[:40], False), ("image/png", b"", False),
    ("image/png", png(4, 4, says=(60_000, 60_000)), False),
    ("image/jpeg", b"\xff\xd8\xff\xe0\x00\x00" * 9, False),
    ("image/png", png(1, 1) + b"\x00" * 3_000_000, False),
], ids=["png", "gif", "webp", "no picture", "cut off", "empty", "a bomb", "no frame", "too large"])
def test_a_picture_is_drawn_or_it_is_said_why_not(media_type: str, body: bytes,
                                                  drawn: bool) -> None:
    """One that is broken takes nothing with it; none is decoded whose head says it is too large."""
    story = Story((slices.said(slices.NINE, text="look", attachments=(
        Attachment("m-1", media_type, "photo"),)),), (body,))
    printed, sink = made(slices.slice_of([story]), story)
    with pypdfium2.PdfDocument(printed) as document:
        images = [found for page in document for found in page.get_objects(
            filter=[raw.FPDF_PAGEOBJ_IMAGE])]
        assert len(images) == int(drawn)
    assert ({} if drawn else {pdf.NOTE_PICTURES: 1}) == dict(sink.notes)
    assert drawn != (bare("the file itself is in the package") in text_of(printed))


def test_it_is_an_archival_and_an_accessible_pdf(printed: dict[str, bytes]) -> None:
    """It says that it keeps PDF/A-2a and PDF/UA-1, with tags, a language and a title."""
    body = printed[slices.autumn_slice().name]
    for words in (b"<pdfaid:part>2</pdfaid:part>", b"<pdfaid:conformance>A</pdfaid:conformance>",
                  b"<pdfuaid:part>1</pdfuaid:part>"):
        assert words in body
    with pypdfium2.PdfDocument(body) as document:
        assert document.get_metadata_dict()["Title"].startswith("CF-0000101")
        assert raw.FPDFCatalog_IsTagged(document)


def test_the_same_slice_gives_the_same_bytes(printed: dict[str, bytes]) -> None:
    """In this process, and in another one with other seeds."""
    one = slices.autumn_slice()
    assert printed[one.name] == made(one)[0]
    script = ("import sys; from tests.export import slices, test_pdf; "
              "sys.stdout.buffer.write(test_pdf.made(slices.autumn_slice())[0])")
    other = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert printed[one.name] == other.stdout


def test_when_it_was_made_is_when_it_was_asked_for() -> None:
    """No clock: the date in the file is the job's."""
    body, _ = made(slices.autumn_slice())
    with pypdfium2.PdfDocument(body) as document:
        assert document.get_metadata_dict()["CreationDate"].startswith("D:20260515080000")


def test_print_names_the_signs_that_have_colours() -> None:
    """Hands, hearts and flags by name, each once, at the end."""
    body, _ = made(slices.slice_of([
        slices.plain(slices.NINE, slices.PAIR, "m", "👍🏽 👍🏽 🇩🇪 🏴󠁧󠁢󠁳󠁣󠁴󠁿 ❤️")]))
    found = text_of(body)
    assert 1 == found.count(bare("thumbs up sign, emoji modifier fitzpatrick type-4"))
    for name in ("flag DE", "flag gbsct", "heavy black heart"):
        assert bare(name) in found


def test_a_long_chain_of_edits_goes_over_pages() -> None:
    """An item longer than a page loses nothing."""
    at = slices.NINE
    base = slices.said(at, text="word " * 700)
    story = Story((base, *(slices.about(base, "edit", 60_000 * place, f"{place} " + "word " * 700)
                           for place in range(1, 6))))
    body, _ = made(slices.slice_of([story]))
    assert [] == off_page(body)
    found = text_of(body)
    for place in range(1, 6):
        assert f"Version{place + 1}." in found and bare(f"{place} word word") in found


def test_an_empty_slice_says_so() -> None:
    """Nothing of the day is in the package, but what is withheld stands there."""
    one = slices.slice_of([])
    assert bare("Nothing of this day is in the package.") in text_of(made(one)[0])
    held = replace(one, withheld=slices.withheld())
    assert bare("CF-W-0001") in text_of(made(held)[0])


@pytest.mark.parametrize(("text", "key"), [
    ("合同", pdf_fonts.CHINESE), ("契約です", pdf_fonts.JAPANESE), ("계약 合同", pdf_fonts.KOREAN),
    ("plain", pdf_fonts.CHINESE),
])
def test_characters_of_one_number_are_drawn_as_their_language_does(text: str, key: str) -> None:
    """Kana means Japanese shapes, hangul Korean ones."""
    assert key == pdf_fonts.order(text)
    first = {"c": "Noto Sans SC", "j": "Noto Sans JP", "k": "Noto Sans KR"}[key]
    families = pdf_fonts.families()[key]
    assert first == next(one for one in families if one.split()[-1] in ("SC", "JP", "KR", "TC"))


@pytest.mark.parametrize("text", [
    "Grüße, ŝanĝo", "Ελληνικά", "Кириллица", "العربية", "עברית", "中文 漢字", "日本語 カタカナ",
    "한국어", "हिन्दी", "বাংলা", "தமிழ்", "ไทย", "ქართული", "Հայերեն", "አማርኛ", "😀👍🏽🇬🇧1️⃣",
])
def test_the_fonts_have_every_script_that_we_promise(text: str) -> None:
    """Not one letter of these is shown as a number."""
    setter = Setter()
    setter.lines(text)
    assert {} == setter.absent


def test_each_line_has_the_direction_of_its_first_letter() -> None:
    """As a browser does it, line by line; what is only shown by name turns nothing."""
    found = Setter().lines("abc\nעברית abc\n123 العربية\n\u202eabc\n")
    assert [False, True, True, False, False] == [one["d"] for one in found]


@pytest.mark.parametrize("text", ["x" * 100_000, "word " * 20_000, "👩\u200d🚀" * 9_000,
                                  "e\u0301" * 9_000])
def test_a_line_without_an_end_is_set_as_several(text: str) -> None:
    """Nothing of it is lost, no letter is parted from its marks, and no paragraph is so long that
    setting it takes the square of it."""
    found = Setter().lines(text)
    said = ["".join(run for kind, run, _ in one["r"] if kind != pdf_text.BREAK) for one in found]
    assert text == "".join(said) and max(map(len, said)) <= 4_100
    assert not any(one[0] in "\u200d\u0301" or one[-1] == "\u200d" for one in said)


def test_a_mark_goes_with_the_font_of_its_letter() -> None:
    """A mark that another font has is no help to a letter that the font lacks, and the reverse."""
    assert frozenset() == pdf_fonts.missing("e\u0301")
    assert frozenset({1}) == pdf_fonts.missing("\u0628\u0943")
    assert frozenset({0}) == pdf_fonts.missing("\u1400")


@pytest.fixture
def without_the_extra(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installation without the fonts of the extra `export`."""
    caches = (pdf_fonts.missing, pdf_fonts._faces, pdf_fonts._characters, pdf_typeset._compiler)
    for one in caches:
        one.cache_clear()
    monkeypatch.setattr(pdf_fonts, "_PACKAGES", pdf_fonts._PACKAGES[:1])
    yield
    for one in caches:
        one.cache_clear()


@pytest.mark.usefixtures("without_the_extra")
def test_without_the_large_fonts_chinese_is_numbers_and_counted() -> None:
    """Nothing is lost silently: each character is there by its number, and the report says so."""
    body, sink = made(slices.slice_of([slices.plain(slices.NINE, slices.PAIR, "m", "ok 合同 ok")]))
    assert "okU+5408U+540Cok" in text_of(body)
    assert {pdf.NOTE_GLYPHS: 2} == dict(sink.notes)
