"""The settings of what the API tells about itself (docs/observability.md)."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class TelemetrySettings(BaseSettings):
    """A part of `Settings`."""

    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=9464, ge=0, le=65535, description="of /metrics, or the next free one; 0: none")
    slow_query_ms: float = Field(default=500.0, ge=0, description="from which a statement is logged; 0: never")
    server_timing: bool = Field(default=True, description="whether callers who are known are told what took how long")
    otel_exporter_otlp_endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s]+$")
    otel_exporter_otlp_headers: SecretStr | None = None
    otel_traces_sampler: str | None = None
    otel_traces_sampler_arg: str | None = None

    @property
    def tracing_variables(self) -> dict[str, str]:
        """What OpenTelemetry's SDK is to find in the environment, under its standard names."""
        headers = self.otel_exporter_otlp_headers
        values = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.otel_exporter_otlp_endpoint,
            "OTEL_EXPORTER_OTLP_HEADERS": headers and headers.get_secret_value(),
            "OTEL_TRACES_SAMPLER": self.otel_traces_sampler,
            "OTEL_TRACES_SAMPLER_ARG": self.otel_traces_sampler_arg,
        }
        return {name: value for name, value in values.items() if value}
