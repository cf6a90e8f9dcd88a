"""The object store on S3 with Object Lock: the port ObjectStore (PROTOCOL S2, S3, S8).

Owns every option of the client, the mapping of S3's errors to ours, and `S3Adversary`: what
somebody with the bucket's credentials would try, for `infra/storecheck.py`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    SSLError,
)

from archive.store import Lock, ObjectVersion
from schemas.errors import Ambiguous, Exists, Halt, Missing, Refused, Transient

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

COMPLIANCE: Final = "COMPLIANCE"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CONNECT_S_MAX: Final = 5
_READ_S_MAX: Final = 30
_PAGE_KEYS_MAX: Final = 1000
_PIECE_BYTES: Final = 1 << 20
# Answers that say "no": the request was understood and not applied.
_REFUSALS: Final = frozenset({400, 401, 403, 405, 409, 412, 501})
# Of the answers 400 to a write, those that another try, or another credential, may change.
_BRIEF: Final = frozenset({"BadDigest", "ExpiredToken", "IncompleteBody", "InvalidToken",
                           "RequestTimeout", "TokenRefreshRequired",
                           "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"})
# The request never left: nothing can have been applied.
_NOT_SENT: Final = (EndpointConnectionError, ConnectTimeoutError, NoCredentialsError, SSLError)


@dataclass(frozen=True, slots=True)
class S3Settings:
    """Where the bucket is and who we are to it. Keys null: the SDK's own chain (role, profile)."""

    bucket: str
    endpoint: str | None = None           # null: AWS itself
    region: str = "us-east-1"
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    ca_file: str | None = None            # PEM of a private authority


def connect(settings: S3Settings) -> S3Client:
    """A client without retries of its own; safe for threads."""
    client: S3Client = boto3.client(
        "s3",
        endpoint_url=settings.endpoint,
        region_name=settings.region,
        aws_access_key_id=settings.access_key,
        aws_secret_access_key=settings.secret_key,
        verify=settings.ca_file,
        config=Config(
            # Ours are explicit: an SDK that tries a PUT again hides that the first was applied.
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=_CONNECT_S_MAX,
            read_timeout=_READ_S_MAX,
            signature_version="s3v4",
            # A bucket is a path: no wildcard DNS or certificate is needed.
            s3={"addressing_style": "path"},
            # We send SHA-256 and verify content ourselves; not every store knows the SDK's CRCs.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            max_pool_connections=16,
            # Else the SDK describes this machine to the store, and anew in each request (13 % of
            # what a request costs).
            user_agent="counterfoil",
            tcp_keepalive=True,
        ),
    )
    return client


def provision(settings: S3Settings) -> None:
    """Create the bucket with Object Lock and versioning unless it is there.

    Raises Halt("store_unsafe") if it is there without them.
    """
    create_bucket(connect(settings), settings, with_lock=True)
    unsafe = check_bucket(settings)
    if unsafe:
        raise Halt("store_unsafe", f"bucket {settings.bucket}: {'; '.join(unsafe)}")


def check_bucket(settings: S3Settings) -> list[str]:
    """What about the bucket's configuration is unsafe, in words; empty when nothing is."""
    client = connect(settings)
    unsafe = check_versioning(client, settings.bucket)
    with mapped(settings.bucket):
        try:
            found = client.get_object_lock_configuration(Bucket=settings.bucket)
            enabled = found.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled")
        except ClientError as error:
            if _code(error) != "ObjectLockConfigurationNotFoundError":
                raise
            enabled = None
        if enabled != "Enabled":
            unsafe.append("object lock is not enabled")
        unsafe += _expiry_rules(client, settings.bucket)
    return unsafe


def create_bucket(client: S3Client, settings: S3Settings, *, with_lock: bool) -> bool:
    """Whether the bucket was made by this call; false when it is there. Raises Transient."""
    where: dict[str, Any] = {}
    if settings.region != "us-east-1":
        where = {"CreateBucketConfiguration": {"LocationConstraint": settings.region}}
    with mapped(settings.bucket):
        try:
            client.create_bucket(Bucket=settings.bucket, ObjectLockEnabledForBucket=with_lock,
                                 **where)
        except ClientError as error:
            if _code(error) in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                return False
            raise
    return True


def check_versioning(client: S3Client, bucket: str) -> list[str]:
    """Whether the bucket keeps versions: empty, or what is wrong in words."""
    with mapped(bucket):
        status = client.get_bucket_versioning(Bucket=bucket).get("Status")
    return [] if status == "Enabled" else ["versioning is not enabled"]


