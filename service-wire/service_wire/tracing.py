"""One trace through every process: W3C trace context from one to the next, spans sent by OTLP; off by default.

It is on where the standard variables name a collector
(https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/): `OTEL_EXPORTER_OTLP_ENDPOINT`, or
`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`. Off, a span costs a function call. Spans say what was done and how long it took:
no parameter, no header, no message of an error.
"""

import logging
import os
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"
LONGEST_GOODBYE = 3.0  # seconds for what has not been sent when the process ends

Attribute = str | int | float | bool

log = logging.getLogger(__name__)

_NOTHING: AbstractContextManager[None] = nullcontext()
_W3C = TraceContextTextMapPropagator()
_tracer: Tracer | None = None


def is_on() -> bool:
    return _tracer is not None


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the variables name a collector, and do not say otherwise."""
    return _names_collector(environment) and _transport(environment) == ("otlp", PROTOCOL)


def _names_collector(environment: Mapping[str, str]) -> bool:
    return any(environment.get(name) for name in ENDPOINTS) and environment.get("OTEL_SDK_DISABLED", "") != "true"


def _transport(environment: Mapping[str, str]) -> tuple[str, str]:
    """The exporter and its protocol."""
    protocols = (environment.get(name) for name in PROTOCOLS)
    return environment.get("OTEL_TRACES_EXPORTER") or "otlp", next((name for name in protocols if name), PROTOCOL)


def _say_what_is_not_offered() -> None:
    exporter, protocol = _transport(os.environ)
    if _names_collector(os.environ) and exporter != "none":
        log.warning("Nothing is traced: there is OTLP over %s alone, not %s over %s.", PROTOCOL, exporter, protocol)


@contextmanager
def tracing(service: str, variables: Mapping[str, str]) -> Iterator[None]:
    """Send spans while this lasts, if that is wanted: once in the life of a process.

    The SDK reads its variables from the environment alone; `variables` are those that stand elsewhere, as in `.env`.
    """
    global _tracer  # noqa: PLW0603 - as OpenTelemetry's own provider is the process's
    os.environ.update({name: value for name, value in variables.items() if name not in os.environ})
    if not is_wanted():
        _say_what_is_not_offered()
        yield
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  heavy
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    from service_wire.discretion import Discretion  # noqa: PLC0415

    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = Resource.create({} if named else {"service.name": service})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(Discretion())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    _tracer = provider.get_tracer(service)
    try:
        yield
    finally:
        _tracer = None
        # A collector that is away must not keep the process: its own patience is longer.
        goodbye = threading.Thread(target=provider.shutdown, daemon=True)
        goodbye.start()
        goodbye.join(LONGEST_GOODBYE)


def span(name: str, /, kind: SpanKind = SpanKind.INTERNAL, **attributes: Attribute) -> AbstractContextManager[None]:
    """A part of what is being traced; nothing where nothing is. `db_role` is the attribute `db.role`, and
    `http_status__code` is `http.status_code`."""
    if _tracer is None or not trace.get_current_span().is_recording():
        return _NOTHING
    return _begin(_tracer, name, kind, attributes)


def continued(
    headers: Mapping[str, str], name: str, /, kind: SpanKind = SpanKind.SERVER, **attributes: Attribute
) -> AbstractContextManager[None]:
    """As `span`, in the trace that these headers name; a new one where they name none."""
    return _NOTHING if _tracer is None else _begin(_tracer, name, kind, attributes, headers)


@contextmanager
def _begin(
    tracer: Tracer,
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, Attribute],
    headers: Mapping[str, str] | None = None,
) -> Iterator[None]:
    with tracer.start_as_current_span(
        name,
        context=None if headers is None else _W3C.extract(headers),
        kind=kind,
        attributes=_named(attributes),
        record_exception=False,  # its message could hold anything
        set_status_on_exception=False,
    ) as begun:
        try:
            yield
        except BaseException as error:
            begun.set_attribute("error.type", type(error).__qualname__)
            begun.set_status(StatusCode.ERROR)
            raise


def _named(attributes: Mapping[str, Attribute]) -> dict[str, Attribute]:
    return {key.replace("__", " ").replace("_", ".").replace(" ", "_"): value for key, value in attributes.items()}


def note(**attributes: Attribute) -> None:
    """Say more about the span that is going on."""
    if _tracer is not None:
        current().set_attributes(_named(attributes))


def name_route(method: str, template: str) -> None:
    """Name the server span after the route, as soon as it is known."""
    if _tracer is not None:
        current().set_attribute("http.route", template)
        current().update_name(f"{method} {template}")


def current() -> Span:
    return trace.get_current_span()


def trace_id() -> str | None:
    """The trace that this belongs to, as 32 hexadecimal digits."""
    if _tracer is None or not (context := current().get_span_context()).is_valid:
        return None
    return trace.format_trace_id(context.trace_id)


def inject(headers: MutableMapping[str, str]) -> None:
    """Tell another process to which trace a request belongs."""
    if _tracer is not None:
        _W3C.inject(headers)


def traceparent() -> str | None:
    """The same for whoever works later."""
    headers: dict[str, str] = {}
    inject(headers)
    return headers.get("traceparent")
