"""What is written about the metrics, the alerts and the dashboard fits what is told."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from api_main.auth.events import SecurityEvent
from tests.observability.conftest import System

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = DOCS / "observability.md"
ALERTS = DOCS / "observability" / "alerts.yml"
DASHBOARD = DOCS / "observability" / "dashboard.json"

ROW = re.compile(r"^\| `(\w+)` \| (.*?) \|", re.MULTILINE)
SELECTOR = re.compile(r"\b([a-z]+(?:_[a-z]+)+|up)\b(?:\{([^}]*)\})?(?=[\[{)\s]|$)")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
GROUPING = re.compile(r"by \([^)]*\)")
FUNCTIONS = {"histogram_quantile", "label_values"}
OF_PROMETHEUS = {"up": {"job", "instance"}}
OF_THE_SCRAPE = {"job", "instance"}
OF_THE_CLIENT = ("process_", "python_")
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}


@pytest.fixture(scope="module")
def families(system: System) -> dict[str, Metric]:
    """What both processes tell."""
    system.api.get("/api/v1/tasks")  # so that there is a request
    told = [family for process in (0, 1) for family in text_string_to_metric_families(system.metrics(process))]
    return {family.name: family for family in sorted(told, key=lambda family: len(family.samples))}


@pytest.fixture(scope="module")
def names(families: dict[str, Metric]) -> dict[str, Metric]:
    """The same, by the names that queries use."""
    return {name + suffix: family for name, family in families.items() for suffix in SUFFIXES.get(family.type, [])}


@cache
def alerts() -> dict[str, Any]:
    (group,) = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


@cache
def panels() -> dict[str, Any]:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return {panel["title"]: panel for panel in dashboard["panels"] if panel["type"] != "row"}


def asked(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric that a query asks for, and the labels by which it chooses."""
    for name, labels in SELECTOR.findall(GROUPING.sub("", expression)):
        if name not in FUNCTIONS:
            yield name, set(LABEL.findall(labels))


def missing(expression: str, names: dict[str, Metric]) -> list[str]:
    found = list(asked(expression))
    assert found, expression
    unknown = [name for name, _ in found if name not in names and name not in OF_PROMETHEUS]
    return unknown + [
        f"{name}: {label}"
        for name, labels in found
        if name in names and names[name].samples
        for label in labels - OF_THE_SCRAPE - set().union(*(sample.labels for sample in names[name].samples))
    ]


def test_the_page_lists_every_metric_with_its_labels(system: System, families: dict[str, Metric]) -> None:
    listed = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in ROW.findall(PAGE.read_text("utf-8"))}
    told = {
        family.name + ("_total" if family.type == "counter" else ""): family
        for family in families.values()
        if not family.name.startswith(OF_THE_CLIENT)
    }
    assert listed.keys() == told.keys()
    labels = {
        name: set().union(*(sample.labels for sample in family.samples)) - {"le"}
        for name, family in told.items()
        if family.samples
    }
    assert {name: listed[name] for name in labels} == labels


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_asks_for_metrics_that_there_are(alert: str, names: dict[str, Metric]) -> None:
    rule = alerts()[alert]
    assert missing(rule["expr"], names) == []
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"].endswith((".", "?")) or ":" in rule["annotations"]["summary"]
    assert re.fullmatch(r"\d+m", rule["for"])


@pytest.mark.parametrize("title", panels())
def test_a_panel_asks_for_metrics_that_there_are(title: str, names: dict[str, Metric]) -> None:
    for target in panels()[title]["targets"]:
        assert missing(target["expr"], names) == []


def test_an_alert_can_be_written_for_errors_saturation_and_age() -> None:
    named = {name for rule in alerts().values() for name, _ in asked(rule["expr"])}
    assert named >= {"http_requests_total", "database_pool_in_use", "jobs_oldest_seconds", "embeddings_oldest_seconds"}


def test_the_dashboard_is_whole() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)
    assert {variable["name"] for variable in dashboard["templating"]["list"]} == {"datasource", "job"}
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places)
    assert {panel["datasource"]["uid"] for panel in panels().values()} == {"${datasource}"}


def test_the_events_that_the_alerts_name_are_events() -> None:
    named = set(re.findall(r'event="(\w+)"', ALERTS.read_text("utf-8")))
    assert named <= {event.value for event in SecurityEvent}


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("sum(rate(http_request_total[5m]))", ["http_request_total"]),
        ('sum(rate(http_requests_total{verb="GET"}[5m]))', ["http_requests_total: verb"]),
        ("max(jobs_oldest_seconds) > 300", []),
    ],
    ids=["name", "label", "right"],
)
def test_what_is_wrong_in_a_query_is_found(expression: str, wrong: list[str], names: dict[str, Metric]) -> None:
    assert missing(expression, names) == wrong
