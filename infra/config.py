"""One configuration: `counterfoil.toml` in the data folder, overridden by the environment.

Owns every setting, its default and its check; unknown keys are refused. Nothing below `infra`
reads the environment. A secret may be given as NAME or as NAME_FILE; the file is read only by who
asks for the secret.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schemas import limits
from schemas.errors import Refused
from search.access.cookies import is_loopback

CONFIG_NAME: Final = "counterfoil.toml"
DEFAULT_HOME: Final = "counterfoil-data"


class NotRead(Refused):
    """The file of a setting cannot be read, is empty, or is one of two that are both set."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LogSection(_Section):
    """Where captured records wait: the embedded SQLite log, or Apache Kafka."""

    driver: Literal["embedded", "kafka"] = "embedded"
    topic: str = Field("counterfoil.capture", pattern=r"^[A-Za-z0-9._-]{1,200}$")
    partitions: int = Field(0, ge=0, le=1024, description="0 = 1 embedded, 4 on Kafka")
    bootstrap: str = "127.0.0.1:9092"
    replication: int = Field(3, ge=1)
    min_insync: int = Field(2, ge=1)
    group: str = "counterfoil.archiver"
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password_file: Path | None = None
    ca_file: Path | None = None


class StoreSection(_Section):
    """Where segments lie: the embedded write-once folder, or S3 with Object Lock."""

    driver: Literal["folder", "s3"] = "folder"
    folder: Path | None = None  # null: store/ in the data folder
    endpoint: str | None = None
    region: str = "us-east-1"
    bucket: str = "counterfoil-archive"
    access_key_file: Path | None = None
    secret_key_file: Path | None = None
    ca_file: Path | None = None


class KeyringSection(_Section):
    """Where wrapped domain keys lie: never in the locked bucket (PROTOCOL K2)."""

    driver: Literal["folder", "s3"] = "folder"
    folder: Path | None = None  # null: keyring/ in the data folder
    bucket: str = "counterfoil-keyring"
    # Further copies of it that an erasure has to reach: folders, or s3://BUCKET of the same server.
    copies: tuple[str, ...] = ()


class KeyServiceSection(_Section):
    """Who holds the key that wraps domain keys: a 0600 file, or AWS KMS."""

    driver: Literal["local", "kms"] = "local"
    kms_key_id: str = ""
    kms_endpoint: str | None = None
    kms_region: str = "us-east-1"


class IndexSection(_Section):
    """Where supervision queries run: SQLite FTS5, or Elasticsearch."""

    driver: Literal["sqlite", "elasticsearch"] = "sqlite"
    url: str = "http://127.0.0.1:9200"
    name: str = Field("counterfoil", pattern=r"^[a-z0-9][a-z0-9_-]{0,100}$")
    poll_s: float = Field(0, ge=0, le=3600)  # a listing per partition each time, and S3 bills them
    parts_wait_s: float = Field(3600, gt=0)  # then a large event without all its parts is a gap
    counters_wait_s: float = Field(900, ge=60)  # then an acknowledged record not archived is one
    api_key_file: Path | None = None
    ca_file: Path | None = None


class ArchiveSection(_Section):
    """When a segment closes (PROTOCOL S9). 0 = 1 s embedded, 60 s distributed."""

    segment_age_s_max: float = Field(0, ge=0, le=3600)
    segment_age_s_busy: float = Field(2, gt=0, le=60)
    head_interval_s: float = Field(3600, gt=0)
    head_folder: Path | None = None
    dictionary: bool = True


class RetentionSection(_Section):
    """Trial mode locks for one day and says so in every output (PROTOCOL K6)."""

    trial: bool = True
    lock_years_max: int = Field(15, ge=1, le=100)


class GatewaySection(_Section):
    """How the doors listen. `spool_mb_max` bounds what waits while the log is away."""

    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    spool_mb_max: int = Field(1024, ge=1)
    transit_suite: Literal["x25519", "mlkem768-x25519"] = "x25519"


class MediaSection(_Section):
    """How files are fetched from providers and put under `media/`."""

    mb_max: int = Field(256, ge=1, le=2048)
    fetches_max: int = Field(4, ge=1, le=64)
    scratch_mb_max: int = Field(2048, ge=1)
    hosts: tuple[str, ...] = (
        "graph.facebook.com", "lookaside.fbsbx.com", "api.twilio.com", "media.twiliocdn.com",
        "mms.twiliocdn.com", "s3-external-1.amazonaws.com")
    whatsapp_url: str = "https://graph.facebook.com"
    whatsapp_version: str = Field("v24.0", pattern=r"^v[0-9]{1,3}\.[0-9]$")
    twilio_url: str = "https://api.twilio.com"
    access_key_file: Path | None = None
    secret_key_file: Path | None = None


class SearchSection(_Section):
    """How queries are read, and what the index holds of words (docs/decisions/0022)."""

    text: Literal["blind", "plain", "none"] = "blind"
    region: str | None = Field(None, pattern=r"^[A-Z]{2}$")
    zone: str = "UTC"
    operator: str = "local operator"
    languages: tuple[str, ...] = ("english",)
    vocabulary_words_max: int = Field(limits.VOCABULARY_WORDS_MAX, ge=100_000)

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:  # unknown, no name of one, a folder
            raise ValueError(f"{value!r} is no zone such as Europe/Berlin") from error
        return value


