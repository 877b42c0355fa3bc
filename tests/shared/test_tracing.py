"""Traces are off unless the environment asks for them, and what it asks for has to make sense."""

import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from shared import tracing
from shared.settings import SettingsError
from shared.trace_export import sampler_of

ROOT = Path(__file__).resolve().parent.parent.parent
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
NO_FILE = Path("no such file")


def started(environ: dict[str, str], env_file: Path = NO_FILE) -> bool:
    """Start tracing as a service does; return whether it is on, and switch it off."""
    given = dict(environ)
    try:
        tracing.start("service", environ=given, env_file=env_file)
        return tracing.provider() is not None
    finally:
        tracing.stop()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "true"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:9"},
    ],
)
def test_traces_are_off(environ: dict[str, str]) -> None:
    assert not started(environ)


@pytest.mark.parametrize(
    "environ",
    [
        ENDPOINT,
        {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "", "OTEL_TRACES_SAMPLER": "", "OTEL_TRACES_EXPORTER": "otlp"},
        {**ENDPOINT, "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25"},
        {**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
    ],
)
def test_traces_are_on(environ: dict[str, str]) -> None:
    assert started(environ)


def test_a_file_of_settings_switches_them_on(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9\n", encoding="utf-8")
    assert started({}, file)
    assert not started({"OTEL_SDK_DISABLED": "true"}, file)


def test_a_header_for_the_collector_may_be_a_secret_in_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "OTEL_EXPORTER_OTLP_HEADERS").write_text("authorization=secret\n", encoding="utf-8")
    # Empty in the environment, as the containers have it.
    environ = {**ENDPOINT, "SECRETS_DIR": str(tmp_path), "OTEL_EXPORTER_OTLP_HEADERS": ""}
    tracing.start("service", environ=environ, env_file=NO_FILE)
    tracing.stop()
    assert environ["OTEL_EXPORTER_OTLP_HEADERS"] == "authorization=secret"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_TRACES_SAMPLER_ARG", "many"),
    ],
)
def test_what_cannot_be_done_is_told_by_name(name: str, value: str) -> None:
    sampler = {"OTEL_TRACES_SAMPLER": "traceidratio"} if name.endswith("_ARG") else {}
    with pytest.raises(SettingsError) as told:
        started({**ENDPOINT, **sampler, name: value})
    assert [problem.split()[0] for problem in told.value.problems] == [name]


def test_missing_packages_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "shared.trace_export")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(SettingsError, match="extra `otel`"):
        started(ENDPOINT)


def test_what_traces_need_is_not_loaded_while_they_are_off() -> None:
    loaded = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, auth_server.app, mcp_server.app; from shared import tracing; tracing.start('x');"
            "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk.trace',"
            " 'opentelemetry.exporter', 'shared.trace_export', 'requests', 'google.protobuf'))])",
        ],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["parentbased_traceidratio", "traceidratio"])
def test_a_caller_cannot_choose_a_trace_id_that_is_always_kept(name: str) -> None:
    sampler = sampler_of({"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": "0.01"})
    caller = SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    parent = set_span_in_context(NonRecordingSpan(caller))
    kept = [sampler.should_sample(parent, 1, "x").decision is Decision.RECORD_AND_SAMPLE for _ in range(2000)]
    # 20 are expected; 200 would be 40 standard deviations away.
    assert sum(kept) < 200


def test_a_span_is_kept_when_the_one_above_it_is() -> None:
    sampler = sampler_of({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"})
    for flags, decision in ((1, Decision.RECORD_AND_SAMPLE), (0, Decision.DROP)):
        above = SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(flags))
        parent = set_span_in_context(NonRecordingSpan(above))
        assert {sampler.should_sample(parent, 1, "x").decision for _ in range(50)} == {decision}
