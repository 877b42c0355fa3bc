"""The pages people see: templates, autoescaped, under a policy that allows no script at all."""

from collections.abc import Mapping

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse, Response

from auth_server.endpoints.attempt import attempt_of
from shared.flows.steps import Reason

_templates = Environment(
    loader=PackageLoader("auth_server.endpoints"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
STYLESHEET = _templates.get_template("style.css").render()
STYLESHEET_PATH = "/oauth/style.css"

NOTHING_CHANGED = "Nothing was changed. You can close this page."


class PageProblemError(Exception):
    """A page cannot be shown or its form not be taken; a page says so instead."""

    def __init__(
        self, title: str, text: str, *, status: int, reason: Reason, sign_in: str | None = None
    ) -> None:
        """Take heading, explanation and HTTP status of that page, and the word for it in the timeline.

        With `sign_in`, the handle of a request that still waits, the page leads back to its sign-in page.
        """
        self.reason = reason
        self.title = title
        self.text = text
        self.status = status
        self.sign_in = sign_in
        super().__init__(title)


def render(
    template: str, values: Mapping[str, object], *, status: int = 200, form_action: str = "'self'"
) -> Response:
    """Return a page.

    Args:
        template: name of the template.
        values: what it shows; every value is escaped.
        status: the HTTP status.
        form_action: where the page's forms, and redirects that answer them, may lead: browsers check both.
    """
    policy = (
        f"default-src 'none'; style-src 'self'; form-action {form_action}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    html = _templates.get_template(template).render(values)
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy}
    return HTMLResponse(html, status, headers=headers)


def problem(
    request: Request,
    title: str,
    text: str,
    *,
    status: int,
    advice: str = NOTHING_CHANGED,
    retry_after: int | None = None,
    sign_in: str | None = None,
) -> Response:
    """Return a page that says what is wrong and what to do."""
    values = {
        "title": title,
        "text": text,
        "advice": advice,
        "sign_in": sign_in,
        "attempt": attempt_of(request),
        "base": base_path(request),
    }
    response = render("error.html", values, status=status)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def base_path(request: Request) -> str:
    """Return what the issuer's path adds in front of every URL here; empty for most."""
    path: str = request.app.state.base_path
    return path
