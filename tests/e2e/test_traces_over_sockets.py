"""Both services as processes, with a collector on this computer: what OTEL_* switch on arrives there."""

import gzip
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dev.deployment import AUTH, MCP, Service, new_encryption_key
from tests.e2e.test_processes import NOWHERE, SERVICES, refused, running
from tests.support.spans import TRACE, TRACEPARENT

pytestmark = pytest.mark.e2e

CANARY = "canary-in-a-query"


class Collector(ThreadingHTTPServer):
    """Takes what is exported."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.taken: list[bytes] = []
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        """Its OTLP endpoint."""
        return f"http://127.0.0.1:{self.server_port}"

    def spans(self) -> list[tuple[dict[str, Any], Any]]:
        """Return the attributes of each span's resource, and the span."""
        found = []
        for body in self.taken:
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                resource = {member.key: member.value.string_value for member in group.resource.attributes}
                found += [(resource, span) for scope in group.scope_spans for span in scope.spans]
        return found


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        assert self.path == "/v1/traces"
        self.server.headers.append(dict(self.headers))
        self.server.taken.append(body)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


def settings_of(service: Service, endpoint: str) -> dict[str, str]:
    return {
        "OAUTH_ENCRYPTION_KEY": new_encryption_key(),
        "REDIS_URL": NOWHERE,
        "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
        "OTEL_EXPORTER_OTLP_HEADERS": "x-collector-key=secret-of-the-collector",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
    }


@SERVICES
def test_spans_arrive_also_those_of_the_last_moment(
    service: Service, tmp_path: Path, collector: Collector
) -> None:
    settings = settings_of(service, collector.url)
    with running(service, tmp_path, "/healthz", 200, **settings) as child:
        port = next(line for line in child.log.read_text("utf-8").splitlines() if '"listening"' in line)
        number = port.partition('"port": ')[2].partition(",")[0].rstrip("}")
        path = f"/mcp?access_token={CANARY}" if service is MCP else f"/oauth/authorize?state={CANARY}"
        httpx.get(f"http://127.0.0.1:{number}{path}", headers={"traceparent": TRACEPARENT})
    of_ours = [(resource, span) for resource, span in collector.spans() if span.trace_id.hex() == TRACE]
    route = "/mcp" if service is MCP else "/oauth/authorize"
    ((resource, _),) = [(told, span) for told, span in of_ours if span.name == f"GET {route}"]
    assert resource["service.name"] == service.module
    assert resource["deployment.environment.name"] == "test"
    assert collector.headers[0]["x-collector-key"] == "secret-of-the-collector"
    assert CANARY.encode() not in b"".join(collector.taken)
    log = child.log.read_text("utf-8")
    assert f'"trace_id": "{TRACE}"' in log
    assert "secret-of-the-collector" not in log
    assert CANARY not in log


def test_a_collector_that_is_away_does_not_keep_a_service_from_ending(tmp_path: Path) -> None:
    settings = settings_of(AUTH, "http://127.0.0.1:9")
    with running(AUTH, tmp_path, "/healthz", 200, **settings) as child:
        port = child.log.read_text("utf-8").partition('"port": ')[2].partition(",")[0].rstrip("}")
        assert httpx.get(f"http://127.0.0.1:{port}/oauth/authorize").status_code >= 400
        began = time.monotonic()
        child.process.terminate()
        child.process.wait(10)
        assert time.monotonic() - began < 6


@SERVICES
def test_wrong_settings_of_traces_stop_the_start(service: Service, tmp_path: Path) -> None:
    settings = {**settings_of(service, "collector:4317")}
    ended = refused(service, tmp_path, **settings)
    assert ended.returncode == 2
    assert "OTEL_EXPORTER_OTLP_ENDPOINT must be an absolute http or https URL." in ended.stderr
    assert "Traceback" not in ended.stderr
