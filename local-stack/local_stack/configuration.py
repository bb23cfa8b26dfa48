"""What the user of `./scripts/dev` may set, in the environment or in `.env`."""

from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from api_main.core.settings import ENVIRONMENT_FILE
from local_stack.errors import StartError

ROOT = Path(__file__).resolve().parents[2]


class Configuration(BaseSettings):
    """All optional. Relative paths count from the repository's root."""

    model_config = SettingsConfigDict({**ENVIRONMENT_FILE, "env_file": ROOT / ".env"})

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    data_dir: Path = Path(".data")
    database_url: str | None = Field(
        default=None, description="an administrator's address; unset, PostgreSQL is embedded"
    )
    supabase_url: str | None = None
    public_url: str | None = None
    jwt_signing_keys: str | None = None
    jwt_signing_keys_file: str | None = None
    gpu_url: str | None = Field(default=None, description="an api-gpu elsewhere; unset, one is started")
    gpu_port: int | None = Field(default=None, ge=1, le=65535, description="unset: 8001, or a free one")
    idle_seconds: float = Field(default=300.0, ge=0, description="of api-gpu, until it sleeps")

    @property
    def data_directory(self) -> Path:
        return ROOT / self.data_dir.expanduser()

    @property
    def api_url(self) -> str:
        return f"http://localhost:{self.port}"


def read_configuration() -> Configuration:
    """Read the environment and `.env`; what does not fit is one sentence."""
    try:
        configuration = Configuration()
    except ValidationError as error:
        first = error.errors()[0]
        raise StartError(f"{str(first['loc'][0]).upper()}: {first['msg']}.") from None
    if configuration.supabase_url and not configuration.database_url:
        raise StartError("SUPABASE_URL is set, so DATABASE_URL must be too: the address of its Postgres.")
    return configuration
