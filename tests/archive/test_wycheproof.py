"""Project Wycheproof's cases through our own wrappers: what must be refused is refused by us.

Owns a small part of the vectors (`wycheproof/`, Apache License 2.0) that is always run; the whole
files are run where they are there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from archive import cell as cells
from archive import segment
from archive.cell import Dictionary
from archive.tlog import note
from infra.embedded.keys import LocalKeyService
from schemas.errors import Refused
from schemas.identity import canonical
from tests.archive.parts import DOMAIN, PLACE, event
from tests.archive.test_vectors import hkdf

OURS = Path(__file__).parent / "wycheproof"
SHARED = Path(__file__).parents[3] / "shared" / "vectors" / "wycheproof"
both = pytest.mark.parametrize("folder", [
    pytest.param(OURS, id="ours"),
    pytest.param(SHARED, id="shared", marks=pytest.mark.allowed_skip(
        "the shared vectors are not part of the repository"))])


def vectors(folder: Path, name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(group, test) of one file; skips where there is none."""
    path = folder / name
    if not path.exists():
        pytest.skip("no shared vectors")
    read = json.loads(path.read_text("utf-8"))
    return [(group, test) for group in read["testGroups"] for test in group["tests"]]


def parts(test: dict[str, Any], *names: str) -> list[bytes]:
    """Fields as bytes."""
    return [bytes.fromhex(test[name]) for name in names]


def aes_256(folder: Path) -> list[dict[str, Any]]:
    """AES-256 with 96-bit nonces and whole tags, which is all that we use."""
    return [test for group, test in vectors(folder, "aes_gcm_test.json")
            if (group["keySize"], group["ivSize"], group["tagSize"]) == (256, 96, 128)]


@both
def test_aes_gcm(folder: Path) -> None:
    """The library, as every wrapper calls it: valid opens and is made again, invalid does not."""
    results: Counter[str] = Counter()
    for test in aes_256(folder):
        key, nonce, extra, plain, packed, tag = parts(test, "key", "iv", "aad", "msg", "ct", "tag")
        cipher = AESGCM(key)
        results[test["result"]] += 1
        if test["result"] == "valid":
            assert plain == cipher.decrypt(nonce, packed + tag, extra), test["tcId"]
            assert packed + tag == cipher.encrypt(nonce, plain, extra), test["tcId"]
        else:
            with pytest.raises(InvalidTag):
                cipher.decrypt(nonce, packed + tag, extra)
    assert min(results["valid"], results["invalid"]) >= 5


def _always(nonce: bytes) -> Callable[[int], bytes]:
    """"Random" bytes that begin with a case's nonce."""
    return lambda size: nonce.ljust(size, b"n")[:size]


def _mask(test: dict[str, Any]) -> bytes:
    """What a case did to its tag."""
    key, nonce, extra, plain, tag = parts(test, "key", "iv", "aad", "msg", "tag")
    right = AESGCM(key).encrypt(nonce, plain, extra)[-16:]
    return bytes(one ^ other for one, other in zip(tag, right, strict=True))


@both
def test_aes_gcm_of_the_key_service(folder: Path, tmp_path: Path) -> None:
    """Key, nonce and message of each case through wrap and unwrap; a tag changed as the case's was
    is refused."""
    for number, test in enumerate(aes_256(folder)):
        key, nonce, extra, plain = parts(test, "key", "iv", "aad", "msg")
        if not plain:
            continue      # nothing is never wrapped
        kek = tmp_path / f"{number}.key"
        kek.write_bytes(key)
        kek.chmod(0o600)
        service = LocalKeyService(kek, _always(nonce))
        wrapped = service.wrap(plain, extra)
        assert b"\x01" + nonce + AESGCM(key).encrypt(nonce, plain, b"\x01" + extra) == wrapped
        mask = _mask(test)
        changed = wrapped[:-16] + bytes(one ^ other for one, other in zip(
            wrapped[-16:], mask, strict=True))
        if test["result"] == "valid":
            assert bytes(16) == mask
            assert plain == service.unwrap(changed, extra), test["tcId"]
        else:
            with pytest.raises(Refused):
                service.unwrap(changed, extra)


@both
def test_aes_gcm_of_a_cell(folder: Path) -> None:
    """The message of each case as a datum under its key; its change of the tag is refused."""
    plain_dictionary = Dictionary(None)
    for test in aes_256(folder):
        key, plain = parts(test, "key", "msg")
        sealed = cells.seal(PLACE, DOMAIN, 0, key, [event(100, datum=plain)], plain_dictionary,
                            _always(bytes.fromhex(test["iv"])))
        mask = _mask(test)
        body = sealed.ciphertext[:-16] + bytes(one ^ other for one, other in zip(
            sealed.ciphertext[-16:], mask, strict=True))
        changed = replace(sealed, ciphertext=body)
        if test["result"] == "valid":
            (opened,) = cells.open_cell(changed, PLACE, key, plain_dictionary)
            assert plain == opened.datum, test["tcId"]
        else:
            with pytest.raises(Refused):
                cells.open_cell(changed, PLACE, key, plain_dictionary)


@both
def test_hkdf(folder: Path) -> None:
    """Written as its HMACs it is HKDF for every case that has an answer, and a cell's three keys
    are that under their labels for every secret and salt of a case."""
    done = 0
    for _, test in vectors(folder, "hkdf_sha256_test.json"):
        if test["result"] == "invalid":
            continue
        secret, salt, info = parts(test, "ikm", "salt", "info")
        assert test["okm"] == hkdf(secret, salt, info, test["size"]).hex(), test["tcId"]
        made = cells._keys(secret, salt, PLACE, DOMAIN, 3)
        context = canonical(PLACE.topic_id, PLACE.partition, PLACE.first, PLACE.last, DOMAIN, 3)
        for label, got in ((b"cell-enc", made.enc), (b"cell-salt", made.salt),
                           (b"cell-tag", made.tag)):
            assert hkdf(secret, salt, b"counterfoil/v1/" + label + context, 32) == got
        done += 1
    assert done >= 8


WRAPPERS: dict[str, Callable[[bytes, bytes, bytes], bool]] = {
    "segments": segment.is_signed, "the transparency log": note.is_ed25519}


@both
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_ed25519(folder: Path, wrapper: str) -> None:
    """Malleable, truncated and foreign signatures are refused, valid ones accepted."""
    results: Counter[str] = Counter()
    for group, test in vectors(folder, "ed25519_test.json"):
        public = bytes.fromhex(group["publicKey"]["pk"])
        message, signature = parts(test, "msg", "sig")
        results[test["result"]] += 1
        assert (test["result"] == "valid") == WRAPPERS[wrapper](public, signature, message), (
            test["tcId"])
    assert min(results["valid"], results["invalid"]) >= 2
