"""Carry out the steps of a Dockerfile in a clean folder, where there is no engine to build an image with.

`/app`, `/build` and the volumes of the image become folders of that folder; a virtual environment stands for the Python
that the base image brings. What changes the machine itself (`useradd`) is left out.
"""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_stack.server_account import allow_traversal, hand_over, popen_account, server_account
from tests.containers.compose import DOCKERFILE, ROOT
from tests.containers.dockerfile import read_stages

PLACES = re.compile(r"(?<![\w/.])/(app|build|cache|models)(?=[/\s\"':]|$)")
MOUNT = re.compile(r"--mount=\S+\s+")
JUNK = shutil.ignore_patterns("__pycache__", "*.egg-info")
DEBIANS_PYTHON = Path("/usr/bin/python3")


class Image:
    """The file system of an image under a folder, and processes that run in it.

    `port` takes the place of the one that is exposed, for all these containers share one network.
    """

    def __init__(self, root: Path, port: int, dockerfile: Path = DOCKERFILE, **arguments: str) -> None:
        self.root, self.port = root, port
        self.builder, self.runtime = read_stages(dockerfile)
        self._arguments = {**self.builder.arguments, **arguments}
        self._python = _python()
        self.account = server_account() if _is_for_everybody(self._python) else None

    def build(self) -> None:
        """Run the builder's steps in order. What the second stage copies is what they leave in /app."""
        python = self.root / "python"
        subprocess.run([self._python, "-m", "venv", python], check=True)
        given = {**self.builder.environment, **self._arguments}
        environment = {**os.environ, **given, "PATH": f"{python}/bin:{os.defpath}"}
        for keyword, argument in self.builder.instructions:
            if keyword == "COPY":
                self._copy(*argument.split())
            elif keyword == "RUN":
                self._run_step(MOUNT.sub("", argument), environment)
        allow_traversal(self.root / "app")
        for argument in self.runtime.all("VOLUME"):
            for volume in json.loads(argument):
                Path(self.inside(volume)).mkdir()
                hand_over(Path(self.inside(volume)), self.account)

    def _copy(self, source: str, target: str) -> None:
        place = Path(self.inside(target))
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=JUNK)
        else:
            folder = place if target.endswith("/") else place.parent
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / source, place)

    def _run_step(self, command: str, environment: Mapping[str, str]) -> None:
        step = ["sh", "-euc", self.inside(command)]
        done = subprocess.run(step, cwd=self.root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    def inside(self, text: str) -> str:
        """The same text with the image's places in this folder."""
        return PLACES.sub(lambda match: f"{self.root}/{match[1]}", text).replace(
            self.runtime.last("EXPOSE"), str(self.port)
        )

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
        """Start a container's command, with its environment alone, as its user, who owns nothing there."""
        own = {name: self.inside(value) for name, value in self.runtime.environment.items()}
        own["PATH"] = own["PATH"].replace("$PATH", os.defpath)
        program = shutil.which(command[0], path=own["PATH"])
        assert program, f"{command[0]} is not in the image"
        return subprocess.Popen(
            [program, *map(self.inside, command[1:])],
            cwd=self.inside(self.runtime.last("WORKDIR")),
            env={**own, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **popen_account(self.account),
        )


def _python() -> Path:
    """The Python that runs the tests, or, for root, one that its containers' user can run as well."""
    own = Path(sys.executable).resolve()
    others = [DEBIANS_PYTHON] if DEBIANS_PYTHON.exists() else []
    return next(filter(_is_for_everybody, [own, *others]), own)


def _is_for_everybody(program: Path) -> bool:
    return all(directory.stat().st_mode & stat.S_IXOTH for directory in program.resolve().parents)