class ConsoleSection(_Section):
    """Where the console listens, under which address people reach it, and the firm's OpenID
    provider. How long a session lasts stands in access.toml, where a change is recorded."""

    host: str = "127.0.0.1"
    port: int = Field(8090, ge=0, le=65535)
    public_url: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret_file: Path | None = None
    oidc_claim: Literal["email", "preferred_username", "upn"] = "email"
    oidc_name: str = Field("your firm's account", min_length=1, max_length=60)


class ReviewSection(_Section):
    """Until when an item is to be decided: hours by severity, counted around the clock, or from
    Monday to Friday while the firm works (hours of the day in `search.zone`)."""

    hours_high: int = Field(4, ge=1, le=2_000)
    hours_medium: int = Field(24, ge=1, le=2_000)
    hours_low: int = Field(72, ge=1, le=2_000)
    opens: int = Field(0, ge=0, le=23)
    closes: int = Field(24, ge=1, le=24)


class DispositionSection(_Section):
    """How long after its approval nothing of a list is destroyed; 0 in a trial only."""

    wait_days: int = Field(7, ge=0, le=366)


class ExportSection(_Section):
    """Who has to agree before messages leave, how long that holds, and what packages say of the
    firm. `folder`: where the console makes packages; null: it makes none."""

    approval: bool = False
    approval_days: int = Field(30, ge=1, le=366)
    organisation: str = Field("", max_length=200)
    prefix: str = Field("CF", pattern=r"^[A-Z]{1,10}$")
    folder: Path | None = None


class WitnessEntry(_Section):
    """One witness of the transparency log: its verifier key, and the prefix of its address."""

    vkey: str
    url: str = Field(pattern=r"^https?://")


