"""docker-compose.yml without a Docker engine: its form, and the promises that it makes."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from api_gpu.parent.configuration import ProcessSettings
from api_main.core.settings import WorkerSettings
from tests.containers.compose import (
    COMPOSE_FILE,
    DOCKERFILE,
    GPU_COMPOSE_FILE,
    RequiredVariable,
    environment_of,
    fill_in,
    read_compose,
    variables,
)
from tests.containers.dockerfile import read_stages

SERVICES: dict[str, Any] = read_compose()["services"]
SECRETS = [
    *("POSTGRES_PASSWORD", "REDIS_PASSWORD", "API_MAIN_PASSWORD", "JWT_SIGNING_KEYS"),
    *("GPU_SIGNING_KEY", "SERVICE_TOKEN_KEYS"),
]
GIVEN = {name: f"of-{name.lower()}" for name in SECRETS}


@pytest.mark.parametrize("file", [COMPOSE_FILE, GPU_COMPOSE_FILE], ids=["all", "gpu"])
def test_the_file_fits_the_schema_of_the_compose_specification(file: Path) -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    command = [str(checker), "--builtin-schema=vendor.compose-spec", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_services_are_those_of_the_standalone_system() -> None:
    assert set(SERVICES) == {"postgres", "redis", "migrate", "api-main", "api-gpu", "worker"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_can_neither_gain_rights_nor_change_itself(service: str) -> None:
    assert SERVICES[service]["read_only"] is True
    assert SERVICES[service]["cap_drop"] == ["ALL"]
    assert SERVICES[service]["security_opt"] == ["no-new-privileges:true"]
    assert any(mount.startswith("/tmp") for mount in SERVICES[service]["tmpfs"])
    assert not SERVICES[service].get("privileged")


@pytest.mark.parametrize("service", ["postgres", "redis", "migrate", "api-gpu", "worker"])
def test_all_but_the_api_are_on_the_private_network_alone(service: str) -> None:
    assert SERVICES[service]["networks"] == ["private"]
    assert "ports" not in SERVICES[service]


def test_the_private_network_has_no_way_out_and_the_front_one_has() -> None:
    networks = read_compose()["networks"]
    assert networks["private"] == {"internal": True}
    assert not (networks["front"] or {}).get("internal")
    assert SERVICES["api-main"]["networks"] == ["private", "front"]


def test_the_api_is_published_on_loopback_unless_told_otherwise() -> None:
    (port,) = SERVICES["api-main"]["ports"]
    assert fill_in(port, {}) == "127.0.0.1:8000:8000"
    assert fill_in(port, {"HOST": "0.0.0.0", "PORT": "80"}) == "0.0.0.0:80:8000"


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_has_no_default_and_stops_the_start_when_it_is_missing(secret: str) -> None:
    assert variables()[secret] is None
    without = {name: value for name, value in GIVEN.items() if name != secret}
    with pytest.raises(RequiredVariable, match=secret):
        [environment_of(service, without) for service in SERVICES]


@pytest.mark.parametrize("service", ["api-main", "worker"])
def test_what_needs_the_schema_starts_after_a_healthy_database_and_a_finished_migration(service: str) -> None:
    assert SERVICES[service]["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "migrate": {"condition": "service_completed_successfully"},
    }


def test_the_migration_runs_once_after_a_healthy_database() -> None:
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert SERVICES["migrate"]["restart"] == "no"


def test_the_api_never_holds_an_administrators_password() -> None:
    environment = environment_of("api-main", GIVEN)
    assert environment["ENVIRONMENT"] == "production"
    assert GIVEN["POSTGRES_PASSWORD"] not in "".join(environment.values())
    assert environment["DATABASE_URL"].startswith("postgresql://api_main:")


def test_the_worker_holds_no_key_that_signs_tokens_and_no_administrators_password() -> None:
    environment = environment_of("worker", GIVEN)
    assert environment["DATABASE_URL"].startswith("postgresql://api_main:")
    values = "".join(environment.values())
    assert [name for name in ("JWT_SIGNING_KEYS", "POSTGRES_PASSWORD") if GIVEN[name] in values] == []


def test_the_worker_keeps_accounts_where_the_api_does() -> None:
    """In the standalone system: jobs that make accounts would not find them elsewhere."""
    given = GIVEN | {"SUPABASE_URL": "https://project.supabase.test", "SUPABASE_SECRET_KEY": "sb_secret_x"}
    of_supabase = [
        name for service in SERVICES for name in environment_of(service, given) if name.startswith("SUPABASE_")
    ]
    assert of_supabase == []
    assert SERVICES["worker"]["environment"]["DATABASE_URL"] == SERVICES["api-main"]["environment"]["DATABASE_URL"]


def test_stopping_leaves_the_worker_the_time_that_its_jobs_have() -> None:
    grace: float = WorkerSettings.model_fields["jobs_grace_seconds"].default
    assert int(SERVICES["worker"]["stop_grace_period"].rstrip("s")) > grace


@pytest.mark.parametrize("service", ["postgres", "redis"])
def test_what_the_api_needs_has_a_health_check(service: str) -> None:
    assert SERVICES[service]["healthcheck"]["test"]
    assert SERVICES[service]["restart"] == "unless-stopped"


def test_no_password_is_an_argument_of_a_program() -> None:
    for service in SERVICES.values():
        command = " ".join(service.get("command", []))
        assert [name for name in SECRETS if f"${{{name}" in command] == []


def test_the_containers_database_outlives_them_and_redis_keeps_nothing() -> None:
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert "volumes" not in SERVICES["redis"]
    assert "postgres" in read_compose()["volumes"]


def test_stopping_leaves_the_services_the_time_that_they_ask_for() -> None:
    (grace,) = (word for word in read_stages(DOCKERFILE)[-1].command if "graceful" in word)
    asked = {"api-main": float(grace.partition("=")[2]), "api-gpu": ProcessSettings().drain_seconds}
    for service, seconds in asked.items():
        assert float(SERVICES[service]["stop_grace_period"].rstrip("s")) > seconds


def test_api_gpu_runs_anywhere_and_with_one_more_file_on_a_gpu() -> None:
    assert SERVICES["api-gpu"]["build"]["args"] == {"DEVICE": "cpu"}
    (override,) = yaml.safe_load(GPU_COMPOSE_FILE.read_text(encoding="utf-8"))["services"].values()
    assert override["build"]["args"] == {"DEVICE": "gpu"}
    assert override["environment"] == {"DEVICE": "cuda"}
    (device,) = override["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


def test_api_gpu_knows_public_keys_alone_and_keeps_what_it_has_built() -> None:
    assert [
        name for name in SERVICES["api-gpu"]["environment"] if name in {"GPU_SIGNING_KEY", "JWT_SIGNING_KEYS"}
    ] == []
    assert SERVICES["api-gpu"]["volumes"] == ["models:/models:ro", "gpu-cache:/cache"]
    assert {"models", "gpu-cache"} <= set(read_compose()["volumes"])
