"""The OpenAPI document is exact: whoever generates a client from it is told everything, and nothing untrue."""

import importlib
import json
import pkgutil
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import api_main
from api_main.auth import protocol
from api_main.auth.protocol import errors as protocol_errors
from api_main.core.errors import ApiError
from api_main.core.settings import Settings
from api_main.main import create_app

ROOT = Path(__file__).resolve().parents[2]
METHODS = {"get", "put", "post", "patch", "delete", "head", "options", "trace"}
WITHOUT_TOKEN = {
    "register", "login", "refresh", "read_jwks", "read_health", "read_liveness", "read_readiness",
}  # fmt: skip

Json = dict[str, Any]


class Operation(NamedTuple):
    name: str
    content: Json

    @property
    def failures(self) -> Iterator[tuple[int, Json]]:
        return ((int(status), answer) for status, answer in self.content["responses"].items() if int(status) >= 400)


@pytest.fixture(scope="session")
def operations(document: Json) -> list[Operation]:
    return [
        Operation(f"{method.upper()} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def lacking(operations: list[Operation], key: str) -> list[str]:
    return [operation.name for operation in operations if not operation.content.get(key)]


def error_classes() -> set[type[ApiError]]:
    """Every one that any module defines."""
    for module in pkgutil.walk_packages(api_main.__path__, "api_main."):
        if "migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found, waiting = set(), [ApiError]
    while waiting:
        waiting += waiting.pop().__subclasses__()
        found |= set(waiting)
    return {error for error in found if error.__module__.startswith("api_main.")}


def our_error_classes() -> set[type[ApiError]]:
    """Those that say a code of ours: not the kinds without one of their own, nor what only Supabase's protocol says."""
    return {
        error for error in error_classes() if "code" in vars(error) and error.__module__ != protocol_errors.__name__
    }


def test_every_operation_has_a_summary_a_tag_and_an_id(operations: list[Operation]) -> None:
    assert len(operations) > 15
    assert [lacking(operations, key) for key in ("summary", "tags", "operationId")] == [[], [], []]


def test_operation_ids_are_unique_names(operations: list[Operation]) -> None:
    counted = Counter(operation.content["operationId"] for operation in operations)
    assert [name for name, count in counted.items() if count > 1 or not re.fullmatch("[a-z]+(_[a-z]+)*", name)] == []


def test_every_success_has_a_schema(operations: list[Operation]) -> None:
    for operation in operations:
        successes = {status: answer for status, answer in operation.content["responses"].items() if status[0] == "2"}
        assert successes, operation.name
        for status, answer in successes.items():
            if status == "204":
                assert "content" not in answer
            else:
                (schema,) = {frozenset(content) & {"schema", "itemSchema"} for content in answer["content"].values()}
                assert schema, operation.name


def test_every_failure_is_documented_in_our_form_with_its_codes(operations: list[Operation]) -> None:
    known = {error.code: error.status for error in error_classes()}
    for operation in operations:
        for status, answer in operation.failures:
            content = answer["content"]["application/json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Failure"}, operation.name
            assert content["examples"], operation.name
            for code, example in content["examples"].items():
                assert example["value"]["error"]["code"] == code
                assert known[code] == status
            assert answer["description"]


def test_every_operation_can_fail_on_our_side(operations: list[Operation]) -> None:
    assert [name for name, content in operations if not {"500", "503", "504"} <= content["responses"].keys()] == []


def test_failures_announce_their_headers(operations: list[Operation]) -> None:
    expected = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
    for operation in operations:
        for status, answer in operation.failures:
            assert (expected[status] in answer["headers"]) if status in expected else True, operation.name


def test_every_answer_says_how_it_stands_with_the_limits(
    document: Json, operations: list[Operation], settings: Settings
) -> None:
    headers = document["components"]["headers"]
    assert sorted(headers) == ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]
    assert {header["schema"]["type"] for header in headers.values()} == {"integer"}
    for operation in operations:
        for answer in operation.content["responses"].values():
            told = {name: answer["headers"].get(name) for name in headers}
            assert told == {name: {"$ref": f"#/components/headers/{name}"} for name in headers}, operation.name
    unlimited = create_app(settings.model_copy(update={"rate_limit_enabled": False})).openapi()
    assert "RateLimit" not in json.dumps(unlimited)


def test_fastapis_own_validation_error_is_nowhere(document: Json) -> None:
    assert not {"HTTPValidationError", "ValidationError"} & document["components"]["schemas"].keys()


def test_every_operation_that_takes_input_can_refuse_it(operations: list[Operation]) -> None:
    for operation in operations:
        taking = bool(operation.content.get("parameters") or operation.content.get("requestBody"))
        assert ("422" in operation.content["responses"]) == taking, operation.name
        body = {"400", "413", "415"} if operation.content.get("requestBody") else set()
        assert body <= operation.content["responses"].keys(), operation.name


def test_every_body_has_an_example(document: Json, operations: list[Operation]) -> None:
    for operation in operations:
        if body := operation.content.get("requestBody"):
            content = next(iter(body["content"].values()))  # the first of its forms
            name = content["schema"].get("$ref", "").rpartition("/")[2]
            schema = document["components"]["schemas"].get(name, {})
            assert schema.get("examples") or content.get("examples") or content.get("example"), operation.name


def test_a_token_is_asked_for_exactly_where_one_is_needed(document: Json, operations: list[Operation]) -> None:
    secured = {content["operationId"] for _, content in operations if content.get("security")}
    assert secured == {content["operationId"] for _, content in operations} - WITHOUT_TOKEN
    for operation in operations:
        if operation.content.get("security"):
            assert {"401", "403"} <= operation.content["responses"].keys()
    (scheme,) = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")


def test_parameters_are_described_or_speak_for_themselves(operations: list[Operation]) -> None:
    plain = {"task_id", "job_id", "token_id", "status", "priority", "q", "user_id"}
    for operation in operations:
        for parameter in operation.content.get("parameters", []):
            assert parameter.get("description") or parameter["name"] in plain, (operation.name, parameter["name"])


def test_every_code_is_unique() -> None:
    counted = Counter(error.code for error in error_classes() if "code" in vars(error))
    assert [code for code, count in counted.items() if count > 1] == []


def test_every_code_is_documented_with_its_status() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \| (.+) \|$", text, re.MULTILINE)
    assert {(code, int(status)) for code, status, _ in rows} == {
        (error.code, error.status) for error in our_error_classes()
    }
    assert len(rows) == len({code for code, _, _ in rows})


def test_every_error_of_the_protocol_is_documented_with_its_status() -> None:
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| (\d{3}) \|$", text, re.MULTILINE)
    said = {words for module in protocol_modules() for words in words_in(vars(module).values())}
    assert [(code, int(status)) for code, status in rows] == sorted(
        {(words.code, words.status) for words in said}, key=lambda row: (row[1], row[0])
    )


def protocol_modules() -> Iterator[ModuleType]:
    for module in pkgutil.walk_packages(protocol.__path__, f"{protocol.__name__}."):
        yield importlib.import_module(module.name)


def words_in(values: Iterable[object]) -> Iterator[protocol_errors.Words]:
    for value in values:
        if isinstance(value, protocol_errors.Words):
            yield value
        elif isinstance(value, Mapping):
            yield from words_in(value.values())
