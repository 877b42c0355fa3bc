"""JSON logs, DEBUG namespaces as in npm's debug, and no credential on any line."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from shared import logs
from shared.logs import DebugNamespaces, redact
from tests.requirements import requirement

Configure = Callable[[str], io.StringIO]


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Return a way to configure logs into a stream, undone afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def configured(debug: str = "") -> io.StringIO:
        stream = io.StringIO()
        logs.configure("service", debug, stream=stream)
        return stream

    yield configured
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:], root.level = handlers, level


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("debug", "namespace", "shown"),
    [
        ("", "oauth:token", False),
        ("oauth:*", "oauth:token", True),
        ("oauth:*", "mcp:guard", False),
        ("oauth:token", "oauth:token", True),
        ("oauth:token", "oauth:tokens", False),
        ("oauth:token", "oauth:authorize", False),
        ("mcp:*,valtown:*", "valtown:client", True),
        ("mcp:* valtown:*", "valtown:client", True),
        ("mcp:* , valtown:*", "mcp:guard", True),
        ("*", "anything", True),
        ("*,-oauth:token", "oauth:token", False),
        ("*,-oauth:token", "oauth:authorize", True),
        ("-oauth:*", "mcp:guard", False),
        ("*:token", "oauth:token", True),
        ("oauth:[t]oken", "oauth:token", False),
        ("oauth", "oauth:token", False),
        ("OAUTH:*", "oauth:token", False),
    ],
)
def test_debug_switches_namespaces_on(debug: str, namespace: str, shown: bool) -> None:
    assert DebugNamespaces(debug).enabled(namespace) is shown


def test_debug_lines_depend_on_debug_and_others_do_not(configure: Configure) -> None:
    stream = configure("oauth:token")
    for namespace in ("oauth:token", "oauth:authorize"):
        logger = logs.get_logger(namespace)
        logger.debug("detail")
        logger.info("news")
    assert [(line["namespace"], line["event"]) for line in lines(stream)] == [
        ("oauth:token", "detail"),
        ("oauth:token", "news"),
        ("oauth:authorize", "news"),
    ]


@requirement("J216")
def test_a_line_is_one_json_object_with_service_level_and_time(configure: Configure) -> None:
    stream = configure("")
    logs.get_logger("oauth:token").warning("a\nb", detail={"list": [1, "two", None]}, text='"\u2028')
    (line,) = lines(stream)
    assert line["service"] == "service"
    assert line["level"] == "warning"
    assert line["event"] == "a\nb"
    assert line["detail"] == {"list": [1, "two", None]}
    assert line["timestamp"].endswith("Z")


def test_the_standard_library_s_logs_become_json_lines_too(configure: Configure) -> None:
    stream = configure("")
    logging.getLogger("uvicorn.error").warning("startup of %s", "vtwn_secret")
    logging.getLogger("somebody").info("not important")
    (line,) = lines(stream)
    assert line["logger"] == "uvicorn.error"
    assert "vtwn_secret" not in json.dumps(line)


SECRETS = [
    "vtac_abcDEF123.x-y_z",
    "vtr_abcDEF123",
    "vtcs_abcDEF123",
    "vtbr_abcDEF123",
    "vtss_abcDEF123",
    "vttx_abcDEF123",
    "vtwn_abcDEF123",
    "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "Bearer abcdefghijklmnop",
    "bearer abcdefghijklmnop",
    "Basic dXNlcjpwYXNzd29yZA==",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n-----END PRIVATE KEY-----",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0",
    "https://x.example/cb?code=abcdefgh&state=ijklmnop",
    "client_secret=abcdefgh",
    "refresh_token=abcdefgh",
]


@requirement("J216", "L236")
@pytest.mark.parametrize("secret", SECRETS)
def test_what_looks_like_a_credential_is_on_no_line(configure: Configure, secret: str) -> None:
    stream = configure("*")
    logger = logs.get_logger("oauth:token")
    logger.info(f"in the event {secret}")
    logger.info("as a value", reason=secret, nested={"deep": [secret, (secret,)]}, data=secret.encode())
    logger.debug("as a name", **{"x": {secret: 1}})
    structlog.contextvars.bind_contextvars(bound=secret)
    logger.info("bound")
    try:
        raise ValueError(f"in an exception {secret}")
    except ValueError:
        logger.exception("failed")
    logging.getLogger("library").error("from a library: %s", secret)
    written = stream.getvalue()
    core = secret.split("\n")[1] if "\n" in secret else secret.split()[-1].rpartition("=")[2] or secret
    assert len(written.splitlines()) == 6
    assert core not in written


@requirement("J216", "L236")
@pytest.mark.parametrize(
    "name",
    [
        "access_token",
        "Authorization",
        "client-secret",
        "CODE",
        "code_verifier",
        "cookie",
        "set-cookie",
        "csrf",
        "password",
        "state",
        "token",
        "api_token",
    ],
)
def test_a_member_with_a_secret_s_name_is_on_no_line_whatever_its_value(
    configure: Configure, name: str
) -> None:
    stream = configure("")
    logs.get_logger("oauth:token").info("event", **{name: "plain words"}, nested={name: ["plain words"]})
    assert "plain words" not in stream.getvalue()


def test_what_is_no_secret_stays() -> None:
    value = {"client_id": "client_abc", "grant_id": "g", "status": 200, "ms": 1.5, "ok": True, "none": None}
    assert redact(value) == value
    assert redact("GET /oauth/token 200") == "GET /oauth/token 200"
    assert redact({"token": ""}) == {"token": ""}


async def request_line(stream: io.StringIO, **changed: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"request_id": "0123456789abcdef", "method": "GET", "path": "/", "status": 200}
    logs.get_logger("oauth:http").request(**{**fields, "milliseconds": 1.234, **changed})
    return lines(stream)[-1]


@requirement("J216")
@pytest.mark.anyio
async def test_the_line_of_a_request_says_what_a_line_says(configure: Configure) -> None:
    stream = configure("")
    line = await request_line(stream, path='/a"b\n', status=404, flow="f-1")
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "service": "service",
        "namespace": "oauth:http",
        "level": "info",
        "event": "request",
        "request_id": "0123456789abcdef",
        "method": "GET",
        "path": '/a"b\n',
        "status": 404,
        "ms": 1.23,
        "flow": "f-1",
    }
    for number in range(1000):
        line = await request_line(stream, path=f"/{number}/vtac_abcDEF123")
        assert line["path"] == f"/{number}/{logs.REDACTED}"
    assert "flow" not in line
