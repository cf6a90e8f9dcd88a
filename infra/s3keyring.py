"""The keyring on S3: wrapped keys in a bucket of their own, versioned and without locks.

Owns the port Keyring there (PROTOCOL K1, K2). A record is the *oldest* version of its name: what
somebody writes over it, or a delete marker on top, changes nothing that is read here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from archive.store import ObjectVersion
from infra.s3 import (
    S3Settings,
    S3Store,
    check_versioning,
    connect,
    create_bucket,
    mapped,
    sha256_base64,
)
from schemas.errors import Exists, Halt, Missing, Refused

_PREFIX: Final = "keys/"
_RECORD_BYTES_MAX: Final = 64 * 1024


def provision(settings: S3Settings) -> None:
    """Create the bucket with versioning, without Object Lock, unless it is there.

    Raises Halt("store_unsafe") if it is there without versioning.
    """
    client = connect(settings)
    if create_bucket(client, settings, with_lock=False):
        with mapped(settings.bucket):
            client.put_bucket_versioning(Bucket=settings.bucket,
                                         VersioningConfiguration={"Status": "Enabled"})
    unsafe = check_versioning(client, settings.bucket)
    if unsafe:
        raise Halt("store_unsafe", f"keyring bucket {settings.bucket}: {unsafe[0]}")


class S3Keyring:
    """`Keyring` on one bucket. Safe for threads."""

    def __init__(self, settings: S3Settings) -> None:
        self._bucket = settings.bucket
        self._client = connect(settings)
        self._store = S3Store(settings)
        # The oldest version of each name that was listed under a prefix, until it is read: whoever
        # asks which generations there are reads one of them next.
        self._listed: dict[str, ObjectVersion] = {}

    def create(self, name: str, record: bytes) -> None:
        """See Keyring. A name whose record is hidden under a delete marker counts as taken: the
        conditional PUT alone would pass there [R]."""
        if not 0 < len(record) <= _RECORD_BYTES_MAX:
            raise Refused(f"a key record of {len(record)} bytes")
        ours = self._store.put_once(_PREFIX + name, record, None)
        if self._oldest(name).version_id != ours:
            raise Exists(f"{name} is taken")

    def read(self, name: str) -> bytes:
        """See Keyring."""
        # What is the oldest stays the oldest; one that was destroyed since is Missing.
        oldest = self._listed.pop(name, None) or self._oldest(name)
        return self._store.get(oldest.key, oldest.version_id, 0, _RECORD_BYTES_MAX)

    def names(self, prefix: str = "") -> Iterator[str]:
        """See Keyring."""
        self._listed = {}
        under: list[ObjectVersion] = []
        for one in self._store.flat_versions(_PREFIX + prefix):
            if one.is_delete_marker:
                continue
            if under and one.key != under[0].key:
                yield self._live(under, remember=bool(prefix))
                under = []
            under.append(one)
        if under:
            yield self._live(under, remember=bool(prefix))

    def _live(self, versions: list[ObjectVersion], *, remember: bool) -> str:
        name = versions[0].key.removeprefix(_PREFIX)
        if remember:
            self._listed[name] = versions[-1]
        return name

    def replace(self, name: str, was: bytes, record: bytes) -> None:
        """See Keyring. The new record is put over the old one, and counts when the old one is gone:
        it goes last, so that a crash in between leaves the old one in force. Junk that somebody
        put between the two goes first."""
        if not 0 < len(record) <= _RECORD_BYTES_MAX:
            raise Refused(f"a key record of {len(record)} bytes")
        self._listed.pop(name, None)
        old = self._oldest(name)
        if self._store.get(old.key, old.version_id, 0, _RECORD_BYTES_MAX + 1) != was:
            raise Exists(f"key record {name} is another one by now")
        with mapped(name, writes=True):
            ours = self._client.put_object(
                Bucket=self._bucket, Key=old.key, Body=record, ChecksumSHA256=sha256_base64(record),
                ContentType="application/octet-stream").get("VersionId", "")
        every = [one.version_id for one in self._every(name)]
        if old.version_id not in every or ours not in every:
            # Destroyed in the meantime, by whoever may: what we put is not to bring it back.
            self._remove(old.key, ours)
            raise Missing(f"{name} is not there")
        for version_id in every[every.index(ours) + 1:]:
            self._remove(old.key, version_id)
        if self._oldest(name).version_id != ours:
            raise Halt("store_unsafe", f"key record {name} is not the one that was put")

    def _remove(self, key: str, version_id: str) -> None:
        with mapped(key, writes=True):
            self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=version_id)

    def destroy(self, name: str) -> None:
        """See Keyring. Versions go from the newest to the oldest: a crash in between leaves the
        record readable, and the destruction is done again."""
        every = self._every(name)
        if all(one.is_delete_marker for one in every):
            raise Missing(f"{name} is not there")
        for one in every:
            self._remove(one.key, one.version_id)
        if any(not one.is_delete_marker for one in self._every(name)):
            raise Halt("store_unsafe", f"key record {name} is still there after its destruction")

    def _oldest(self, name: str) -> ObjectVersion:
        bodies = [one for one in self._every(name) if not one.is_delete_marker]
        if not bodies:
            raise Missing(f"{name} is not there")
        return replace(bodies[-1], is_latest=len(bodies) == 1)

    def _every(self, name: str) -> list[ObjectVersion]:
        key = _PREFIX + name
        found = []
        for one in self._store.flat_versions(key):
            if one.key != key:
                break
            found.append(one)
        return found
