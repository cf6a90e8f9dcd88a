"""What verify.html computes by itself: hashes, Ed25519, JSON, Avro and trees, in the real browser.

Owns the comparison of its JavaScript with vectors and with our own Python.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest
from playwright.sync_api import Browser

from archive import merkle
from archive.tlog import note
from schemas import codec
from search.export import canonical
from tests.archive.test_wycheproof import both, vectors
from tests.browser.verify_page import Checker, checker
from tests.golden import tlog

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "v1"
SCHEMAS = ROOT / "schemas" / "released" / "v1"


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Checker]:
    """One page for all."""
    with checker(browser) as one:
        yield one.open()


def noise(size: int) -> bytes:
    """That many bytes, always the same."""
    return hashlib.shake_256(b"noise").digest(size)


@both
def test_ed25519(page: Checker, folder: Path) -> None:
    """Malleable, truncated and foreign signatures are refused, valid ones accepted."""
    cases = [(group["publicKey"]["pk"], test["sig"], test["msg"], test["result"] == "valid")
             for group, test in vectors(folder, "ed25519_test.json")]
    assert [one[3] for one in cases] == page.run(
        "(all) => all.map(([key, sig, msg]) => isEd25519(unhex(key), unhex(sig), unhex(msg)))",
        cases)
    results = Counter(one[3] for one in cases)
    assert min(results[True], results[False]) >= 2


SMALL = ["0100000000000000000000000000000000000000000000000000000000000000",
         "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
         "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"]


@pytest.mark.parametrize("key", SMALL)
def test_a_key_that_signs_everything_is_none(page: Checker, key: str) -> None:
    """Of small order: (R, s) = (identity, 0) would be a signature of it over very many texts."""
    identity = "01" + "00" * 31
    accepted = page.run(
        "([key, sig]) => [...Array(64).keys()].filter((one) => isEd25519(unhex(key), unhex(sig),"
        " Uint8Array.of(one))).length", [key, identity + "00" * 32])
    assert 0 == accepted


def test_hashes(page: Checker) -> None:
    """SHA-256, SHA-512 and HMAC of every length around their blocks, whole and in pieces."""
    sizes = [*range(260), 1000, 4096, 100_001]
    got = page.run("""(all) => all.map((text) => {
        const bytes = unhex(text);
        const hash = new Sha256();
        for (let at = 0; at < bytes.length; at += 37) hash.update(bytes.subarray(at, at + 37));
        return [hex(sha256(bytes)), hex(hash.digest()), hex(sha512(bytes)),
                hex(hmac(bytes.subarray(0, bytes.length % 150), bytes))];
    })""", [noise(size).hex() for size in sizes])
    for size, found in zip(sizes, got, strict=True):
        body = noise(size)
        once = hashlib.sha256(body).hexdigest()
        assert found == [once, once, hashlib.sha512(body).hexdigest(),
                         hmac.digest(body[:size % 150], body, "sha256").hex()], size


@pytest.mark.parametrize("text", ["", "AA==", "AAA=", "AAAA", "/+8="])
def test_base64(page: Checker, text: str) -> None:
    """What is base64 is read."""
    assert note.decode_base64(text) == bytes.fromhex(page.run("(one) => hex(base64(one))", text))


@pytest.mark.parametrize("text", ["AB==", "A", "AA", "AAA", "AA=A", "=", "====", "AAAA=", "A-A=",
                                  "AAAA\n", " AAAA", "AA\u00e4="])
def test_no_base64(page: Checker, text: str) -> None:
    """Another spelling is refused."""
    assert page.run("(one) => base64(one) === null", text)


TREES = [0, -1, True, None, "", "a\"b\\c/\u2028\x7f\u20ac\U0001f600", "\x01\n\t\b\f\r\x1f", [], {},
         [[1], {"a": [], "b": {"c": None}}], {"__proto__": 1, "constructor": 2},
         {"\U00010000": 1, "\uffff": 2}, 2**63 - 1, -2**63, 2**53, [2**53 - 1]]


@pytest.mark.parametrize("value", TREES, ids=range(len(TREES)))
def test_json(page: Checker, value: object) -> None:
    """What our writer spells is read, to the last digit."""
    assert page.run("""(text) => {
        const spelled = (one) => one instanceof Map ? '{' + [...one].map(([name, inner]) =>
            JSON.stringify(name) + ':' + spelled(inner)).join() + '}'
            : Array.isArray(one) ? '[' + one.map(spelled).join() + ']'
            : typeof one === 'bigint' ? String(one) : JSON.stringify(one);
        return spelled(readJson(text));
    }""", canonical.document(value).decode()) == canonical.document(value).decode()


OTHERS = ["", " 1", "1 ", "{\"a\":1,\"a\":1}", "{\"b\":1,\"a\":2}", "1.0", "1e3", "-0", "01", "+1",
          "{\"a\": 1}", "[1, 2]", "[1,]", "{\"a\":1,}", "\"\\u0041\"", "\"\\/\"", "\"\t\"", "nul",
          "\"\\u000a\"", "\"\\u001F\"", "\"\\ud83d\\ude00\"", "\"a", "{\"a\":1", "\"\\", "[", "{",
          "{1:1}", "NaN", "Infinity", "'a'", "1" * 21, "[" * 5000 + "]" * 5000,
          "{\"\U00010000\":2,\"\uffff\":1}"]


@pytest.mark.parametrize("text", OTHERS, ids=range(len(OTHERS)))
def test_other_spellings_are_refused(page: Checker, text: str) -> None:
    """Two programs could read a doubled name or a rounded number in two ways."""
    assert "Refused" == page.run(
        "(text) => { try { readJson(text); return 'read'; }"
        " catch (error) { return error.constructor.name; } }", text)


def datums() -> list[tuple[str, bytes]]:
    """(schema's file, datum) of everything in the golden archive."""
    known = {codec.CAPTURED_PREFIX: "captured.avsc", codec.PART_PREFIX: "part.avsc"}
    said = json.loads((GOLDEN / "expected.json").read_text("utf-8"))
    bodies = [bytes.fromhex(one["datum"]) for one in said]
    bodies += [path.read_bytes() for path in sorted((GOLDEN / "datums").iterdir())]
    return [(known[one[:10]], one) for one in bodies if one[:10] in known]


def decoded(page: Checker, schema: str, datum: bytes, shown: Any) -> str | None:
    """Where the page sees the readable form differ from the datum."""
    found: str | None = page.run("""([schema, datum, shown, long]) => difference(
        readDatum(unhex(datum), readSchema(schema)), readJson(shown), '', long)""", [
            (SCHEMAS / schema).read_text("utf-8"), datum.hex(),
            canonical.document(shown).decode(), "body" if schema == "part.avsc" else ""])
    return found


def changed(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, the same with one field changed), for each field."""
    for name, inner in value.items():
        where = f"{path}.{name}" if path else name
        if isinstance(inner, dict) and "sha256" not in inner:
            for deep, other in changed(inner, where):
                yield deep, {**value, name: other}
        else:
            yield where, {**value, name: 1 if inner is None else None}


def test_golden_datums(page: Checker) -> None:
    """Every datum of the golden archive is read as our own reader does, field by field; a change
    of one field in the readable form is named by that field."""
    known = datums()
    for schema, datum in known:
        said = codec.fields(datum)
        shown = canonical.part(said) if schema == "part.avsc" else canonical.readable(said)
        assert decoded(page, schema, datum, shown) is None
    schema, datum = max(known, key=lambda one: len(one[1]) if one[0] == "captured.avsc" else 0)
    fields = list(changed(canonical.readable(codec.fields(datum))))
    assert len(fields) > 30
    for where, other in fields:
        assert where == decoded(page, schema, datum, other)


def test_cut_and_longer_datums(page: Checker) -> None:
    """Every cut and every longer datum is refused, none makes the reader stumble."""
    for schema, datum in datums()[-3:]:
        results = page.run("""([schema, text]) => {
            const [read, datum] = [readSchema(schema), unhex(text)];
            return [...datum.keys()].map((end) => datum.subarray(0, end)).concat(
                [joined(datum, Uint8Array.of(0))]).map((one) => {
                try { readDatum(one, read); return 'read'; }
                catch (error) { return error.constructor.name; }
            });
        }""", [(SCHEMAS / schema).read_text("utf-8"), datum.hex()])
        assert {"Refused"} == set(results)


def test_schemas(page: Checker) -> None:
    """Canonical form and fingerprint are Avro's."""
    for path in sorted(SCHEMAS.glob("*.avsc")):
        form = fastavro.schema.to_parsing_canonical_form(json.loads(path.read_text("utf-8")))
        assert [form, fastavro.schema.fingerprint(form, "CRC-64-AVRO")] == page.run(
            "(text) => { const { form } = readSchema(text);"
            " return [form, avroFingerprint(utf8(form))]; }", path.read_text("utf-8"))


@pytest.mark.parametrize("schema", [
    '{"type":"record","name":"A","fields":[{"name":"a","type":"A"}]}',
    '{"type":"array","items":"null"}',
    '{"type":"record","name":"R","fields":[' + ",".join(
        f'{{"name":"f{one}","type":{{"type":"array","items":"null"}}}}' for one in range(50))
    + "]}"])
def test_a_schema_cannot_make_much_of_little(page: Checker, schema: str) -> None:
    """Endless records and arrays of nothing are refused."""
    count = "fcffffff0f" * 50
    assert "Refused" == page.run("""([schema, datum]) => {
        try { readDatum(unhex(datum), readSchema(schema)); return 'read'; }
        catch (error) { return error.constructor.name; } }""", [schema, "00" * 10 + count])


def test_arrays_of_nothing_take_no_time(page: Checker) -> None:
    """A datum of a few bytes cannot have a million parts; one of as many as it has bytes reads."""
    schema = json.dumps({"type": "record", "name": "A", "fields": [
        {"name": "a", "type": {"type": "array", "items": "null"}}]})
    script = """([schema, datum]) => { try {
        return readDatum(unhex(datum), readSchema(schema)).get('a').length;
    } catch (error) { return error.message; } }"""
    prefix = "00" * 10
    assert "the datum is cut" == page.run(script, [schema, prefix + "808080808040"])
    assert 1 == page.run(script, [schema, prefix + "0200"])


def test_trees(page: Checker) -> None:
    """Every path of every small tree leads to its root, and to no other place or size."""
    entries = [noise(one + 1) for one in range(20)]
    trees = []
    for size in range(1, 21):
        tree = merkle.Tree(entries[:size])
        trees.append([merkle.root(entries[:size]).hex(),
                      [[hashed.hex() for hashed in tree.path(at)] for at in range(size)]])
    right, false = page.run("""([entries, trees]) => {
        const bytes = entries.map((one) => unhex(one));
        let [right, wrong] = [0, 0];
        trees.forEach(([root, paths], before) => {
            const size = before + 1;
            if (hex(headOver(bytes.slice(0, size).map(leafHash))) !== root) wrong += 1;
            paths.forEach((path, at) => {
                const hashes = path.map((one) => unhex(one));
                for (let index = 0; index <= size; index++) {
                    const holds = leads(bytes[at], index, size, hashes, unhex(root));
                    if (holds === (index === at)) right += 1; else wrong += 1;
                }
                if (leads(bytes[at], at, size, [...hashes, unhex(root)], unhex(root))) wrong += 1;
            });
        });
        return [right, wrong];
    }""", [[one.hex() for one in entries], trees])
    assert (sum(size * (size + 1) for size in range(1, 21)), 0) == (right, false)


def test_the_golden_log(page: Checker) -> None:
    """Its witnessed checkpoint is signed by log and witness, and by nobody after any change."""
    signed = (GOLDEN / "tlog" / "witnessed").read_bytes()
    keys = [tlog.LOG.key.vkey(), tlog.WITNESS.key.vkey()]
    script = """([note, keys]) => { try {
        const known = keys.map((one) => readKey(one));
        return signersOf(readNote(unhex(note)), known).map((one) => one.key.name);
    } catch (error) { return error.constructor.name; } }"""
    assert [tlog.ORIGIN, tlog.WITNESS.key.name] == page.run(script, [signed.hex(), keys])
    at = signed.index(b"\n\n")
    for place in range(0, at, 3):
        other = signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1:]
        assert "Refused" == page.run(script, [other.hex(), keys]), place


@pytest.mark.parametrize("key", [
    "", "a", "a+b+c", tlog.LOG.key.vkey()[:-2], tlog.LOG.key.vkey().replace("golden", "silver"),
    " " + tlog.LOG.key.vkey(), tlog.LOG.key.vkey().upper()])
def test_no_key(page: Checker, key: str) -> None:
    """What is no verifier key, or has another id than its name and bytes give, is refused."""
    assert "Refused" == page.run(
        "(text) => { try { readKey(text); return 'read'; }"
        " catch (error) { return error.constructor.name; } }", key)