class S3Store:
    """`ObjectStore` on one bucket. Safe for threads."""

    def __init__(self, settings: S3Settings, page_keys: int = _PAGE_KEYS_MAX) -> None:
        self._bucket = settings.bucket
        self._client = connect(settings)
        self._page_keys = page_keys

    def put_once(self, key: str, body: bytes, retain_until: int | None) -> str:
        """See ObjectStore. Raises Halt("store_unsafe") when the store gives no version id."""
        return self._put(key, body, sha256_base64(body), retain_until)

    def put_file(self, key: str, body: BinaryIO, retain_until: int) -> None:
        """See ingest.media.MediaStore. Read twice: once for its checksum, once for the wire."""
        hashed = hashlib.sha256()
        body.seek(0)
        while piece := body.read(_PIECE_BYTES):
            hashed.update(piece)
        body.seek(0)
        self._put(key, body, base64.b64encode(hashed.digest()).decode("ascii"), retain_until)

    def _put(self, key: str, body: bytes | BinaryIO, checksum: str,
             retain_until: int | None) -> str:
        lock: dict[str, Any] = {}
        if retain_until is not None:
            lock = {"ObjectLockMode": COMPLIANCE,
                    "ObjectLockRetainUntilDate": _whole_seconds(retain_until)}
        with mapped(key, writes=True):
            answer = self._client.put_object(
                Bucket=self._bucket, Key=key, Body=body,
                IfNoneMatch="*",                      # the whole commit protocol (PROTOCOL S8)
                ChecksumSHA256=checksum,              # the store refuses what the network changed
                ContentType="application/octet-stream",
                **lock)
        version_id = answer.get("VersionId")
        if not version_id or version_id == "null":
            raise Halt("store_unsafe", f"bucket {self._bucket} keeps no versions")
        return version_id

    def versions(self, prefix: str, start_after: str = "") -> Iterator[ObjectVersion]:
        """See ObjectStore. Folder by folder, because a listing across folders cannot be trusted:
        [R] SeaweedFS lists `a/` before `a.b/`, where the bytes say the opposite, goes on after the
        last key by its bytes, and so loses whole folders between two pages.

        BUG (the store's): more than 1,000 folders beside each other, one of them named like the
        beginning of another, would still lose some. Nothing in archive/layout.py makes so many.
        """
        for one in self._in_order(prefix, start_after, delimiter="/"):
            if isinstance(one, ObjectVersion):
                yield one
            elif one.encode() > start_after.encode() or start_after.startswith(one):
                yield from self.versions(one, start_after)

    def flat_versions(self, prefix: str) -> Iterator[ObjectVersion]:
        """As `versions`, with fewest requests: for prefixes under which no folder's name begins
        another's, as under `keys/`."""
        for one in self._in_order(prefix, "", delimiter=""):
            assert isinstance(one, ObjectVersion)
            yield one

    def _in_order(self, prefix: str, start_after: str, *,
                  delimiter: str) -> Iterator[ObjectVersion | str]:
        """One level's versions and folders. Ascending pages pass through; a store whose pages are
        not ascending is read to the level's end and sorted in memory."""
        listed = self._listed(prefix, start_after, delimiter)
        held: list[ObjectVersion | str] = []
        for one in listed:
            if held and _path(one) != _path(held[0]):
                if _path(one) < _path(held[0]):
                    yield from _sorted([*held, one, *listed])
                    return
                yield from _sorted(held)
                held = []
            # A key's versions may lie on two pages.
            held.append(one)
        yield from _sorted(held)

    def get(self, key: str, version_id: str | None = None,
            start: int = 0, length: int | None = None) -> bytes:
        """See ObjectStore. A range past the end gives the bytes that there are."""
        which: dict[str, Any] = {} if version_id is None else {"VersionId": version_id}
        if start or length is not None:
            last = "" if length is None else str(start + length - 1)
            which["Range"] = f"bytes={start}-{last}"
        with mapped(key):
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=key, **which)
            except ClientError as error:
                if _status(error) == 416:
                    return b""
                raise
            with closing(answer["Body"]) as stream:
                body = stream.read()
        if len(body) != answer["ContentLength"]:
            raise Transient(f"{key}: {len(body)} bytes of {answer['ContentLength']} arrived")
        return body

    def extend(self, key: str, version_id: str, retain_until: int) -> None:
        """See ObjectStore. Of two at once the longer stays: the store refuses the shorter."""
        now = self.lock(key, version_id)
        if now.mode == COMPLIANCE and now.retain_until >= retain_until:
            return
        with mapped(key):
            self._client.put_object_retention(
                Bucket=self._bucket, Key=key, VersionId=version_id,
                Retention={"Mode": COMPLIANCE, "RetainUntilDate": _whole_seconds(retain_until)},
                BypassGovernanceRetention=False)

    def set_legal_hold(self, key: str, version_id: str, *, on: bool) -> None:
        """See ObjectStore."""
        with mapped(key):
            self._client.put_object_legal_hold(
                Bucket=self._bucket, Key=key, VersionId=version_id,
                LegalHold={"Status": "ON" if on else "OFF"})

    def lock(self, key: str, version_id: str) -> Lock:
        """See ObjectStore. One request says all of it; a store that does not let us see a lock or a
        hold leaves it out, and then there is none for us."""
        with mapped(key):
            # The types say that each field is there; without a lock none is.
            found: Any = self._client.head_object(Bucket=self._bucket, Key=key,
                                                  VersionId=version_id)
        until = found.get("ObjectLockRetainUntilDate")
        ends = 0 if until is None else _milliseconds(until)
        return Lock(found.get("ObjectLockMode", ""), ends,
                    found.get("ObjectLockLegalHoldStatus") == "ON")

    def _listed(self, prefix: str, start_after: str,
                delimiter: str) -> Iterator[ObjectVersion | str]:
        marker: dict[str, Any] = {"Delimiter": delimiter} if delimiter else {}
        # A marker inside a folder below this level would hide that folder from the level.
        if start_after and start_after.startswith(prefix) \
                and delimiter not in start_after[len(prefix):]:
            marker["KeyMarker"] = start_after
        while True:
            with mapped(prefix):
                page = self._client.list_object_versions(
                    Bucket=self._bucket, Prefix=prefix, MaxKeys=self._page_keys, **marker)
            found: list[ObjectVersion | str] = []
            found += [_version(one, is_delete_marker=False) for one in page.get("Versions", [])]
            found += [_version(one, is_delete_marker=True) for one in page.get("DeleteMarkers", [])]
            found += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
            # The SDK makes three lists of what is one in the answer; sorting merges them again.
            for one in _sorted(found):
                if isinstance(one, str) or one.key.encode() > start_after.encode():
                    yield one
            if not page.get("IsTruncated"):
                return
            marker["KeyMarker"] = page["NextKeyMarker"]
            marker.pop("VersionIdMarker", None)
            if page.get("NextVersionIdMarker"):
                marker["VersionIdMarker"] = page["NextVersionIdMarker"]


