"""The key files of a data folder: who may read which (PROTOCOL "Who holds which key").

Owns their layout, creation and loading. Each process is handed its own folder under `keys/` and
the public one; nothing else is opened.

    keys/public/archiver.json     transit public key, by id and suite
    keys/public/sealing.json      sealing public keys, by id
    keys/public/enrolled.json     capture public keys, by id, with the kinds each may say
    keys/public/log.json          the transparency log's verifier keys, the one that signs first
    keys/gateway/                 capture.key  routing.key  media.key
    keys/importer/                ledger.key (an importer opens the gateway's as well)
    keys/archiver/                transit-<id>.key  sealing.key  capture.key
    keys/search/                  index.key  capture.key
    keys/notary/                  log.key
    keys/kek/                     kek.key (only with the local key service)
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from archive.tlog import note
from archive.unseal import Enrolled, TransitPrivate
from infra.embedded.folder import exclusive, link_once, make_folder, replace, temporary
from ingest.transit import ArchiverPublic, capture_id_of
from schemas import pack
from schemas.errors import Missing, Refused
from schemas.events import ARCHIVER_KINDS, CAPTURE_KINDS, CONSOLE_KINDS
from schemas.identity import canonical
from schemas.kinds import mask_of

ROLES: Final = {"gateway": CAPTURE_KINDS, "archiver": ARCHIVER_KINDS, "search": CONSOLE_KINDS}
_DONE: Final = "provisioned.json"
_LOG: Final = "log.json"
_LEDGER_MADE: Final = "ledger-made"
_SUITES: Final = {"x25519": pack.SUITE_X25519, "mlkem768-x25519": pack.SUITE_MLKEM768_X25519}


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """The keys of one data folder. `root` is `<home>/keys`."""

    root: Path

    @property
    def provisioned(self) -> bool:
        """Whether `provision` ended here once. A process that holds its own keys only has this
        file as well, and is never given anybody else's."""
        return (self.root / "public" / _DONE).exists()

    def provision(self, suite_name: str, *, with_kek: bool, origin: str = "") -> bool:
        """Make every key on the first use of a folder; afterwards only a transit key of another
        suite, when the setting changed, and the log's in a folder that is older than the log.
        `origin`: what the log is called; "" = a name of its own. Returns whether any was made.

        One process at a time. A key that is missing in a folder that was provisioned is never made
        anew: what was sealed with it would be unreadable in silence.
        """
        for role in (*ROLES, "importer", "notary", "public", "kek"):
            make_folder(self.root / role)
        suite = _SUITES[suite_name]
        with exclusive(self.root / "lock"):
            if self.provisioned:
                changed = self._enrol() | self._change_suite(suite)
                return self._make_log(origin) or changed
            for role in ROLES:
                self._create(f"{role}/capture.key",
                             Ed25519PrivateKey.generate().private_bytes_raw())
            self._create("gateway/routing.key", os.urandom(32))
            self._create("gateway/media.key", os.urandom(32))
            self._create("importer/ledger.key", os.urandom(32))
            self._create("search/index.key", os.urandom(32))
            self._create("archiver/sealing.key",
                         Ed25519PrivateKey.generate().private_bytes_raw())
            if with_kek:
                self._create("kek/kek.key", os.urandom(32))
            if not list((self.root / "archiver").glob("transit-*.key")):
                self._make_transit(suite)
            self._publish()
            self._make_log(origin)
            # Last: a crash before this line is a first use that goes on where it stopped.
            _write_public(self.root / "public" / _DONE, {"version": 1})
            return True

    def enrol(self) -> None:
        """A folder that is older than a kind of event: who may say it today is enrolled for it. Of
        keys that are held here; who holds others copies `enrolled.json` there."""
        with exclusive(self.root / "lock"):
            self._enrol()

    @property
    def is_enrolled(self) -> bool:
        """Whether every role that is enrolled may say what today's code lets it say."""
        return all(int(one["kinds"]) == mask_of(ROLES[one["name"]])
                   for one in self._json("enrolled.json").values() if one["name"] in ROLES)

    def _enrol(self) -> bool:
        if self.is_enrolled:
            return False
        held = [role for role in ROLES if (self.root / role / "capture.key").exists()]
        entries = {}
        for role in held:
            public = self.capture_key(role).public_key().public_bytes_raw()
            entries[capture_id_of(public).hex()] = {
                "name": role, "public": public.hex(), "kinds": mask_of(ROLES[role])}
        _merge_public(self.root / "public" / "enrolled.json", entries)
        return bool(held)

    def _change_suite(self, suite: int) -> bool:
        if not (self.root / "archiver" / "sealing.key").exists():
            return False  # not the archiver's folder: nothing here to change
        if self.archiver_public().suite == suite:
            return False
        self._make_transit(suite)  # the old private key stays: the log may hold what it opens
        return True

    def capture_key(self, role: str) -> Ed25519PrivateKey:
        """The Ed25519 key that signs the openings of a role's sessions."""
        return Ed25519PrivateKey.from_private_bytes(self._read(f"{role}/capture.key"))

    def routing_key(self) -> bytes:
        """32 bytes; gateway and importers only."""
        return self._read("gateway/routing.key")

    def media_key(self) -> bytes:
        """32 bytes; the gateway's list of files to be fetched. Made where it is missing: a folder
        may be older than it, and with it no more is lost than a list."""
        self._create("gateway/media.key", os.urandom(32))
        return self._read("gateway/media.key")

    def ledger_key(self, *, may_make: bool) -> bytes:
        """32 bytes; importers only. The ids of imported lines come from it: with another one the
        same chat would be captured a second time. So a missing key is made in a folder that is
        older than imports alone (`may_make`: there is no ledger yet); else Missing."""
        if may_make:
            make_folder(self.root / "importer")
            self._create("importer/ledger.key", os.urandom(32))
        return self._read("importer/ledger.key")

    @property
    def has_ledger(self) -> bool:
        """Whether an import ledger was ever made. In a backup it says that one is missing."""
        return (self.root / "importer" / _LEDGER_MADE).exists()

    def note_ledger(self) -> None:
        """There is one now: from here it is missed where it is gone."""
        self._create(f"importer/{_LEDGER_MADE}", b"1\n")

    def index_key(self) -> bytes:
        """32 bytes; the search side only."""
        return self._read("search/index.key")

    def sealing_key(self) -> Ed25519PrivateKey:
        """The archiver's signing key."""
        return Ed25519PrivateKey.from_private_bytes(self._read("archiver/sealing.key"))

    def make_log_key(self, origin: str) -> None:
        """The log's key, in a folder that is older than the log and holds everybody's keys."""
        if not self.log_public():
            with exclusive(self.root / "lock"):
                self._make_log(origin)

    def log_key(self) -> Ed25519PrivateKey:
        """What signs the transparency log; the notary only."""
        return Ed25519PrivateKey.from_private_bytes(self._read("notary/log.key"))

    @property
    def has_log_key(self) -> bool:
        """Whether this folder can sign the log."""
        return (self.root / "notary" / "log.key").exists()

    def log_public(self) -> tuple[note.Key, ...]:
        """The log's verifier keys, the one that signs first; none in a folder older than the log.
        """
        if not (self.root / "public" / _LOG).exists():
            return ()
        return tuple(note.read_vkey(str(one)) for one in self._json(_LOG)["keys"])

    def kek_path(self) -> Path:
        """Where the local key service finds its key."""
        return self.root / "kek" / "kek.key"

    def transit_private(self) -> dict[bytes, TransitPrivate]:
        """The archiver's transit private keys by id."""
        out = {}
        for path in sorted((self.root / "archiver").glob("transit-*.key")):
            data = self._read(f"archiver/{path.name}")
            key_id = bytes.fromhex(path.stem.removeprefix("transit-"))
            out[key_id] = TransitPrivate(key_id, data[0], data[1:])
        return out

    def archiver_public(self) -> ArchiverPublic:
        """The archiver's current transit public key."""
        read = self._json("archiver.json")
        return ArchiverPublic(bytes.fromhex(read["key_id"]), read["suite"],
                              bytes.fromhex(read["public"]))

    def sealing_public(self) -> dict[bytes, bytes]:
        """Sealing public keys by their 16-byte id."""
        return {bytes.fromhex(key): bytes.fromhex(value)
                for key, value in self._json("sealing.json").items()}

    def enrolled(self) -> dict[bytes, Enrolled]:
        """Capture keys that may speak, by id."""
        return {bytes.fromhex(key): Enrolled(bytes.fromhex(one["public"]), int(one["kinds"]))
                for key, one in self._json("enrolled.json").items()}

    def rotate(self, key: str) -> str:
        """A new key in the place of one that signs ("sealing", or a role's capture key), or that
        transit is sealed to ("transit"); its id. The public half first: what nobody knows yet is
        signed by nobody. The old public half, and an old transit key, stay for what they made.

        Nothing may run meanwhile: processes know the keys that they began with.
        """
        with exclusive(self.root / "lock"):
            if key == "transit":
                self._make_transit(self.archiver_public().suite)
                return self.archiver_public().key_id.hex()
            file = "archiver/sealing.key" if key == "sealing" else f"{key}/capture.key"
            made = Ed25519PrivateKey.generate()
            public = made.public_key().public_bytes_raw()
            name = (writer_id(public) if key == "sealing" else capture_id_of(public)).hex()
            if key == "sealing":
                _merge_public(self.root / "public" / "sealing.json", {name: public.hex()})
            else:
                _merge_public(self.root / "public" / "enrolled.json", {name: {
                    "name": key, "public": public.hex(), "kinds": mask_of(ROLES[key])}})
            # A crash here leaves a public key that nobody holds: it vouches for nothing.
            self._replace(file, made.private_bytes_raw())
            return name

    def _replace(self, name: str, content: bytes) -> None:
        path = self.root / name
        self._read(name)  # refused where it is not there, or others may read it
        make_folder(self.root / "tmp")
        replace(path, content, temporaries=self.root / "tmp")

    def _make_transit(self, suite: int) -> None:
        exchange = X25519PrivateKey.generate()
        private, public = exchange.private_bytes_raw(), exchange.public_key().public_bytes_raw()
        if suite == pack.SUITE_MLKEM768_X25519:
            lattice = MLKEM768PrivateKey.generate()
            private = lattice.private_bytes_raw() + private
            public = lattice.public_key().public_bytes_raw() + public
        key_id = hashlib.sha256(canonical("counterfoil/transit-key/v1", public)).digest()[:8]
        # The private half first: after a crash between the two nothing is sealed to a key that
        # nobody holds.
        self._create(f"archiver/transit-{key_id.hex()}.key", bytes([suite]) + private)
        _write_public(self.root / "public" / "archiver.json", {
            "key_id": key_id.hex(), "suite": suite, "public": public.hex()})

    def _publish(self) -> None:
        sealing = self.sealing_key().public_key().public_bytes_raw()
        _merge_public(self.root / "public" / "sealing.json", {
            writer_id(sealing).hex(): sealing.hex()})
        enrolled = {}
        for role, kinds in ROLES.items():
            public = self.capture_key(role).public_key().public_bytes_raw()
            enrolled[capture_id_of(public).hex()] = {
                "name": role, "public": public.hex(), "kinds": mask_of(kinds)}
        _merge_public(self.root / "public" / "enrolled.json", enrolled)

    def _make_log(self, origin: str) -> bool:
        # Where the public half is published, a private half that is not there is lost or is
        # somebody else's to hold: never made anew.
        if (self.root / "public" / _LOG).exists() \
                or not (self.root / "archiver" / "sealing.key").exists():
            return False
        make_folder(self.root / "notary")
        self._create("notary/log.key", Ed25519PrivateKey.generate().private_bytes_raw())
        public = self.log_key().public_key().public_bytes_raw()
        key = note.Key(origin or own_origin(public), note.ED25519, public)
        _write_public(self.root / "public" / _LOG, {"keys": [key.vkey()]})
        return True

    def _create(self, name: str, content: bytes) -> None:
        path = self.root / name
        if path.exists():
            return
        temporaries = self.root / "tmp"
        make_folder(temporaries)
        with temporary(temporaries, content, 0o600) as source:
            link_once(source, path)

    def _read(self, name: str) -> bytes:
        path = self.root / name
        try:
            mode = path.stat().st_mode
            if stat.S_IMODE(mode) & 0o077:
                raise Refused(f"{path} can be read by others: run chmod 600 on it")
            return path.read_bytes()
        except FileNotFoundError as error:
            raise Missing(f"key file {path} is not there") from error

    def _json(self, name: str) -> dict[str, Any]:
        path = self.root / "public" / name
        try:
            read = json.loads(path.read_text("utf-8"))
        except FileNotFoundError as error:
            raise Missing(f"{path} is not there") from error
        if not isinstance(read, dict):
            raise Refused(f"{path} does not hold an object")
        return read


def writer_id(public: bytes) -> bytes:
    """The 16-byte id of a sealing key."""
    return hashlib.sha256(canonical("counterfoil/sealing-key/v1", public)).digest()[:16]


def own_origin(public: bytes) -> str:
    """What a log is called that nobody named: after its key, so that no two logs share a name.
    `.internal` belongs to nobody in the world's DNS."""
    digest = hashlib.sha256(canonical("counterfoil/log-origin/v1", public)).hexdigest()
    return f"counterfoil.internal/{digest[:16]}"


def _merge_public(path: Path, entries: Mapping[str, Any]) -> None:
    known = json.loads(path.read_text("utf-8")) if path.exists() else {}
    if all(known.get(key) == value for key, value in entries.items()):
        return
    _write_public(path, {**known, **entries})


def _write_public(path: Path, content: Mapping[str, Any]) -> None:
    body = (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()
    make_folder(path.parent.parent / "tmp")
    replace(path, body, temporaries=path.parent.parent / "tmp")
