"""The directory file: read exactly, and every problem named with its line and field (C4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.directory import DirectoryFile, load_directory, parse_directory
from ingest.own import directory_event
from schemas.directory import Directory, Exclusion, Group, Matter, Notice
from schemas.errors import Missing, Refused
from schemas.identity import event_id

GOOD = b"""\
[classes]
default = 7
advice = 10

[[custodian]]
id = "asmith"
name = "Alice Smith"
class = "advice"

[[custodian]]
id = "bjones"
name = "Bob Jones"

[[account]]
channel = "whatsapp"
account = "+1 (555) 078-3881"
custodian = "asmith"
until = 2026-01-01

[[account]]
channel = "whatsapp"
account = "+15550783881"
custodian = "bjones"
from = 2026-01-01T00:00:00+00:00

[[conversation]]
conversation = "group:1"
compartment = "matter-1"
"""
JANUARY = 1_767_225_600_000


def test_reads_who_had_an_account_when() -> None:
    """A number that was handed on belongs to each owner in their time, class and years with it."""
    directory = parse_directory(GOOD)
    before = directory.resolve("whatsapp", "+15550783881", "pair:x", JANUARY - 1)
    after = directory.resolve("whatsapp", "+15550783881", "group:1", JANUARY)
    assert (before.custodian, before.retention_class, before.retention_years) == (
        "asmith", "advice", 10)
    assert (after.custodian, after.retention_years, after.compartment) == ("bjones", 7, "matter-1")
    assert directory.source == GOOD
    assert directory.firm_years() == 11


def test_an_empty_file_is_a_directory() -> None:
    """Everything is unassigned, kept for the longest class."""
    said = parse_directory(b"").resolve("sms", "+1", "pair:x", 0)
    assert (said.custodian, said.retention_class, said.retention_years) == ("", "unassigned", 7)


def test_unassigned_traffic_is_kept_for_the_longest_class() -> None:
    """Also where a conversation's rule names a shorter one: all that nobody has claimed lies under
    one key a month, and the first event must not decide for the others."""
    rule = b'compartment = "matter-1"'
    source = GOOD.replace(rule, rule + b'\nclass = "default"')
    said = parse_directory(source).resolve("whatsapp", "+15550000000", "group:1", JANUARY)
    assert ("", "unassigned", 10, "matter-1") == (
        said.custodian, said.retention_class, said.retention_years, said.compartment)


@pytest.mark.parametrize(("change", "problem"), [
    ((b'id = "asmith"', b'idd = "asmith"'), "line 6, custodian 1, idd: unknown key; known are"),
    ((b'id = "asmith"', b""), "line 5, custodian 1, id: is missing"),
    ((b'id = "bjones"', b'id = "asmith"'), "line 11, custodian 2, id: 'asmith' comes twice"),
    ((b'id = "bjones"', b"id = 7"), 'line 11, custodian 2, id: must be a text in "quotes"'),
    ((b'"Bob Jones"', b'" "'), "line 12, custodian 2, name: must be 1 to 500 printable"),
    ((b'"Bob Jones"', b'"Bob\\u202e Jones"'), "line 12, custodian 2, name: must be 1 to 500"),
    ((b'class = "advice"', b'class = "advise"'),
     "line 8, custodian 1, class: 'advise' is not in [classes]"),
    ((b"advice = 10", b"advice = 0"), "line 3, classes, advice: must be whole years, 1 to 100"),
    ((b"advice = 10", b"advice = true"), "line 3, classes, advice: must be whole years"),
    ((b"advice = 10", b"advice = 10\nfirm = 3"), "line 4, classes, firm: is a name of the system"),
    ((b'channel = "whatsapp"', b'channel = "whatsap"'),
     "line 15, account 1, channel: 'whatsap' is unknown; known are whatsapp, sms"),
    ((b'custodian = "asmith"', b'custodian = "nobody"'),
     "line 17, account 1, custodian: no [[custodian]] has the id 'nobody'"),
    ((b"(555) 078-3881", b"(555) 078-388I"), "line 16, account 1, account: a number is + and"),
    ((b"until = 2026-01-01", b'until = "2026-01-01"'), "line 18, account 1, until: must be a date"),
    ((b"until = 2026-01-01", b"until = 2026-01-01T00:00:00"),
     "line 18, account 1, until: a time must state its offset"),
    ((b"until = 2026-01-01", b"until = 2026-02-01"),
     "line 22, account 2, account: has an owner at that time already (account 1)"),
    ((b"until = 2026-01-01", b"from = 2026-02-01\nuntil = 2026-01-01"),
     "line 19, account 1, until: is not after `from`"),
    ((b'compartment = "matter-1"', b""), "line 26, conversation 1, compartment: is missing"),
    ((b"[[conversation]]", b"[[conversations]]"), "line 26, conversations: unknown table or key"),
    ((b"[classes]", b"zone = 1\n[classes]"), "line 1, zone: unknown table or key"),
    ((b"[[conversation]]", b"[conversation]"), "line 26, conversation: write [[conversation]]"),
    ((b"Alice", b"\xff"), "line 7: not UTF-8"),
    ((b"default = 7", b"default = = 7"), "at line 2, column"),
])
def test_names_the_line_and_the_field(change: tuple[bytes, bytes], problem: str) -> None:
    """Nothing is guessed and nothing ignored: the whole file is refused, with where and why."""
    assert change[0] in GOOD
    with pytest.raises(Refused) as caught:
        parse_directory(GOOD.replace(*change, 1))
    assert problem in str(caught.value)
    assert str(caught.value).startswith("directory.toml")


MORE = GOOD + b"""
[[group]]
name = "litigation"
members = ["asmith", "bjones"]
supervisors = ["c.park"]

