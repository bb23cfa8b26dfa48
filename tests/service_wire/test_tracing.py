"""When traces are sent, and what it costs when they are not."""

import logging

import pytest

from service_wire import tracing

HERE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_SERVICE_NAME": "api", "OTEL_TRACES_SAMPLER": "always_on"}, False),
        (HERE, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"}, True),
        (HERE | {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
        (HERE | {"OTEL_SDK_DISABLED": "true"}, False),
        (HERE | {"OTEL_TRACES_EXPORTER": "none"}, False),
    ],
    ids=["unset", "empty", "no_collector", "collector", "for_traces", "spelt_out", "disabled", "none"],
)
def test_the_standard_variables_say_whether(variables: dict[str, str], wanted: bool) -> None:
    assert tracing.is_wanted(variables) is wanted


def test_what_nobody_wanted_is_not_spoken_of(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for variables in ({}, HERE | {"OTEL_TRACES_EXPORTER": "none"}, HERE | {"OTEL_SDK_DISABLED": "true"}):
        with monkeypatch.context() as environment:
            for name, value in variables.items():
                environment.setenv(name, value)
            with tracing.tracing("nothing", {}):
                assert not tracing.is_on()
    assert caplog.records == []


@pytest.mark.parametrize(
    "change",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
    ],
    ids=["exporter", "protocol", "protocol_of_traces"],
)
def test_what_is_not_offered_is_said(
    change: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in (HERE | change).items():
        monkeypatch.setenv(name, value)
    assert tracing.is_wanted() is False
    with caplog.at_level(logging.WARNING), tracing.tracing("nothing", {}):
        assert not tracing.is_on()
    assert caplog.text.count("Nothing is traced") == 1


def test_off_it_does_nothing_at_all() -> None:
    assert not tracing.is_on()
    headers: dict[str, str] = {}
    tracing.inject(headers)
    with tracing.continued({"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}, "anything"):
        assert (tracing.trace_id(), tracing.traceparent(), headers) == (None, None, {})
        assert tracing.span("one", db_role="anon") is tracing.span("another")
