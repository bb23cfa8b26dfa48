"""Every setting, read once from the environment (`.env.example` documents each variable)."""

import json
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    DirectoryPath,
    Field,
    HttpUrl,
    Secret,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from api_main.core.limits.settings import LimitSettings
from api_main.core.telemetry import TelemetrySettings

# The values that `.env.example` shows: fine on a laptop, a stop anywhere else.
PLACEHOLDER = "change-me"

# Supabase's keys are text or JWTs; anything else could not travel in a header.
API_KEY = r"^[A-Za-z0-9._-]+$"

ENVIRONMENT_FILE = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)


def sqlalchemy_url(url: str) -> str:
    """The same address with the driver named: `postgres://…` and `postgresql://…` both mean psycopg here."""
    return "postgresql+psycopg://" + url.partition("://")[2]


def _comma_separated(value: Any) -> Any:
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _without_slash(value: Any) -> Any:
    return value.rstrip("/") if isinstance(value, str) else value


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


PostgresUrl = Annotated[str, Field(pattern=r"^postgres(ql)?://")]
BaseUrl = Annotated[str, Field(pattern=r"^https?://[^\s]+$"), BeforeValidator(_without_slash)]
ApiKey = Annotated[str, Field(pattern=API_KEY)]
SecretApiKey = Secret[ApiKey]
RedisUrl = Annotated[str, Field(pattern=r"^(rediss?|unix)://")]
SmtpUrl = Annotated[str, Field(pattern=r"^smtps?://")]
CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(_comma_separated)]


