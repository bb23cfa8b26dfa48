"""Read docker-compose.yml as `docker compose` does: merged, with the variables of an environment put in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
GPU_COMPOSE_FILE = ROOT / "docker-compose.gpu.yml"
DOCKERFILE = ROOT / "api-main" / "Dockerfile"
GPU_DOCKERFILE = ROOT / "api-gpu" / "Dockerfile"
VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?::(?P<kind>[?-])(?P<rest>[^}]*))?\})")


class RequiredVariable(Exception):
    """A variable without a default is not set."""


def read_compose() -> dict[str, Any]:
    """The file as YAML, variables not yet put in."""
    document: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
    return document


def variables() -> dict[str, str | None]:
    """Every variable that the file asks for, with its default; None where there is none."""
    found = VARIABLE.finditer(COMPOSE_FILE.read_text(encoding="utf-8"))
    return {match["name"]: match["rest"] if match["kind"] == "-" else None for match in found if match["name"]}


def environment_of(service: str, given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a service's container. What has no value in the file is passed on where it is given."""
    listed: dict[str, str | None] = read_compose()["services"][service]["environment"]
    values = {name: given.get(name) if value is None else fill_in(value, given) for name, value in listed.items()}
    return {name: value for name, value in values.items() if value is not None}


def fill_in(text: str, given: Mapping[str, str]) -> str:
    """Put the variables in (https://docs.docker.com/reference/compose-file/interpolation/).

    Raises:
        RequiredVariable: one that is required is missing or empty.
    """

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        if found := given.get(match["name"]):
            return found
        if match["kind"] == "-":
            return match["rest"]
        raise RequiredVariable(match["name"])

    return VARIABLE.sub(value, text)
