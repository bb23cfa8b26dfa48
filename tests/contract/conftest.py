from typing import Any

import pytest

from api_main.core.settings import Settings
from api_main.main import create_app


@pytest.fixture(scope="session")
def document(settings: Settings) -> dict[str, Any]:
    return create_app(settings).openapi()