class TrustedIssuer(BaseModel):
    """One more issuer of tokens, such as Auth0 or Clerk. Its keys are only ever tried against its own tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(min_length=1)
    jwks_url: HttpUrl
    audience: str = "authenticated"
    algorithms: tuple[Literal["ES256", "RS256"], ...] = ("ES256", "RS256")
    roles: tuple[str, ...] = ("authenticated",)


class Settings(LimitSettings, TelemetrySettings, BaseSettings):
    model_config = ENVIRONMENT_FILE
    serves_requests: ClassVar[bool] = True

    environment: Literal["development", "test", "production"] = "development"
    public_url: BaseUrl = "http://localhost:8000"
    cors_origins: CommaSeparated = ["http://localhost:3000"]

    database_url: PostgresUrl
    database_pool_min: int = Field(default=2, ge=0)
    database_pool_max: int = Field(default=10, ge=1)
    database_pool_timeout: float = Field(default=0.8, gt=0, description="seconds that a request waits for a connection")
    database_pool_waiting: int = Field(default=500, ge=1, description="requests that may wait for one at once")
    database_transaction_pooler: bool = False
    database_listen_url: PostgresUrl | None = None

    redis_url: RedisUrl | None = None
    web_concurrency: int = Field(default=1, ge=1, description="worker processes of this API")
    replicas: int = Field(default=1, ge=1, description="of this API that run at the same time")

    jwt_signing_keys: SecretStr | None = None
    jwt_signing_keys_file: Path | None = None
    access_token_seconds: int = Field(default=30 * 60, ge=15 * 60, le=60 * 60)
    trusted_issuers: Annotated[tuple[TrustedIssuer, ...], NoDecode, BeforeValidator(_json)] = ()

    supabase_url: BaseUrl | None = None
    supabase_publishable_key: ApiKey | None = None
    supabase_secret_key: SecretApiKey | None = None
    supabase_anon_key: ApiKey | None = None
    supabase_service_role_key: SecretApiKey | None = None
    supabase_jwt_secret: SecretStr | None = Field(default=None, min_length=32)

    revocation_seconds: int = Field(default=30, ge=1, le=3600, description="that an ended session's token may last")
    revocation_strict: bool = False

    site_url: BaseUrl = "http://localhost:3000"
    redirect_urls: CommaSeparated = []
    publishable_key_digests: CommaSeparated = []
    secret_key_digests: CommaSeparated = []
    legacy_jwt_secret: SecretStr | None = Field(default=None, min_length=32)
    sign_up_enabled: bool = True
    anonymous_users_enabled: bool = False
    email_autoconfirm: bool = False
    email_change_confirms_both: bool = True
    password_min_length: int = Field(default=8, ge=6, le=72)
    password_change_needs_reauthentication: bool = False
    one_time_token_seconds: int = Field(default=3600, ge=60, le=86400)
    mail_interval_seconds: int = Field(default=60, ge=0)
    session_max_seconds: int | None = Field(default=None, ge=60)
    session_idle_seconds: int | None = Field(default=None, ge=60)
    refresh_reuse_seconds: int = Field(default=10, ge=0)

    smtp_url: SmtpUrl | None = None
    mail_from: str = "Hybrid Auth <noreply@localhost>"
    mail_templates: DirectoryPath | None = None

    gpu_url: BaseUrl | None = None
    gpu_signing_key: SecretStr | None = None
    gpu_signing_key_file: Path | None = None
    gpu_timeout: float = Field(default=20.0, gt=0, description="seconds that a request waits for api-gpu")
    gpu_start_seconds: float = Field(default=60.0, gt=0, description="that a sleeping api-gpu may take to wake up")
    idle_seconds: float = Field(default=300.0, ge=0, description="after which api-gpu sleeps; 0: it never does")
    embedding_sweep_seconds: float = Field(default=15.0, gt=0, description="between two looks for tasks to embed")
    jobs_per_user: int = Field(default=20, ge=1, description="that may be queued or running at once")
    jobs_keep_seconds: int = Field(default=7 * 24 * 60 * 60, ge=60, description="that a finished job is kept")
    live_connection_seconds: float = Field(default=600.0, gt=0, le=600, description="that an event stream stays open")
    live_connections_per_user: int = Field(default=20, ge=1, description="streams and WebSockets")
    live_heartbeat_seconds: float = Field(default=15.0, gt=0, description="of silence before a stream says something")
    live_keep_seconds: int = Field(default=3600, ge=1, description="that an event can be asked for again")

    request_timeout: float = Field(default=30.0, gt=0, description="seconds until the answer must begin")
    max_body_bytes: int = Field(default=1024 * 1024, ge=1024)
    log_format: Literal["auto", "json", "console"] = "auto"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def is_production(self) -> bool:
        return self.environment == "production"

    @property
    def is_standalone(self) -> bool:
        """Whether accounts are ours; otherwise they are Supabase Auth's."""
        return self.supabase_url is None

    @property
    def supabase_public_key(self) -> str | None:
        """The key that says which project is meant, and nothing about who is calling."""
        return self.supabase_publishable_key or self.supabase_anon_key

    @cached_property
    def signing_keys(self) -> str | None:
        """Our signing keys as JSON: a JWK, a list of JWKs, or a JWK set."""
        if self.jwt_signing_keys is not None:
            return self.jwt_signing_keys.get_secret_value()
        if self.jwt_signing_keys_file is not None:
            return self.jwt_signing_keys_file.read_text(encoding="utf-8")
        return None

    @property
    def gpu_key(self) -> str | None:
        """The private JWK that signs our tokens for api-gpu, as JSON."""
        if self.gpu_signing_key is not None:
            return self.gpu_signing_key.get_secret_value()
        if self.gpu_signing_key_file is not None:
            return self.gpu_signing_key_file.read_text(encoding="utf-8")
        return None

    @property
    def cache_secret(self) -> bytes:
        """What seals entries of the cache: all replicas have it, and it is not in Redis."""
        secret = self.signing_keys or self.database_url
        return sha256(b"cache " + secret.encode()).digest()

    @property
    def listen_url(self) -> str | None:
        """Where notifications can be heard: a pooler in transaction mode passes none on."""
        return self.database_listen_url or (None if self.database_transaction_pooler else self.database_url)

    @model_validator(mode="after")
    def _refuse_unsafe_settings(self) -> Self:
        if self.serves_requests:
            self._require_keys()
            self._require_redis()
        if (self.supabase_public_key or "").startswith("sb_secret_"):
            raise ValueError("SUPABASE_PUBLISHABLE_KEY holds a secret key, which belongs into SUPABASE_SECRET_KEY")
        if self.gpu_url is not None and self.gpu_key is None:
            raise ValueError("GPU_SIGNING_KEY or GPU_SIGNING_KEY_FILE is required with GPU_URL: api-gpu wants tokens")
        if self.environment != "development":
            self._refuse_placeholders()
        if self.is_production and "*" in self.cors_origins:
            raise ValueError("CORS_ORIGINS must list the allowed origins one by one")
        return self

    def _require_keys(self) -> None:
        if self.signing_keys is None and self.is_standalone:
            raise ValueError("JWT_SIGNING_KEYS or JWT_SIGNING_KEYS_FILE is required: without keys nobody can sign in")
        if self.supabase_public_key is None and not self.is_standalone:
            raise ValueError("SUPABASE_PUBLISHABLE_KEY, or the legacy SUPABASE_ANON_KEY, is required with SUPABASE_URL")

    def _require_redis(self) -> None:
        if self.redis_url is None and max(self.web_concurrency, self.replicas) > 1:
            raise ValueError(
                "REDIS_URL is required with more than one worker or replica:"
                " without it each would count limits and keep a cache of its own"
            )

    def _refuse_placeholders(self) -> None:
        secrets = {
            "DATABASE_URL": self.database_url,
            "JWT_SIGNING_KEYS": self.signing_keys,
            "LEGACY_JWT_SECRET": self.legacy_jwt_secret,
            "SUPABASE_JWT_SECRET": self.supabase_jwt_secret,
            "SMTP_URL": self.smtp_url,
            "DATABASE_LISTEN_URL": self.database_listen_url,
            "REDIS_URL": self.redis_url,
            "GPU_SIGNING_KEY": self.gpu_key,
            "OTEL_EXPORTER_OTLP_HEADERS": self.otel_exporter_otlp_headers,
        }
        for name, secret in secrets.items():
            value = secret.get_secret_value() if isinstance(secret, SecretStr) else secret
            if PLACEHOLDER in (value or ""):
                raise ValueError(f"{name} still holds the placeholder of .env.example")


