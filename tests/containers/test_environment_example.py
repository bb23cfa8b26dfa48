"""`.env.example` documents every variable, and shows its default."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings

from api_gpu.parent.configuration import VARIABLES, ProcessSettings
from api_gpu.settings import Settings as GpuSettings
from api_main.core.settings import PLACEHOLDER, AdminSettings, Settings, WorkerSettings
from local_stack.configuration import Configuration
from tests.containers.compose import ROOT, read_compose, variables

EXAMPLE = ROOT / ".env.example"
ASSIGNMENT = re.compile(r"# ([A-Z][A-Z_]+)=(.+)")
SHOWN: dict[str, str] = {
    match[1]: match[2]
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines()
    if (match := ASSIGNMENT.fullmatch(line))
}
MODELS: list[type[BaseSettings]] = [Settings, WorkerSettings, AdminSettings, Configuration, GpuSettings]
FIELDS = {name.upper() for model in MODELS for name in model.model_fields} | set(VARIABLES)
DEFAULTS = {
    name: field.default
    for name, field in WorkerSettings.model_fields.items()
    if not field.is_required() and field.default not in (None, (), [], {})
}


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of somebody who takes every # away, and has nothing else in their environment."""
    file = tmp_path_factory.mktemp("copied") / ".env"
    file.write_text("\n".join(f"{name}={value}" for name, value in SHOWN.items()), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name in SHOWN:
            patch.delenv(name, raising=False)
        yield file


@pytest.fixture(scope="module")
def settings(copied: Path) -> WorkerSettings:
    """Their settings."""
    Settings(_env_file=copied)
    return WorkerSettings(_env_file=copied)


def test_every_variable_is_documented_and_nothing_else() -> None:
    of_compose = {name for name in variables() if name not in FIELDS}
    assert of_compose == {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "API_MAIN_PASSWORD"}
    assert set(SHOWN) == FIELDS | of_compose


def test_every_variable_is_explained_by_the_lines_above_it() -> None:
    above = ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if match := ASSIGNMENT.fullmatch(line):
            assert re.match(r"# [\w(]", above), match[1]
        above = line


def test_a_copy_changes_nothing() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_every_value_that_is_shown_is_accepted(settings: WorkerSettings) -> None:
    assert settings.trusted_issuers
    assert settings.supabase_url


def test_what_is_shown_for_api_gpu_is_accepted_and_its_default(copied: Path) -> None:
    shown = GpuSettings(_env_file=copied)
    ours = {name: field.default for name, field in GpuSettings.model_fields.items() if field.default is not None}
    assert {name: getattr(shown, name) for name in ours} == ours
    assert ProcessSettings.read(SHOWN) == ProcessSettings()


@pytest.mark.parametrize("name", DEFAULTS)
def test_what_is_shown_is_the_default(settings: WorkerSettings, name: str) -> None:
    assert getattr(settings, name) == DEFAULTS[name]


def test_compose_has_the_same_defaults() -> None:
    defaults = {name: default for name, default in variables().items() if default is not None}
    assert defaults == {name: SHOWN[name] for name in defaults}


@pytest.mark.parametrize("name", ["DATABASE_URL", "JWT_SIGNING_KEYS", "SUPABASE_JWT_SECRET"])
def test_production_refuses_what_is_shown_in_place_of_a_secret(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    good = {"DATABASE_URL": "postgresql://db/x", "JWT_SIGNING_KEYS": "[]", "SUPABASE_JWT_SECRET": "s" * 32}
    for variable, value in {"ENVIRONMENT": "production", **good}.items():
        monkeypatch.setenv(variable, value)
    Settings(_env_file=None)
    monkeypatch.setenv(name, SHOWN[name].strip("'"))
    with pytest.raises(ValidationError, match=f"{name} still holds the placeholder"):
        Settings(_env_file=None)


def test_every_secret_is_shown_as_a_placeholder() -> None:
    secrets = {
        name.upper() for name, field in WorkerSettings.model_fields.items() if SecretStr in _parts(field.annotation)
    }
    passwords = {name for name in SHOWN if name.endswith("PASSWORD")}
    for name in secrets | passwords | {"DATABASE_URL", "MIGRATION_DATABASE_URL", "DATABASE_LISTEN_URL"}:
        assert PLACEHOLDER in SHOWN[name], name


def _parts(annotation: object) -> tuple[object, ...]:
    return getattr(annotation, "__args__", (annotation,))


def test_compose_passes_on_every_setting_that_a_container_may_need() -> None:
    passed = set(read_compose()["services"]["api-main"]["environment"])
    settings = {name.upper() for name in Settings.model_fields}
    supabase = {name for name in settings if name.startswith("SUPABASE_")}  # compose is the system without it
    files = {"JWT_SIGNING_KEYS_FILE", "GPU_SIGNING_KEY_FILE"}
    assert passed == settings - supabase - files - {"DATABASE_TRANSACTION_POOLER", "DATABASE_LISTEN_URL"}


def test_compose_passes_on_every_setting_of_api_gpu_that_its_container_may_need() -> None:
    passed = set(read_compose()["services"]["api-gpu"]["environment"])
    of_the_image = {"GPU_HOST", "GPU_PORT", "MODELS_DIR", "CACHE_DIR", "LOG_FORMAT", "SERVICE_TOKEN_KEYS_FILE"}
    assert passed == ({name.upper() for name in GpuSettings.model_fields} | set(VARIABLES)) - of_the_image


def test_compose_passes_on_every_setting_that_the_worker_may_need() -> None:
    passed = set(read_compose()["services"]["worker"]["environment"])
    of_its_own = {name.upper() for name in WorkerSettings.model_fields.keys() - Settings.model_fields.keys()}
    assert passed >= of_its_own - {"DATABASE_LISTEN_URL"}
    assert passed <= {name.upper() for name in WorkerSettings.model_fields}
