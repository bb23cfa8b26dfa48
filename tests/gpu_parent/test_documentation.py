"""What docs/api-gpu.md says about running it is so."""

import re
from pathlib import Path
from typing import Any

import yaml

from api_gpu.authorization import OPEN_PATHS
from api_gpu.parent.configuration import VARIABLES
from api_gpu.parent.heads import HEALTHY, METRICS
from api_gpu.settings import Settings

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "api-gpu.md").read_text(encoding="utf-8")
SETTINGS = {name.upper() for name in Settings.model_fields} | set(VARIABLES)


def test_every_setting_is_named_and_no_other() -> None:
    section = PAGE.partition("## Settings")[2].partition("##")[0]
    named = set(re.findall(r"`([A-Z_]+)`", section))
    assert named == SETTINGS


def test_the_example_for_knative_sets_what_there_is() -> None:
    (example,) = re.findall(r"```yaml\n(.+?)```", PAGE, re.DOTALL)
    service: dict[str, Any] = yaml.safe_load(example)
    (container,) = service["spec"]["template"]["spec"]["containers"]
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert set(environment) <= SETTINGS
    assert environment["IDLE_SECONDS"] == "0"
    assert {probe["httpGet"]["path"] for name, probe in container.items() if name.endswith("Probe")} <= OPEN_PATHS
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {"/cache", "/tmp"} == mounted


def test_whatever_needs_no_token_is_answered_asleep_too() -> None:
    assert HEALTHY | {METRICS} == OPEN_PATHS
