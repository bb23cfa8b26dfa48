"""The benchmark of texts works: every row is there. How fast anything is, is nobody's business here."""

import re
from pathlib import Path

from api_gpu.engine import EngineSettings
from tests.benchmarks import gpu_throughput
from tests.benchmarks.report import Table


async def test_every_row_is_there(cache_dir: Path) -> None:
    settings = EngineSettings(models_dir=cache_dir / "none", cache_dir=cache_dir, device="cpu")
    rows = await gpu_throughput.measure(settings, count=8, rounds=1)
    names = [gpu_throughput.PADDED, gpu_throughput.ALONE, gpu_throughput.TOGETHER, gpu_throughput.APART]
    assert [row[0] for row in rows] == names
    assert rows[0][-1] == "1.0"
    report = str(Table("Texts", gpu_throughput.COLUMNS, rows))
    assert all(re.search(rf"^{re.escape(name)}( +[\d,.]+){{3}}$", report, re.MULTILINE) for name in names)


def test_the_texts_are_of_mixed_lengths_and_always_the_same() -> None:
    lengths = sorted(len(text.split()) for text in gpu_throughput.texts())
    assert gpu_throughput.texts() == gpu_throughput.texts()
    assert lengths[0] <= 5
    assert 10 <= lengths[128] <= 20
    assert lengths[-1] >= 80
