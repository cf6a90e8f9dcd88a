"""The map of a folder of exports: what it says of each file, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.importmap import load_map
from ingest.imports import Answers
from schemas.errors import Refused

ANSWERS = Answers("olga", 0, me="Olga", account="+49", zone="UTC")


def written(folder: Path, name: str, text: str) -> Path:
    """A map file."""
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(("name", "text"), [
    ("m.csv", "file,me,account,zone,day_first\nA chat.zip,Ben,+491,Europe/Berlin,yes\n"
              "sub/B.txt,,,,\n\n"),
    ("m.csv", "\ufeffFile;Day_First;Me;Account;Zone\r\nA chat.zip;day;Ben;+491;Europe/Berlin\r\n"
              "sub/B.txt\r\n"),
    ("m.toml", '[[file]]\nname = "A chat.zip"\nme = "Ben"\naccount = "+491"\n'
               'zone = "Europe/Berlin"\nday_first = true\n[[file]]\nname = "sub/B.txt"\n'),
])
def test_what_is_said_of_a_file_wins_over_what_is_said_of_all(tmp_path: Path, name: str,
                                                              text: str) -> None:
    """By its name, or by as much of its path as is spelled; what is not said stays."""
    table = load_map(written(tmp_path, name, text))
    assert table.answers(Path("/exports/A chat.zip"), ANSWERS) == Answers(
        "olga", 0, me="Ben", account="+491", zone="Europe/Berlin", day_first=True)
    for other in ("/exports/sub/B.txt", "/exports/B.txt", "/exports/C.txt"):
        assert table.answers(Path(other), ANSWERS) == ANSWERS
    table.require_used([Path("x/A chat.zip"), Path("x/sub/B.txt")])


def test_names_are_compared_as_they_are_read(tmp_path: Path) -> None:
    """A disk that takes names apart (NFD) finds what a spreadsheet wrote in one piece."""
    table = load_map(written(tmp_path, "m.csv", "file,me\nJosé.txt,José\n"))
    assert table.answers(Path("Jose\u0301.txt"), ANSWERS).me == "José"


@pytest.mark.parametrize(("name", "text", "complaint"), [
    ("m.csv", "", "names the columns"),
    ("m.csv", "name,me\nA,B\n", "not 'name'"),
    ("m.csv", "file,me\nA,B,C\n", "line 2: 3 values for 2 columns"),
    ("m.csv", 'file,me\n"A,B\n', "line 2"),
    ("m.csv", "file,zone\nA,Europe/Nowhere\n", "line 2: no time zone is called 'Europe/Nowhere'"),
    ("m.csv", "file,day_first\nA,maybe\n", "not true or false"),
    ("m.csv", "file,me\n,B\n", "it names no file"),
    ("m.csv", "file,me\nA,B\nA,C\n", "line 3: 'A' is there twice"),
    ("m.toml", "[[file]\n", "m.toml"),
    ("m.toml", 'title = "x"\n', "one [[file]] for each"),
    ("m.toml", '[[file]]\nname = "A"\nphone = "1"\n', "'phone' is none of"),
    ("m.toml", '[[file]]\nname = "A"\nme = 3\n', "me is not a text"),
])
def test_what_is_wrong_is_named(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    """With its line, all of it at once."""
    with pytest.raises(Refused) as refused:
        load_map(written(tmp_path, name, text))
    assert complaint in str(refused.value)


def test_a_row_of_no_file_is_a_typing_error(tmp_path: Path) -> None:
    """It would leave a chat without its custodian, unseen."""
    table = load_map(written(tmp_path, "m.csv", "file,me\nA,B\nWhatsapp chat.txt,C\n"))
    with pytest.raises(Refused, match=r"no file is called 'Whatsapp chat\.txt'"):
        table.require_used([Path("A"), Path("WhatsApp chat.txt")])
