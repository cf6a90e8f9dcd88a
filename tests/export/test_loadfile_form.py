"""The form of a load file: what is written is read back by a reader that knows nothing of it."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Refused
from search.export.loadfile_form import Form

ANY_TEXT = st.text(alphabet=st.one_of(
    st.sampled_from("þ®\x14\r\n\t\x00\x85\u2028\x1a¶\"',;[]()"), st.characters(codec="utf-8")))


def read(body: bytes, encoding: str = "utf-8") -> list[list[str]]:
    """A DAT, read as its readers do: records end with CRLF, values with qualifier and separator."""
    text = body.decode(encoding)
    assert text.endswith("\r\n")
    records = []
    for line in text[:-2].split("\r\n"):
        assert line[0] == line[-1] == "þ"
        records.append(line[1:-1].split("þ\x14þ"))
    return records


def expected(text: str) -> str:
    """What the rules of the format leave of a text, said once more and in another way."""
    out, at = [], 0
    while at < len(text):
        one = text[at]
        if text.startswith("\r\n", at):
            out.append("®")
            at += 1
        elif one in "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029":
            out.append("®")
        elif one == "þ":
            out.append("[thorn]")
        elif one == "®":
            out.append("(R)")
        elif one == "\x14":
            pass
        elif (ord(one) < 32 and one != "\t") or 127 <= ord(one) < 160:
            out.append(f"[U+{ord(one):04X}]")
        else:
            out.append(one)
        at += 1
    return "".join(out)


@given(st.lists(ANY_TEXT, min_size=1, max_size=5))
def test_any_text_is_one_value_of_one_record(texts: list[str]) -> None:
    """Whatever people write, a record has as many values as columns, each by the rules alone."""
    body = Form().record("CF-1", ((str(place), text) for place, text in enumerate(texts)),
                         Counter())
    assert [[expected(text) for text in texts]] == read(body)


@given(st.text(alphabet="ab\x14þ®|^~\r\n"))
def test_other_delimiters_hold_too(text: str) -> None:
    """With other delimiters the usual ones are letters, and the new ones give way."""
    form = Form("|", "^", "~", "/", "'", "-", "utf-16-le")
    body = form.record("CF-1", [("A", text), ("B", "b")], Counter()).decode("utf-16-le")
    assert body.endswith("^|^b^\r\n")
    said = body[1:-len("^|^b^\r\n")]
    assert not set(said) & set("|^\r\n")
    assert said.count("þ") == text.count("þ")


def test_bytes_of_the_usual_form() -> None:
    """UTF-8: the mark, C3 BE around values, 14 between them, C2 AE for an end of line."""
    form = Form()
    assert b"\xef\xbb\xbf\xc3\xbeA\xc3\xbe\x14\xc3\xbeB\xc3\xbe\r\n" == form.header(["A", "B"])
    assert b"\xc3\xbex\xc2\xaey\xc3\xbe\x14\xc3\xbe\xc3\xbe\r\n" == form.record(
        "CF-1", [("A", "x\r\ny"), ("B", "")], Counter())


def test_bytes_of_the_other_encodings() -> None:
    """cp1252 is FE, 14, AE without a mark; UTF-16LE has its mark and two bytes a letter."""
    assert b"\xfeA\xfe\x14\xfeB\xfe\r\n" == Form(encoding="cp1252").header(["A", "B"])
    assert b"\xfex\xaey\xfe\r\n" == Form(encoding="cp1252").record(
        "CF-1", [("A", "x\ny")], Counter())
    assert b"\xff\xfe" + "þAþ\r\n".encode("utf-16-le") == Form(encoding="utf-16-le").header(["A"])


def test_what_does_not_fit_is_refused() -> None:
    """cp1252 never writes a question mark for a letter: it names document, column and letter."""
    with pytest.raises(Refused, match=r"CF-0000012: TO has U\+5408, which cp1252 does not hold"):
        Form(encoding="cp1252").record("CF-0000012", [("FROM", "Zoë"), ("TO", "合同")], Counter())


def test_every_replacement_is_counted() -> None:
    """What gave way is counted by its kind, once for each time it stood there."""
    notes: Counter[str] = Counter()
    Form().record("CF-1", [("A", "þþ®\x14\r\n\n\x00"), ("B", "fine")], notes)
    assert {
        "load file: þ is written [thorn]": 2, "load file: ® is written (R)": 1,
        "load file: U+0014 is left out": 1, "load file: an end of line is written ®": 2,
        "load file: a control character is shown as [U+…]": 1} == notes


@pytest.mark.parametrize("given_form", [
    {"separator": "þ"}, {"qualifier": ""}, {"newline": "\n"}, {"encoding": "latin-1"},
    {"qualifier_as": "<®>"}, {"separator": "+"}, {"separator": "☃", "encoding": "cp1252"}])
def test_a_form_that_could_not_be_read_is_refused(given_form: dict[str, str]) -> None:
    """Delimiters that are no character, the same, or part of what stands for one."""
    with pytest.raises(Refused, match="load file"):
        Form(**given_form)
