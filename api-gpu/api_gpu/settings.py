"""Every setting, read once from the environment (`.env.example` documents each variable)."""

from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service_wire.service_token import ServiceTokenVerifier, parse_key

MEBIBYTE = 1024 * 1024


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True, protected_namespaces=()
    )

    gpu_host: str = "127.0.0.1"
    gpu_port: int = Field(default=8001, ge=0, le=65535)
    models_dir: Path = Path(".data/models")
    cache_dir: Path = Path(".data/cache")
    device: Literal["auto", "cuda", "cpu"] = "auto"
    precision: Literal["fp32", "fp16"] = "fp32"
    memory_budget_mb: int = Field(default=2048, ge=1)
    queue_inputs: int = Field(default=4096, ge=1)
    token_budget: int = Field(default=2048, ge=1)
    threads: int = Field(default=0, ge=0, description="0: as many as the cgroup allows")
    idle_seconds: float = Field(default=300.0, ge=0, description="0: never sleep, no parent")
    service_token_keys: str | None = None
    service_token_keys_file: Path | None = None
    gpu_max_body_bytes: int = Field(default=32 * MEBIBYTE, ge=1024)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["auto", "json", "console"] = "auto"

    otel_exporter_otlp_endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s]+$")
    otel_exporter_otlp_headers: str | None = None
    otel_traces_sampler: str | None = None
    otel_traces_sampler_arg: str | None = None

    @property
    def tracing_variables(self) -> dict[str, str]:
        """What OpenTelemetry's SDK is to find in the environment, under its standard names."""
        values = {name.upper(): getattr(self, name) for name in type(self).model_fields if name.startswith("otel_")}
        return {name: value for name, value in values.items() if value}

    @cached_property
    def verifier(self) -> ServiceTokenVerifier:
        """What tells a good service token from others.

        Raises:
            ValueError: there are no public keys, or they are none.
            OSError: their file cannot be read.
        """
        document = self.service_token_keys
        if document is None and self.service_token_keys_file is not None:
            document = self.service_token_keys_file.read_text(encoding="utf-8")
        if document is None:
            raise ValueError("SERVICE_TOKEN_KEYS or SERVICE_TOKEN_KEYS_FILE is required: nobody could call")
        try:
            return ServiceTokenVerifier(parse_key(document))
        except ValueError as error:
            raise ValueError(f"SERVICE_TOKEN_KEYS: {error}") from None

    @model_validator(mode="after")
    def _refuse_unusable_keys(self) -> Self:
        try:
            _ = self.verifier  # what is wrong with the keys should stop the start, not the first request
        except OSError as error:
            raise ValueError(f"SERVICE_TOKEN_KEYS_FILE: {error}") from None
        return self
