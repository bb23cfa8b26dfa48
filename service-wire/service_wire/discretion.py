"""What spans of others must not say. Apart from the rest, for the SDK is loaded only where there is a collector."""

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

# Of the server span that FastAPI begins: paths hold ids, and queries hold words and the tokens of links.
REVEALING = ("url.path", "url.query", "http.request.method_original")
REDACTED = "REDACTED"


class Discretion(SpanProcessor):
    """Strikes out, as a span begins, what could be anybody's."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002
        for name in REVEALING:
            if name in (span.attributes or {}):
                span.set_attribute(name, REDACTED)
