"""How many processors this process may use."""

import math
import os
from pathlib import Path


def available_processors(root: Path = Path("/")) -> int:
    """Those that the process is bound to, or fewer where a cgroup has a quota; never less than 1.

    https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = (_quota(directory / "cpu.max") for directory in _cgroups(root))
    return max(1, math.ceil(min([bound, *quotas])))


def _cgroups(root: Path) -> list[Path]:
    """The process's cgroup and all that it is in: the tightest quota counts."""
    mount = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    paths = [mount / line.removeprefix("0::").strip("/") for line in lines if line.startswith("0::")]
    return [mount, *(parent for path in paths for parent in (path, *path.parents) if parent.is_relative_to(mount))]


def _quota(file: Path) -> float:
    """`<microseconds> <of every microseconds>`; `max` means no limit."""
    try:
        quota, period = file.read_text(encoding="utf-8").split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return math.inf