[[matter]]
id = "4711"
name = "Doe v. Roe"
custodians = ["asmith"]
from = 2026-01-01
until = 2026-07-01
conversations = ["group:1"]

[[notice]]
custodian = "asmith"
at = 2026-01-01
how = "letter"
text = '''
Your messages with clients are kept.
'''

[[notice]]
channel = "whatsapp"
account = "+1 650 555 1234"
at = 2026-01-01T09:30:00+01:00
how = "first reply"
document = "notices/2026-01.pdf"

[[exclusion]]
channel = "whatsapp"
account = "+15550783881"
counterparty = "+1 650 555 9999"
from = 2026-01-01
reason = "spouse"
"""


def test_reads_groups_matters_notices_and_exclusions() -> None:
    """Every part of the file is there, spelled as capture spells it."""
    found = parse_directory(MORE)
    assert found.groups == (Group("litigation", ("asmith", "bjones"), ("c.park",)),)
    assert found.matters == (Matter("4711", "Doe v. Roe", ("asmith",), JANUARY, 1_782_864_000_000,
                                    ("group:1",)),)
    assert found.notices == (
        Notice(JANUARY, "letter", "asmith", text="Your messages with clients are kept."),
        Notice(JANUARY + 8 * 3_600_000 + 1_800_000, "first reply", channel="whatsapp",
               account="+16505551234", document="notices/2026-01.pdf"))
    assert found.exclusions == (Exclusion("whatsapp", "+15550783881", "spouse",
                                          counterparty="+16505559999", since=JANUARY),)


@pytest.mark.parametrize(("change", "problem"), [
    ((b'members = ["asmith", "bjones"]', b'members = ["asmith", "cwhite"]'),
     "line 32, group 1, members: no [[custodian]] has the id 'cwhite'"),
    ((b'members = ["asmith", "bjones"]', b'members = "asmith"'),
     'line 32, group 1, members: must be a list: ["one", "two"]'),
    ((b'members = ["asmith", "bjones"]', b"members = []"),
     'line 32, group 1, members: must be a list'),
    ((b'members = ["asmith", "bjones"]', b'members = ["asmith", "asmith"]'),
     "line 32, group 1, members: 'asmith' comes twice; name each once"),
    ((b'members = ["asmith", "bjones"]', b'members = ["asmith", 7]'),
     "line 32, group 1, members: each must be 1 to 500 printable characters"),
    ((b"[[matter]]", b'[[group]]\nname = "litigation"\nmembers = ["asmith"]\n[[matter]]'),
     "line 36, group 2, name: 'litigation' comes twice; join the two tables"),
    ((b"[[notice]]", b'[[matter]]\nid = "4711"\nname = "x"\ncustodians = ["asmith"]\n[[notice]]'),
     "line 44, matter 2, id: '4711' comes twice"),
    ((b"until = 2026-07-01", b"until = 2025-07-01"),
     "line 40, matter 1, until: is not after `from`"),
    ((b'custodians = ["asmith"]', b'custodians = ["asmit"]'),
     "line 38, matter 1, custodians: no [[custodian]] has the id 'asmit'"),
    ((b'custodian = "asmith"\nat', b'custodian = "asmit"\nat'),
     "line 44, notice 1, custodian: no [[custodian]] has the id 'asmit'"),
    ((b'custodian = "asmith"\nat', b'custodian = "asmith"\nchannel = "sms"\nat'),
     "line 44, notice 1, custodian: name a custodian, or a channel and an account; not both"),
    ((b'custodian = "asmith"\nat', b"at"), "line 43, notice 1, channel: is missing"),
    ((b'at = 2026-01-01\nhow = "letter"', b'how = "letter"'), "line 43, notice 1, at: is missing"),
    ((b'document = "notices/2026-01.pdf"', b""),
     "line 51, notice 2, text: is missing: the words of the notice, or `document`"),
    ((b'reason = "spouse"', b""), "line 58, exclusion 1, reason: is missing"),
    ((b'counterparty = "+1 650 555 9999"', b""),
     "line 58, exclusion 1, conversation: name a conversation or a counterparty: one of the two"),
    ((b'"+15550783881"\ncounterparty', b'"+15550783882"\ncounterparty'),
     "line 60, exclusion 1, account: no [[account]] of the channel 'whatsapp' is +15550783882"),
    ((b'reason = "spouse"', b'reason = "spouse"\n[[exclusion]]\nchannel = "whatsapp"\naccount = '
      b'"+15550783881"\ncounterparty = "+16505559999"\nreason = "again"\n'),
     "line 64, exclusion 2, conversation: is excluded at that time already (exclusion 1)"),
    ((b"[[exclusion]]", b"[[exclusions]]"), "line 58, exclusions: unknown table or key"),
])
def test_names_the_line_of_the_later_parts_too(change: tuple[bytes, bytes], problem: str) -> None:
    """Unknown people, doubled names and impossible times are refused with what to do."""
    assert change[0] in MORE
    with pytest.raises(Refused) as caught:
        parse_directory(MORE.replace(*change, 1))
    assert problem in str(caught.value)


@pytest.mark.parametrize("name", ["group", "matter", "notice", "exclusion"])
def test_every_part_of_the_file_makes_another_load(name: str) -> None:
    """A change of any part is a `directory` event of its own, with the file in it; a file without
    the later parts makes the event that it always made."""
    whole = parse_directory(MORE)
    start = MORE.rindex(b"[[%s]]" % name.encode())
    end = MORE.find(b"[[", start + 2)
    less = parse_directory(MORE[:start] + (MORE[end:] if end > 0 else b""))
    first, second = directory_event(whole, JANUARY), directory_event(less, JANUARY)
    assert event_id(first) != event_id(second)
    assert (first.raw, second.raw) == (whole.source, less.source)
    assert first.detail(f"{name}s") == str(len(getattr(whole, f"{name}s")))
    assert [key for key, _ in directory_event(parse_directory(GOOD), JANUARY).details] == [
        "accounts", "classes", "custodians", "digest"]


def test_names_every_problem_at_once() -> None:
    """Nobody mends a file one error at a time."""
    broken = GOOD.replace(b"advice = 10", b"advice = 0").replace(b'"bjones"\nname', b'""\nname')
    with pytest.raises(Refused) as caught:
        parse_directory(broken)
    assert len(str(caught.value).splitlines()) >= 3


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    """No file is not an empty one: the caller decides."""
    with pytest.raises(Missing):
        load_directory(tmp_path / "directory.toml")
    (tmp_path / "directory.toml").write_bytes(GOOD)
    assert load_directory(tmp_path / "directory.toml") == parse_directory(GOOD)


@pytest.mark.parametrize(("said", "hours"), [("72", 72.0), ("0.5", 0.5)])
def test_an_account_says_how_long_it_may_be_silent(said: str, hours: float) -> None:
    """Hours; without it nobody watches."""
    lines = (b'[[custodian]]\nid = "a"\nname = "A"\n[[account]]\nchannel = "sms"\n'
             b'account = "+15550001111"\ncustodian = "a"\n')
    (account,) = parse_directory(lines).accounts
    assert account.max_silence_h is None
    (account,) = parse_directory(lines + f"max_silence_h = {said}\n".encode()).accounts
    assert account.max_silence_h == hours


@pytest.mark.parametrize("said", ["0", "-1", "nan", "inf", "true", '"3"', "9000", "0.1"])
def test_a_silence_that_is_no_length_of_time_is_refused(said: str) -> None:
    """With its line; a typing error must not switch a watch off."""
    with pytest.raises(Refused, match="line 8, account 1, max_silence_h"):
        parse_directory(b'[[custodian]]\nid = "a"\nname = "A"\n[[account]]\nchannel = "sms"\n'
                        b'account = "+15550001111"\ncustodian = "a"\nmax_silence_h = '
                        + said.encode() + b"\n")


def test_a_directory_is_parsed_when_it_has_changed(tmp_path: Path) -> None:
    """Not each time that somebody asks; a broken or missing file leaves the last one in force."""
    path, draft = tmp_path / "directory.toml", tmp_path / "draft"
    checked: list[Directory] = []
    follow = DirectoryFile(path, checked.append)

    def write(source: bytes) -> None:
        draft.write_bytes(source)
        draft.replace(path)
    assert follow() == Directory()
    write(GOOD)
    first = follow()
    assert (len(first.custodians), follow() is first, len(checked)) == (2, True, 2)
    write(b"[[custodian]]\n")
    assert follow() is first and "is missing" in follow.problem
    path.unlink()
    assert follow() is first and "not there" in follow.problem
    write(GOOD + b"\n")
    assert (follow() is first, len(follow().custodians), follow.problem) == (False, 2, "")
