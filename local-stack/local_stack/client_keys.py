"""The API keys that Supabase's clients want, made once: `./scripts/dev` shows them, the API knows their digests."""

import json
from pathlib import Path

from api_main.auth.api_keys import KeyKind, digest, generate
from local_stack.data_directory import keep_secret


class ClientKeys:
    """A publishable and a secret key, kept in a file of the data directory."""

    def __init__(self, file: Path) -> None:
        kept = keep_secret(file, lambda: json.dumps({kind: generate(kind) for kind in KeyKind}, indent=2))
        self._keys: dict[str, str] = json.loads(kept)

    @property
    def environment(self) -> dict[str, str]:
        """What the API is told."""
        return {f"{kind.upper()}_KEY_DIGESTS": digest(key) for kind, key in self._keys.items()}

    @property
    def rows(self) -> list[tuple[str, str]]:
        """What the user is shown."""
        return [(f"{kind.capitalize()} key", key) for kind, key in self._keys.items()]
