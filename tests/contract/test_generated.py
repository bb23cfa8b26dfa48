"""Thousands of requests that schemathesis makes up from the OpenAPI document, sent by people who are signed in.

No 500, no status that is not documented, no answer outside its schema; wrong input is refused, a method that is not
offered is a 405, and nothing is answered without the token that the document asks for.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from schemathesis.config import (
    ChecksConfig,
    GenerationConfig,
    PositiveDataAcceptanceConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)

from api_main.core.settings import Settings
from api_main.main import create_app
from tests.conftest import NewPerson, with_gpu
from tests.gpu.stand_in import StandIn
from tests.people import Person
from tests.serving import serve

# A schema cannot say all: NUL in a title, a weak password, a cursor that is not ours are refused all the same.
CHECKS = ChecksConfig(positive_data_acceptance=PositiveDataAcceptanceConfig(enabled=False))
TAGS = (
    "audit", "auth", "dashboard", "health", "images", "inference", "jobs", "metrics", "tasks", "tokens", "users",
)  # fmt: skip


@schemathesis.serializer("application/zip")
def serialize_archive(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Whatever is made up: the archive is a worker's to open."""
    return json.dumps(value).encode()


@pytest.fixture(params=TAGS)
def operations(request: pytest.FixtureRequest, document: dict[str, Any]) -> schemathesis.BaseSchema:
    """Those of one tag. Their requests are made up when they are sent, not when tests are collected: it takes long."""
    request.node._nodeid = request.node.nodeid  # where schemathesis 4.32 looks for it, and pytest 9.2 has none
    generation = GenerationConfig(deterministic=True, max_examples=12, no_shrink=True, allow_extra_parameters=False)
    project = ProjectConfig(generation=generation, checks=CHECKS)
    config = SchemathesisConfig(seed=1, projects=ProjectsConfig(default=project))
    paths = {path: item for path, item in document["paths"].items() if request.param in tags(item)}
    return schemathesis.openapi.from_dict({**document, "paths": paths}, config=config)


def tags(item: dict[str, Any]) -> set[str]:
    return {tag for operation in item.values() for tag in operation["tags"]}


@pytest.fixture(scope="module")
def address(settings: Settings, served_gpu: tuple[StandIn, str]) -> Iterator[str]:
    with serve(create_app(with_gpu(settings, *served_gpu))) as url:
        yield url


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture(scope="module")
def reader(new_person: NewPerson) -> Person:
    """Somebody who only looks, and so can do it time and again."""
    return new_person(superuser=True)


@schemathesis.pytest.from_fixture("operations").parametrize()
def test_the_api_keeps_its_contract(
    case: schemathesis.Case[Any], address: str, session: requests.Session, reader: Person, new_person: NewPerson
) -> None:
    person = reader if case.method == "GET" else new_person(superuser=True)
    case.call_and_validate(base_url=address, headers=person.headers, session=session)


def test_no_operation_is_left_out(document: dict[str, Any]) -> None:
    found = [tags(item) for item in document["paths"].values()]
    assert all(found)
    assert set().union(*found) == set(TAGS)
