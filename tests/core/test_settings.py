"""Settings: what is wrong or unsafe stops the start."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from api_gpu.settings import Settings as GpuSettings
from api_main.core.settings import AdminSettings, Settings, TrustedIssuer, WorkerSettings, sqlalchemy_url

GOOD: dict[str, Any] = {"database_url": "postgresql://api_main:x@localhost/postgres", "jwt_signing_keys": "[{}]"}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in {*WorkerSettings.model_fields, *AdminSettings.model_fields, *GpuSettings.model_fields}:
        monkeypatch.delenv(name.upper(), raising=False)


def make(**values: Any) -> Settings:
    return Settings(_env_file=None, **{**GOOD, **values})


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://x/y")
    monkeypatch.setenv("JWT_SIGNING_KEYS", "[]")
    monkeypatch.setenv("CORS_ORIGINS", " https://a.example , https://b.example,")
    monkeypatch.setenv("PUBLIC_URL", "https://api.example/")
    monkeypatch.setenv("SUPABASE_URL", "")
    monkeypatch.setenv("TRUSTED_ISSUERS", '[{"issuer": "https://id.example/", "jwks_url": "https://id.example/jwks"}]')
    settings = Settings(_env_file=None)
    assert settings.cors_origins == ["https://a.example", "https://b.example"]
    assert settings.public_url == "https://api.example"
    assert settings.is_standalone
    assert settings.trusted_issuers[0].issuer == "https://id.example/"


WRONG: list[dict[str, Any]] = [
    {"database_url": "mysql://localhost"},
    {"database_pool_max": 0},
    {"database_pool_timeout": 0},
    {"access_token_seconds": 60},
    {"access_token_seconds": 86400},
    {"request_timeout": 0},
    {"max_body_bytes": 1},
    {"log_format": "xml"},
    {"environment": "staging"},
    {"public_url": "api.example"},
    {"supabase_jwt_secret": "short"},
    {"jwt_signing_keys": None},
    {"trusted_issuers": "[{}]"},
    {"trusted_issuers": "not json"},
    {"trusted_issuers": [{"issuer": "x", "jwks_url": "https://x.example", "algorithms": ["HS256"]}]},
]


@pytest.mark.parametrize("values", WRONG)
def test_a_wrong_value_stops_the_start(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make(**values)


UNSAFE: list[tuple[dict[str, Any], str]] = [
    ({"database_url": "postgresql://api_main:change-me@db/postgres"}, "DATABASE_URL"),
    ({"jwt_signing_keys": '[{"kid": "change-me"}]'}, "JWT_SIGNING_KEYS"),
    ({"supabase_jwt_secret": "change-me-to-the-legacy-secret-of-the-project"}, "SUPABASE_JWT_SECRET"),
    ({"legacy_jwt_secret": "change-me-to-at-least-thirty-two-letters"}, "LEGACY_JWT_SECRET"),
    ({"smtp_url": "smtp://user:change-me@smtp.example.com:587"}, "SMTP_URL"),
]


@pytest.mark.parametrize("environment", ["test", "production"])
@pytest.mark.parametrize(("values", "name"), UNSAFE, ids=[name for _, name in UNSAFE])
def test_a_default_secret_stops_the_start_outside_development(
    values: dict[str, Any], name: str, environment: str
) -> None:
    make(**values)
    with pytest.raises(ValidationError, match=name):
        make(environment=environment, **values)


def test_any_origin_stops_the_start_in_production_alone() -> None:
    make(environment="development", cors_origins="*")
    make(environment="test", cors_origins="*")
    with pytest.raises(ValidationError, match="CORS_ORIGINS"):
        make(environment="production", cors_origins="*")


def test_no_message_shows_a_secret() -> None:
    with pytest.raises(ValidationError) as refused:
        make(database_url="mysql://api:hunter2@db", supabase_jwt_secret="hunter2")
    assert "hunter2" not in str(refused.value)
    assert "private" not in repr(make(jwt_signing_keys=json.dumps([{"d": "private"}])))


def test_keys_may_lie_in_a_file_and_the_variable_wins(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text("from file", encoding="utf-8")
    assert make(jwt_signing_keys=None, jwt_signing_keys_file=file).signing_keys == "from file"
    assert make(jwt_signing_keys_file=file).signing_keys == "[{}]"


def test_with_supabase_no_keys_of_ours_are_needed() -> None:
    settings = make(
        jwt_signing_keys=None, supabase_url="https://project.supabase.co/", supabase_publishable_key="sb_publishable_x"
    )
    assert (settings.is_standalone, settings.signing_keys) == (False, None)
    assert settings.supabase_url == "https://project.supabase.co"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_either_scheme_names_the_driver(scheme: str) -> None:
    assert sqlalchemy_url(f"{scheme}://u:p@h/d?sslmode=require") == "postgresql+psycopg://u:p@h/d?sslmode=require"


def test_a_trusted_issuer_has_safe_defaults() -> None:
    issuer = TrustedIssuer.model_validate({"issuer": "x", "jwks_url": "https://x.example"})
    assert (issuer.roles, issuer.audience) == (("authenticated",), "authenticated")
    assert "HS256" not in issuer.algorithms
