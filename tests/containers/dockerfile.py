"""Read a Dockerfile as far as ours goes: its stages, each with its instructions in order."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

CONTINUATION = re.compile(r"\\\n\s*")


@dataclass
class Stage:
    base: str
    name: str | None
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, keyword: str) -> list[str]:
        """The arguments of every instruction of this kind."""
        return [argument for word, argument in self.instructions if word == keyword]

    def last(self, keyword: str) -> str:
        return self.all(keyword)[-1]

    @property
    def environment(self) -> dict[str, str]:
        pairs = (pair.partition("=") for argument in self.all("ENV") for pair in shlex.split(argument))
        return {name: value for name, _, value in pairs}

    @property
    def arguments(self) -> dict[str, str]:
        """Build arguments and their defaults."""
        return {name: default for name, _, default in (argument.partition("=") for argument in self.all("ARG"))}

    @property
    def command(self) -> list[str]:
        return [str(word) for word in json.loads(self.last("CMD"))]

    @property
    def health_check(self) -> list[str]:
        return [str(word) for word in json.loads(self.last("HEALTHCHECK").partition("CMD ")[2])]


def read_stages(path: Path) -> list[Stage]:
    stages: list[Stage] = []
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]
    for line in filter(str.strip, CONTINUATION.sub(" ", "\n".join(lines)).splitlines()):
        keyword, _, argument = line.partition(" ")
        if keyword == "FROM":
            base, _, name = argument.partition(" AS ")
            stages.append(Stage(base, name or None))
        else:
            stages[-1].instructions.append((keyword, argument.strip()))
    return stages
