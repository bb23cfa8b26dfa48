"""The house rules that a machine can read off the source."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
API = ROOT / "api-main" / "api_main"
PACKAGES = [
    package
    for package in (API, ROOT / "local-stack", ROOT / "api-gpu", ROOT / "service-wire", ROOT / "tests")
    if package.exists()
]

LONGEST_FILE = 300
SHAPELESS = {"utils", "util", "helpers", "helper", "manager", "managers", "misc", "common"}
SHARED = {"core", "auth"}  # what any feature may import from
PRIVATE = {"repository", "models"}  # what a feature keeps from the others
MIGRATIONS = API / "migrations"  # an administrator's work, outside any request

MAY_COMMIT = {API / "core" / "database.py", API / "core" / "prelude.py"}
MAY_CONNECT = {API / "core" / "database.py"}
CONNECTORS = {
    "AsyncConnectionPool", "ConnectionPool", "AsyncNullConnectionPool", "NullConnectionPool", "AsyncSession",
    "Session", "RlsSession", "sessionmaker", "async_sessionmaker", "create_engine", "create_async_engine",
    "AsyncConnection.connect", "Connection.connect", "psycopg.connect",
}  # fmt: skip
VERBS = {"get", "post", "put", "patch", "delete", "head", "options", "websocket", "api_route"}

Rule = list[str]
"""Where a rule is broken: one line for each place."""


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def sources(*roots: Path) -> list[Path]:
    return sorted(path for root in roots for path in root.rglob("*.py") if "node_modules" not in path.parts)


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Each call, and what is called as it is written: `session.commit`."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def requests_path() -> list[Path]:
    return [path for path in sources(API) if not path.is_relative_to(MIGRATIONS)]


def test_only_the_database_module_commits() -> None:
    found: Rule = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in requests_path()
        if path not in MAY_COMMIT
        for name, call in calls(path)
        if name.rpartition(".")[2] == "commit"
    ]
    assert found == []


def test_only_the_database_module_makes_sessions_engines_and_pools() -> None:
    found: Rule = [
        f"{path.relative_to(ROOT)}:{call.lineno}: {name}"
        for path in requests_path()
        if path not in MAY_CONNECT
        for name, call in calls(path)
        if name.rpartition(".")[2] in CONNECTORS or name in CONNECTORS
    ]
    assert found == []


def test_every_dependency_is_asynchronous() -> None:
    """A synchronous one costs a hop to a thread, and half the throughput."""
    found: Rule = [
        f"{path.relative_to(ROOT)}:{call.lineno}: {ast.unparse(call.args[0])}"
        for path in requests_path()
        for name, call in calls(path)
        if name.rpartition(".")[2] in {"Depends", "Security"} and call.args and not _is_async(path, call.args[0])
    ]
    assert found == []


def test_every_route_is_asynchronous() -> None:
    found: Rule = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path in requests_path()
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef)
        and any(isinstance(decorator, ast.Call) and _is_route(decorator.func) for decorator in node.decorator_list)
    ]
    assert found == []


def test_no_feature_reaches_into_another() -> None:
    found: Rule = [
        f"{path.relative_to(ROOT)}: {module}"
        for path in sources(API)
        if (feature := _feature(path)) is not None
        for module in _imports(path)
        if (other := module.split("."))[:1] == ["api_main"]
        and len(other) > 2
        and PRIVATE & set(other[2:])
        and other[1] not in {feature, *SHARED}
    ]
    assert found == []


def test_the_core_knows_no_feature() -> None:
    found: Rule = [
        f"{path.relative_to(ROOT)}: {module}"
        for path in sources(API / "core")
        for module in _imports(path)
        if module.startswith("api_main.") and not module.startswith("api_main.core")
    ]
    assert found == []


def test_a_file_fits_in_a_readers_head() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources(*PACKAGES)}
    assert {str(path.relative_to(ROOT)): lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_every_module_is_named_for_what_it_is() -> None:
    assert [path for path in sources(*PACKAGES) if SHAPELESS & {path.stem, path.parent.name}] == []


@pytest.mark.parametrize(
    ("source", "name"), [("await session.commit()", "session.commit"), ("Session(engine)", "Session")]
)
def test_the_rules_see_what_they_look_for(tmp_path: Path, source: str, name: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(f"async def f():\n    {source}\n", encoding="utf-8")
    assert [called for called, _call in calls(path)] == [name]


def _imports(path: Path) -> Iterator[str]:
    """The modules, and the names out of them, that a file imports: `api_main.tasks`, `api_main.tasks.models`."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _feature(path: Path) -> str | None:
    """The feature that a file belongs to; the files that put the application together belong to none."""
    parts = path.relative_to(API).parts
    return parts[0] if len(parts) > 1 and parts[0] != MIGRATIONS.name else None


def _is_route(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Attribute) and decorator.attr in VERBS


def _is_async(path: Path, dependency: ast.expr) -> bool:
    """Whether what stands in `Depends(…)` runs on the event loop."""
    module = importlib.import_module(".".join(path.relative_to(API.parent).with_suffix("").parts))
    called = eval(compile(ast.Expression(dependency), str(path), "eval"), vars(module))
    functions = (called, getattr(called, "__call__", None))  # noqa: B004
    return any(inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function) for function in functions)
