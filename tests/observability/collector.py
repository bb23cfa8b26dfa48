"""A stand-in for an OpenTelemetry collector: takes spans by OTLP over HTTP, as protobuf, and keeps them."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.patience import PATIENCE, wait_until


@dataclass(frozen=True)
class Received:
    """A span as it came."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    text: str
    """All of it, for a look at what must not be there."""


class Collector:
    """What has been received so far, and where."""

    def __init__(self) -> None:
        self.spans: list[Received] = []
        self.headers: list[dict[str, str]] = []

    def of(self, trace: str) -> list[Received]:
        return [span for span in list(self.spans) if span.trace == trace]

    def wait_for(self, trace: str, *wanted: tuple[str, str]) -> list[Received]:
        """The spans of a trace, as soon as there is one of each of these services and names."""

        def is_complete() -> bool:
            return {*wanted} <= {(span.service, span.name) for span in self.of(trace)}

        try:
            wait_until(is_complete, PATIENCE / 2)
        except AssertionError:
            raise AssertionError([(span.service, span.name) for span in self.of(trace)]) from None
        return self.of(trace)

    def take(self, body: bytes, headers: dict[str, str]) -> None:
        self.headers.append(headers)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = {pair.key: pair.value.string_value for pair in group.resource.attributes}["service.name"]
            for scope in group.scope_spans:
                self.spans += [
                    Received(
                        service,
                        span.name,
                        span.trace_id.hex(),
                        span.span_id.hex(),
                        span.parent_span_id.hex(),
                        {pair.key: pair.value.string_value or pair.value.int_value for pair in span.attributes},
                        str(span),
                    )
                    for span in scope.spans
                ]

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Its base URL, while it is there."""
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces"
                assert self.headers["Content-Type"] == "application/x-protobuf"
                packed = self.headers.get("Content-Encoding") == "gzip"
                collector.take(gzip.decompress(body) if packed else body, dict(self.headers))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join(PATIENCE)