class WorkerSettings(Settings):
    """What `python -m api_main work` reads: it needs no key with which tokens are signed."""

    serves_requests: ClassVar[bool] = False

    jobs_concurrency: int = Field(default=2, ge=1, le=100)
    jobs_timeout_seconds: float = Field(default=30 * 60, gt=0, description="that one attempt may take")
    jobs_retry_seconds: float = Field(
        default=5.0, gt=0, description="before the first retry; each later one doubles it"
    )
    jobs_poll_seconds: float = Field(default=5.0, gt=0)
    jobs_stalled_seconds: float = Field(default=45.0, gt=0, description="without a sign of life")
    jobs_grace_seconds: float = Field(default=20.0, gt=0, description="that running jobs have when the worker stops")

    audit_keep_months: int = Field(default=12, ge=1, le=1200, description="that an entry of the audit log is kept")

    @property
    def heartbeat_seconds(self) -> float:
        return self.jobs_stalled_seconds / 3

    @model_validator(mode="after")
    def _let_no_running_job_be_taken_for_stalled(self) -> Self:
        # A worker that stops gives no sign of life any more while its last jobs run.
        if self.jobs_grace_seconds + self.heartbeat_seconds >= self.jobs_stalled_seconds:
            raise ValueError("JOBS_GRACE_SECONDS must be less than two thirds of JOBS_STALLED_SECONDS")
        return self


class AdminSettings(BaseSettings):
    """What `python -m api_main migrate` and Alembic read: an administrator's address, never the API's own."""

    model_config = ENVIRONMENT_FILE

    migration_database_url: PostgresUrl
    database_url: PostgresUrl | None = None
    supabase_url: BaseUrl | None = None
