"""What every refusal of the authorization server has in common, checked in one place."""

import re
from typing import Any
from urllib.parse import urlsplit

import httpx

from dev.flow import Callback, callback_of

# RFC 6749 section 5.2: error is of %x20-21 / %x23-5B / %x5D-7E, and so is error_description.
_TEXT = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+")


def refused(response: httpx.Response, status: int, error: str) -> str:
    """Check that a response is a JSON refusal with this status and error; return its description."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("application/json")
    assert response.headers["cache-control"] == "no-store"
    assert "location" not in response.headers
    body: dict[str, Any] = response.json()
    assert body["error"] == error
    assert set(body) <= {"error", "error_description"}
    assert all(isinstance(value, str) and _TEXT.fullmatch(value) for value in body.values())
    description: str = body.get("error_description", "")
    return description


def told_to_the_person(response: httpx.Response, status: int = 400) -> str:
    """Check that a response is a page that redirects nobody and cannot be framed; return its HTML."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"].startswith("text/html")
    assert "location" not in response.headers
    guarded(response)
    return response.text


def guarded(response: httpx.Response) -> None:
    """Check the headers that every page carries (RFC 9700 sections 4.2 and 4.16)."""
    directives = [part.strip() for part in response.headers["content-security-policy"].split(";")]
    assert "default-src 'none'" in directives
    assert "frame-ancestors 'none'" in directives
    assert response.headers["x-frame-options"] == "DENY"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


def told_to_the_client(
    response: httpx.Response, error: str, *, redirect_uri: str, state: str | None, issuer: str
) -> Callback:
    """Check that a response takes an error to the client by redirect (RFC 6749 section 4.1.2.1)."""
    callback = callback_of(response)
    assert response.status_code == 303
    assert callback.url.startswith(redirect_uri)
    assert urlsplit(callback.url)[:3] == urlsplit(redirect_uri)[:3]
    assert callback.parameters["error"] == error
    assert callback.parameters.get("state") == state
    assert callback.parameters["iss"] == issuer
    assert "code" not in callback.parameters
    assert _TEXT.fullmatch(callback.parameters.get("error_description", "-"))
    return callback