class S3Adversary:
    """`StoreAdversary` on one bucket: each call returns if the store allowed it, else Refused."""

    def __init__(self, settings: S3Settings) -> None:
        self._bucket = settings.bucket
        self._client = connect(settings)

    def delete_version(self, key: str, version_id: str, *, bypass: bool) -> None:
        """DELETE of one version."""
        with _attempted():
            self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=version_id,
                                       BypassGovernanceRetention=bypass)

    def delete_versions(self, keys: list[tuple[str, str]]) -> None:
        """POST ?delete with named versions: its refusals are inside an answer of 200."""
        with _attempted():
            answer = self._client.delete_objects(
                Bucket=self._bucket, BypassGovernanceRetention=True,
                Delete={"Objects": [{"Key": key, "VersionId": version_id}
                                    for key, version_id in keys], "Quiet": False})
        if answer.get("Errors"):
            raise Refused(str(answer["Errors"][0].get("Code")))

    def add_marker(self, key: str) -> None:
        """DELETE without a version: a marker on top."""
        with _attempted():
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def put_over(self, key: str, body: bytes) -> str:
        """An unconditional PUT."""
        with _attempted():
            answer = self._client.put_object(Bucket=self._bucket, Key=key, Body=body)
        return answer.get("VersionId", "null")

    def put_damaged(self, key: str, body: bytes, other: bytes) -> None:
        """A PUT of `body` under the checksum of `other`."""
        with _attempted():
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body,
                                    ChecksumSHA256=sha256_base64(other))

    def set_retention(self, key: str, version_id: str, mode: str, retain_until: int, *,
                      bypass: bool) -> None:
        """PUT ?retention."""
        retention: Any = {"Mode": mode, "RetainUntilDate": _whole_seconds(retain_until)}
        with _attempted():
            self._client.put_object_retention(
                Bucket=self._bucket, Key=key, VersionId=version_id, Retention=retention,
                BypassGovernanceRetention=bypass)

    def clear_retention(self, key: str, version_id: str) -> None:
        """PUT ?retention with nothing in it."""
        with _attempted():
            self._client.put_object_retention(
                Bucket=self._bucket, Key=key, VersionId=version_id, Retention={},
                BypassGovernanceRetention=True)

    def suspend_versioning(self) -> None:
        """PUT ?versioning Suspended."""
        with _attempted():
            self._client.put_bucket_versioning(
                Bucket=self._bucket, VersioningConfiguration={"Status": "Suspended"})

    def resume_versioning(self) -> None:
        """Undo suspend_versioning."""
        with _attempted():
            self._client.put_bucket_versioning(
                Bucket=self._bucket, VersioningConfiguration={"Status": "Enabled"})


