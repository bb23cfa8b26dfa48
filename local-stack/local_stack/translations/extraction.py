"""Every English sentence for people, as it stands in the source.

Found are: what `_` and `plural` mark, the `message` of error classes, the sentence that such a class is given where it
is raised, `ValueError`s of validators, and `{{ _("…") }}` in the templates of mails. A sentence that is put together
there in any other way would never be translated: `Bypass` says where.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import api_main

API = Path(api_main.__file__).parent

# What is told to people, and which of its arguments that is.
SPOKEN: Mapping[str, int] = {"ApiError": 0, "Words": 2, "JobFailed": 1, "FileError": 1, "RowError": 3}
SPOKEN_BY_NAME = {"Success": "message", "Page": "message"}
MARKS = {"_": 1, "Message": 2, "plural": 2}  # and how many strings they take
VALIDATORS = {"schemas.py", "fields.py"}  # where a ValueError is a sentence for people
UNHEARD = {"migrations"}  # an administrator's tools, at a terminal
IN_TEMPLATE = re.compile(r'{{ _\("(.*?)"\) }}')

Sentence = tuple[str, ...]
"""Its msgid; its msgid_plural too, where it counts something."""


@dataclass(frozen=True, slots=True)
class Found:
    """A sentence, or a place where one is hidden from the catalogues."""

    where: str
    line: int
    sentence: Sentence | None


def extract(root: Path = API) -> dict[Sentence, list[str]]:
    """Each sentence, and the files that it stands in."""
    sentences = dict[Sentence, list[str]]()
    for found in read(root):
        if found.sentence is not None and found.where not in sentences.setdefault(found.sentence, []):
            sentences[found.sentence].append(found.where)
    return sentences


def bypasses(root: Path = API) -> list[str]:
    """Where something is said that no catalogue could know."""
    return [f"{found.where}:{found.line}" for found in read(root) if found.sentence is None]


@cache
def read(root: Path) -> tuple[Found, ...]:
    return tuple(_read(root))


def _read(root: Path) -> Iterator[Found]:
    paths = [path for path in sorted(root.rglob("*.py")) if not UNHEARD & set(path.relative_to(root).parts)]
    modules = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    spoken = _spoken_classes(modules.values())
    for path, module in modules.items():
        where = path.relative_to(root.parent).as_posix()
        foreign = _foreign_names(module)
        ours = {name: place for name, place in spoken.items() if name not in foreign}
        of_file = {**ours, "ValueError": 0, "PydanticCustomError": 1} if path.name in VALIDATORS else ours
        for line, sentence in _of_module(module, of_file):
            yield Found(where, line, sentence)
    for path in sorted(root.rglob("templates/*.html")):
        where = path.relative_to(root.parent).as_posix()
        for text in IN_TEMPLATE.findall(path.read_text(encoding="utf-8")):
            yield Found(where, 1, (text,))


def _spoken_classes(modules: Iterable[ast.Module]) -> dict[str, int]:
    """The classes of `SPOKEN` and all that derive from them, by name."""
    parents = {
        node.name: [ast.unparse(base).rpartition(".")[2] for base in node.bases]
        for module in modules
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef)
    }
    spoken = dict(SPOKEN)
    while more := {
        name: spoken[base] for name, bases in parents.items() if name not in spoken for base in bases if base in spoken
    }:
        spoken.update(more)
    return spoken


def _foreign_names(module: ast.Module) -> set[str]:
    """What a file imports from other packages: a library's class may have the name of one of ours."""
    return {
        alias.name
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith(API.name)
        for alias in node.names
    }


def _of_module(module: ast.Module, spoken: Mapping[str, int]) -> Iterator[tuple[int, Sentence | None]]:
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef) and node.name in spoken:
            yield from _of_class(node)
        elif isinstance(node, ast.Call):
            yield from _of_call(node, spoken)


def _of_class(node: ast.ClassDef) -> Iterator[tuple[int, Sentence | None]]:
    """`message = "…"`, or `code, message = "…", "…"`."""
    for statement in node.body:
        targets, values = list[ast.expr](), list[ast.expr]()
        if isinstance(statement, ast.Assign):
            targets = _parts(statement.targets[0])
            values = _parts(statement.value)
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, values = [statement.target], [statement.value]
        for target, value in zip(targets, values, strict=False):
            if isinstance(target, ast.Name) and target.id == "message":
                yield from _literal(value)


def _of_call(call: ast.Call, spoken: Mapping[str, int]) -> Iterator[tuple[int, Sentence | None]]:
    name = ast.unparse(call.func).rpartition(".")[2]
    if name in MARKS:
        yield from _marked(call, MARKS[name])
    elif name in spoken:
        place = spoken[name]
        given = call.args[place : place + 1] + [word.value for word in call.keywords if word.arg == "message"]
        for argument in given:
            yield from _literal(argument)
    elif name in SPOKEN_BY_NAME:
        for word in call.keywords:
            if word.arg == SPOKEN_BY_NAME[name]:
                yield from _literal(word.value)


def _marked(call: ast.Call, most: int) -> Iterator[tuple[int, Sentence | None]]:
    strings = [argument.value for argument in call.args[:most] if isinstance(argument, ast.Constant)]
    texts = tuple(text for text in strings if isinstance(text, str))
    if texts:
        yield call.lineno, texts
    elif isinstance(call.args[0], ast.JoinedStr | ast.BinOp):
        yield call.lineno, None


def _literal(value: ast.expr) -> Iterator[tuple[int, Sentence | None]]:
    """A sentence as it is written; marked ones are found by their mark."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.lineno, (value.value,)
    elif isinstance(value, ast.JoinedStr | ast.BinOp) or _is_method_of_text(value):
        yield value.lineno, None


def _is_method_of_text(value: ast.expr) -> bool:
    """`"…".format(…)` and the like."""
    return (
        isinstance(value, ast.Call)
        and isinstance(value.func, ast.Attribute)
        and isinstance(value.func.value, ast.Constant | ast.JoinedStr)
    )


def _parts(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, ast.Tuple) else [node]
