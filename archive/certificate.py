"""The certificate of an erasure: what is gone, by whom, and what it does not prove. Pure.

Owns its bytes (docs/FORMAT.md §16): a signed note (C2SP) whose text is a line with the format, a
line of canonical JSON, and the same in plain words. The words are a function of the JSON, so that a
signature over both cannot be about two things.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from archive.tlog import note
from archive.tlog.note import Key, Note, Signer
from schemas.errors import Refused

FORMAT: Final = "counterfoil/erasure-certificate/v1"
KEY_NAME: Final = "counterfoil/erasure"
# More would not fit into one note; how many more there are is said.
NAMED_MAX: Final = 2_000
_LIMITS: Final = (
    "That these keys were destroyed in every copy that is named above; not that nobody made",
    "another copy, of a key or of a message, before. What the other side of a conversation keeps",
    "is not ours, and what other custodians archived of it is kept under their own keys and",
    "grounds. The sealed bytes stay in the store: without the key nobody can open them, as far as",
    "AES-256 is not broken. That they lie there, how many they are and since when, can still be",
    "shown, and the archive still verifies.",
)


def signed(values: Mapping[str, Any], signer: Signer) -> str:
    """The certificate. `values`: as FORMAT says; whole numbers, texts, lists and objects."""
    text = text_of(values)
    return Note(text, (note.sign(text, signer),)).render()


def text_of(values: Mapping[str, Any]) -> str:
    """What is signed."""
    return f"{FORMAT}\n{_json(values)}\n\n" + "\n".join(words(values)) + "\n"


def check(certificate: str, keys: Iterable[Key]) -> dict[str, Any]:
    """What it says. Raises Refused for one that none of `keys` signed, or whose words are not those
    of its JSON."""
    found = note.read(certificate)
    note.verify(found, keys)
    head, _, rest = found.text.partition("\n")
    if head != FORMAT:
        raise Refused("this is no certificate of this version")
    try:
        values = json.loads(rest.partition("\n")[0])
    except (ValueError, RecursionError) as error:
        raise Refused("this is no certificate: its second line does not read") from error
    try:
        said = text_of(values)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Refused("this is no certificate: its second line says something else") from error
    if said != found.text:
        raise Refused("the words of this certificate are not those of its data")
    return dict(values)


def words(values: Mapping[str, Any]) -> Iterator[str]:
    """In plain words, a line each."""
    domains, named = values["domains"], values["named_by"]
    events = sum(one["events"] for one in domains)
    yield "CERTIFICATE OF ERASURE" + (" (TRIAL: not a real one)" if values["trial"] else "")
    yield ""
    yield (f"{events} records of {len(domains)} groups were erased on "
           f"{moment(values['erased_at'])}, by destroying the keys that they were sealed with.")
    yield "A group is one person's records of one retention class and one month."
    yield ""
    for one in domains:
        yield (f"- {_whose(one)}, class {one['class']}, {one['month']}"
               + (f", compartment {one['compartment']}" if one["compartment"] else "")
               + f": {one['events']} records in {one['segments']} segments; key {one['key']}")
        yield (f"  Ground: kept for {one['years']} years from the end of {one['month']}; that time "
               f"ended on {moment(one['ended_at'])}.")
    yield ""
    yield f"Listed by {_line(values['listed']['by'])} on {moment(values['listed']['at'])}."
    yield f"Approved by {_line(values['approved']['by'])} on {moment(values['approved']['at'])}."
    yield (f"Announced on {moment(values['intent_at'])}. Holds were read again after that, and "
           "before anything was destroyed.")
    if values["kept"]:
        yield ""
        yield "Listed and not erased:"
        for one in values["kept"]:
            yield f"- key {one['key']}: {_line(one['words'])}"
    yield ""
    yield "What became of each copy:"
    for one in values["copies"]:
        yield f"- {_line(one['what'])}: {_line(one['said'])}"
    yield ""
    yield (f"{named['count']} records of searches, views, reviews and the like still name what was "
           "erased, or quote a word of it. They are the firm's own records and stay as long as "
           "those.")
    for one in named["ids"]:
        yield f"- {one}"
    if named["count"] > len(named["ids"]):
        yield f"- and {named['count'] - len(named['ids'])} more"
    yield ""
    yield "What this proves, and what it does not:"
    yield from _LIMITS


def _whose(one: Mapping[str, Any]) -> str:
    return _line(one["custodian"]) or f"the firm's own ({one['role'] or 'no custodian'})"


def _line(text: str) -> str:
    """What somebody typed, on one line and without what no note holds."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())


def moment(at: int) -> str:
    """UTC ms as a person reads it, to the minute."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True,
                      allow_nan=False)