def sha256_base64(body: bytes) -> str:
    """The checksum as S3's header wants it."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")


@contextmanager
def mapped(what: str, *, writes: bool = False) -> Iterator[None]:
    """S3's errors as ours, for `infra/s3keyring.py` too. A write that was sent is undecided until
    a plain answer says otherwise."""
    try:
        yield
    except ClientError as error:
        status, code = _status(error), _code(error)
        if status == 412 or code == "PreconditionFailed":
            raise Exists(f"{what} is taken") from error
        if not writes and (status == 404 or code in ("NoSuchKey", "NoSuchVersion")
                           or (status == 405 and code in ("MethodNotAllowed", "405"))):
            # 405: the version is a delete marker. An answer to HEAD has no other code.
            if code == "NoSuchBucket":
                raise Transient("the bucket is not there") from error
            raise Missing(f"{what} is not there") from error
        if writes and status >= 500:
            raise Ambiguous(f"{what}: the store answered {status} {code}") from error
        if writes and status == 400 and code not in _BRIEF:
            # What we ask is not what this store does: a conditional PUT, a checksum, a lock.
            raise Halt("store_unsafe", f"{what}: the store does not take the request: {status} "
                                       f"{code}") from error
        if status in (401, 403):
            raise Transient(f"{what}: the store does not let us, an operator has to: {status} "
                            f"{code}") from error
        # 409 is a conditional PUT under way; 4xx else is for the operator, and nothing was applied.
        raise Transient(f"{what}: the store answered {status} {code}") from error
    except _NOT_SENT as error:
        raise Transient(f"{what}: the store was not reached: {type(error).__name__}") from error
    except (BotoCoreError, OSError) as error:
        # Time-outs and broken connections; also those of a body while it is being read.
        kind = Ambiguous if writes else Transient
        raise kind(f"{what}: no answer from the store: {type(error).__name__}") from error


@contextmanager
def _attempted() -> Iterator[None]:
    """Refused where the store said no, Transient where it said nothing."""
    try:
        yield
    except ClientError as error:
        if _status(error) in _REFUSALS:
            raise Refused(f"{_status(error)} {_code(error)}") from error
        raise Transient(f"the store answered {_status(error)} {_code(error)}") from error
    except (BotoCoreError, OSError) as error:
        raise Transient(f"no answer from the store: {type(error).__name__}") from error


def _expiry_rules(client: S3Client, bucket: str) -> list[str]:
    try:
        rules = client.get_bucket_lifecycle_configuration(Bucket=bucket).get("Rules", [])
    except ClientError as error:
        if _status(error) in (404, 501) or _code(error) == "NoSuchLifecycleConfiguration":
            return []
        raise
    return [f"lifecycle rule {rule.get('ID', '')!r} expires objects" for rule in rules
            if rule.get("Status") == "Enabled"
            and (rule.get("Expiration") or rule.get("NoncurrentVersionExpiration"))]


def _version(one: Any, *, is_delete_marker: bool) -> ObjectVersion:
    return ObjectVersion(
        key=one["Key"], version_id=one["VersionId"], size=int(one.get("Size", 0)),
        modified=_milliseconds(one["LastModified"]), is_delete_marker=is_delete_marker,
        is_latest=bool(one.get("IsLatest")))


def _path(one: ObjectVersion | str) -> bytes:
    return (one if isinstance(one, str) else one.key).encode()


def _sorted(found: list[ObjectVersion | str]) -> list[ObjectVersion | str]:
    """By key, then the latest first, then by time; where times are equal (S3 gives seconds), the
    store's own order, which is the newest first, stays."""
    def order(one: ObjectVersion | str) -> tuple[bytes, bool, int]:
        if isinstance(one, str):
            return _path(one), False, 0
        return _path(one), not one.is_latest, -one.modified

    return sorted(found, key=order)


def _whole_seconds(milliseconds: int) -> datetime:
    """Rounded up: a lock may end later than asked, never earlier."""
    return _EPOCH + timedelta(seconds=-(-milliseconds // 1000))


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
