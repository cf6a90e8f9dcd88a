"""The certificate of an erasure: its bytes, and what is refused."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from archive import certificate
from archive.tlog.note import ED25519, Key, Signer
from schemas.errors import Refused

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = Key(certificate.KEY_NAME, ED25519, PRIVATE.public_key().public_bytes_raw())
SIGNER = Signer(KEY, PRIVATE.sign)
VALUES: dict[str, Any] = {
    "version": 1, "list": "ab" * 16, "digest": "cd" * 32,
    "listed": {"by": "ann", "at": 1_900_000_000_000},
    "approved": {"by": "bob", "at": 1_900_000_100_000},
    "intent_at": 1_900_700_000_000, "erased_at": 1_900_700_001_000,
    "domains": [{"key": "ef" * 16 + "/0", "custodian": "carol", "class": "default",
                 "month": "2019-05", "compartment": "", "years": 7, "role": "", "events": 3,
                 "segments": 2, "locked_until": 1_780_358_400_000, "ended_at": 1_780_358_400_000}],
    "kept": [{"key": "01" * 16 + "/0", "why": "hold", "words": "the hold 'Doe' keeps it",
              "until": 0}],
    "copies": [{"what": "keys", "said": "destroyed in the keyring of this data folder"}],
    "named_by": {"count": 2, "ids": ["audit " + "12" * 16]}, "trial": False,
}
# docs/FORMAT.md names it: whoever changes a word of a certificate makes another version.
GOLDEN = "d8efcf28970562fb74bd8d241003add2a3e92e7e9232c0477c0e0b322e87c318"


def test_the_golden_certificate_is_these_bytes() -> None:
    """Ed25519 is deterministic: the same data under the same key is the same file."""
    text = certificate.signed(VALUES, SIGNER)
    assert GOLDEN == hashlib.sha256(text.encode()).hexdigest()
    assert VALUES == certificate.check(text, [KEY])
    assert text.startswith("counterfoil/erasure-certificate/v1\n{")


def test_it_says_in_words_what_was_erased_and_what_still_names_it() -> None:
    """Whose, of when, on what ground, by whom; what stays, and what it does not prove."""
    text = certificate.text_of(VALUES)
    for said in ("3 records of 1 groups", "carol, class default, 2019-05", "kept for 7 years",
                 "Listed by ann", "Approved by bob", "the hold 'Doe' keeps it",
                 "audit " + "12" * 16, "and 1 more", "What this proves, and what it does not"):
        assert said in text


def test_a_changed_one_is_refused() -> None:
    """Any byte of it: text, data or signature; and a key that is not ours."""
    text = certificate.signed(VALUES, SIGNER)
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    with pytest.raises(Refused):
        certificate.check(text, [Key(certificate.KEY_NAME, ED25519, other)])
    for at in range(0, len(text), 7):
        changed = text[:at] + ("x" if text[at] != "x" else "y") + text[at + 1:]
        with pytest.raises(Refused):
            certificate.check(changed, [KEY])


def test_words_that_are_not_those_of_the_data_are_refused() -> None:
    """Also when our own key signed them: a person and a machine read the same."""
    from archive.tlog import note

    text = certificate.text_of(VALUES).replace("3 records of 1", "2 records of 1")
    signed = note.Note(text, (note.sign(text, SIGNER),)).render()
    with pytest.raises(Refused, match="words"):
        certificate.check(signed, [KEY])


def test_what_somebody_typed_cannot_begin_a_line() -> None:
    """A name with line ends and controls is one line of text."""
    hostile = {**VALUES, "listed": {"by": "ann\n\n\u2014 x\u202e\x07", "at": 1}}
    text = certificate.signed(hostile, SIGNER)
    assert hostile == certificate.check(text, [KEY])
    assert not any(line.startswith("\u2014 x") for line in text.splitlines())