class AuthorityEntry(_Section):
    """One time-stamping authority: what we call it, its address, its roots, and the certificates
    between its signer and a root where its answers lack them (PEM files)."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")
    url: str = Field(pattern=r"^https?://")
    roots: Path
    certificates: Path | None = None
    policies: tuple[str, ...] = ()


class NotarySection(_Section):
    """The transparency log: what it is called, how often it is brought up to date, and who else
    vouches for it. 0 = 5 s on a folder, 60 s on S3."""

    origin: str = Field("", pattern=r"^([a-z0-9][a-z0-9._/-]{0,200}[a-z0-9])?$")
    interval_s: float = Field(0, ge=0, le=3600)
    memory_folder: Path | None = None
    witness: tuple[WitnessEntry, ...] = ()
    witness_interval_s: float = Field(600, ge=1)
    authority: tuple[AuthorityEntry, ...] = ()
    stamp_interval_s: float = Field(3600, ge=1)
    access_key_file: Path | None = None
    secret_key_file: Path | None = None


class ReplicaSection(_Section):
    """Where `replicate` keeps the second copy: a folder on another disk or machine, or buckets of
    another S3 account. Younger objects than `lag_s_max` may be missing there."""

    driver: Literal["", "folder", "s3"] = ""
    folder: Path | None = None
    endpoint: str | None = None
    region: str = "us-east-1"
    bucket: str = "counterfoil-archive-copy"
    keyring_bucket: str = "counterfoil-keyring-copy"
    access_key_file: Path | None = None
    secret_key_file: Path | None = None
    ca_file: Path | None = None
    interval_s: float = Field(300, ge=1)
    lag_s_max: float = Field(3600, ge=60)


class Config(BaseSettings):
    """Everything that a process may be told."""

    model_config = SettingsConfigDict(env_prefix="COUNTERFOIL_", env_nested_delimiter="__",
                                      extra="forbid", frozen=True)

    home: Path = Path(DEFAULT_HOME)
    log: LogSection = LogSection()
    store: StoreSection = StoreSection()
    keyring: KeyringSection = KeyringSection()
    keyservice: KeyServiceSection = KeyServiceSection()
    index: IndexSection = IndexSection()
    archive: ArchiveSection = ArchiveSection()
    retention: RetentionSection = RetentionSection()
    gateway: GatewaySection = GatewaySection()
    media: MediaSection = MediaSection()
    search: SearchSection = SearchSection()
    console: ConsoleSection = ConsoleSection()
    review: ReviewSection = ReviewSection()
    disposition: DispositionSection = DispositionSection()
    export: ExportSection = ExportSection()
    notary: NotarySection = NotarySection()
    replica: ReplicaSection = ReplicaSection()
    # A list, newest first: one value, or several separated by commas or line ends.
    whatsapp_app_secret: SecretStr | None = None
    whatsapp_verify_token: SecretStr | None = None
    whatsapp_token: SecretStr | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_account_sid: SecretStr | None = None
    public_url: str | None = None
    whatsapp_app_secret_file: Path | None = None
    whatsapp_verify_token_file: Path | None = None
    whatsapp_token_file: Path | None = None
    twilio_auth_token_file: Path | None = None
    twilio_account_sid_file: Path | None = None
    public_url_file: Path | None = None

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file; the file's content arrives as init settings."""
        return env_settings, init_settings

    @property
    def embedded(self) -> bool:
        """Whether nothing outside the data folder is used."""
        return self.log.driver == "embedded"

    def secrets_of(self, name: str) -> tuple[bytes, ...]:
        """The values of a secret setting, newest first; empty when it is not set. Commas and line
        ends stand between values.

        Raises NotRead, a Refused, when its file cannot be read or holds none.
        """
        parts = (part.strip() for part in self._text_of(name).replace(",", "\n").splitlines())
        found = tuple(part.encode() for part in parts if part)
        file = getattr(self, f"{name}_file")
        if file is not None and not found:
            raise NotRead(f"{name}_file: {file} is empty")
        return found

    def base_url(self) -> str:
        """Scheme and host under which providers reach us; "" when it is not set.

        Raises Refused for what is no such address, NotRead for its file.
        """
        text = self._text_of("public_url")
        if not text:
            if self.public_url_file is not None:
                raise NotRead(f"public_url_file: {self.public_url_file} is empty")
            return ""
        try:
            url = urlsplit(text)
            usable = url.scheme in ("http", "https") and bool(url.hostname)
        except ValueError:
            usable = False
        if not usable or not text.isprintable() or " " in text or "?" in text or "#" in text:
            raise Refused(f"public_url: {text!r} is not the address that the providers call: give "
                          "scheme and host, such as https://hooks.firm.example")
        return text

    def console_url(self) -> str:
        """Scheme, host and port under which browsers reach the console, no slash at the end.

        Raises Refused for what is no such address, and for plain http to any other machine: the
        cookie of a session would be readable on the way.
        """
        text = self.console.public_url or f"http://{self.console.host}:{self.console.port}"
        try:
            url = urlsplit(text)
            usable = bool(url.hostname) and url.path in ("", "/") and (url.port or 1) > 0
        except ValueError:
            usable = False
        if not usable or url.query or url.fragment or url.username is not None:
            raise Refused(f"console.public_url: {text!r} is not the address of the console: give "
                          "scheme and host, such as https://counterfoil.firm.example")
        if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.hostname)):
            raise Refused(f"console.public_url: {text!r}: people on other machines reach the "
                          "console over https only; put a TLS proxy before it and give its address")
        return text.rstrip("/")

    def _text_of(self, name: str) -> str:
        value, file = getattr(self, name), getattr(self, f"{name}_file")
        if value is not None and file is not None:
            raise NotRead(f"{name} and {name}_file are both set; which one is meant?")
        if file is not None:
            try:
                return Path(file).read_text("utf-8-sig").strip()  # some editors begin with a mark
            except OSError as error:
                raise NotRead(f"{name}_file: {file}: {error.strerror}") from error
            except UnicodeDecodeError as error:
                raise NotRead(f"{name}_file: {file} is not UTF-8") from error
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        return (text or "").strip()

    @property
    def segment_age_ms(self) -> int:
        """The age at which a trickle's segment closes, ms."""
        seconds = self.archive.segment_age_s_max or (1 if self.embedded else 60)
        return int(seconds * 1000)

    @property
    def poll_s(self) -> float:
        """How long the indexer rests when it has seen everything, s."""
        return self.index.poll_s or (0.2 if self.store.driver == "folder" else 1.0)

    @property
    def notary_s(self) -> float:
        """How long the notary rests when the log has everything that is archived, s."""
        return self.notary.interval_s or (5.0 if self.store.driver == "folder" else 60.0)

    @property
    def partitions(self) -> int:
        """How many partitions a new log gets (PROTOCOL L6)."""
        return self.log.partitions or (1 if self.embedded else 4)


def load(home: str | Path | None = None, file: Path | None = None, **override: Any) -> Config:
    """The configuration of a data folder; with `file` that one instead of the folder's own. Raises
    Refused, naming the key and what is wrong."""
    folder = Path(home or os.environ.get("COUNTERFOIL_HOME") or DEFAULT_HOME).absolute()
    path = file or folder / CONFIG_NAME
    values: dict[str, Any] = {}
    if path.is_file():
        try:
            values = tomllib.loads(path.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Refused(f"{path}: {error}") from error
    if "home" in values:
        raise Refused(f"{path}: `home` is the folder that holds this file; it cannot be set in it")
    values |= override | {"home": folder}
    try:
        # The environment comes before the file, but never before the folder that was asked for.
        return Config(**values).model_copy(update={"home": folder})
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in one['loc']) or 'configuration'}: "
                 + one["msg"].removeprefix("Value error, ")  # ours says what is wrong by itself
                 for one in error.errors(include_input=False)]
        raise Refused(f"{path if path.is_file() else 'environment'}: " + "; ".join(lines)) from None


def text_of(path: Path | None) -> str | None:
    """What the file of a credential says; null where none is named. Raises NotRead."""
    if path is None:
        return None
    try:
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise NotRead(f"{path}: {error.strerror}") from error
