"""GET /: what this is, which tokens open it, what is in it; HTML for a browser, JSON for the rest."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from mcp_server.sandbox import email, vals
from mcp_server.sandbox.accounts import ALL, TOKENS, Access
from mcp_server.sandbox.email import Sent
from mcp_server.sandbox.links import LinksDep, date_time
from mcp_server.sandbox.oauth import connections
from mcp_server.sandbox.oauth.connections import Connection
from mcp_server.sandbox.routes.state import StoreDep
from mcp_server.sandbox.vals import Val

router = APIRouter()

DESCRIPTION = "A local stand-in of Val Town's REST API. The tokens are public and open nothing but this."

# Formatted with values escaped by `escape`: one small page, not worth a template engine in the image.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Val Town sandbox</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 50rem; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ border-bottom: 1px solid #ccc; padding: .3rem .6rem .3rem 0; text-align: left }}
pre {{ background: #f4f4f4; overflow-x: auto; padding: .8rem }}
</style>
</head>
<body>
<h1>Val Town sandbox</h1>
<p>{description}</p>
<table>
<thead><tr><th>Account</th><th>Token</th><th>May</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
<table>
<thead><tr><th>Val</th><th>Privacy</th><th>Created</th></tr></thead>
<tbody>
{vals}
</tbody>
</table>
<h2>Connected apps</h2>
{connections}
<table>
<thead><tr><th>Email from</th><th>To</th><th>Subject</th></tr></thead>
<tbody>
{emails}
</tbody>
</table>
<pre>curl -H 'Authorization: Bearer vtwn_sandbox_ada' {base}/v1/me</pre>
</body>
</html>
"""
SHOWN_VALS = 100


@dataclass(frozen=True, slots=True)
class _Shown:
    vals: list[Val]
    emails: list[Sent]
    connections: list[Connection]


@router.get("/")
def start_page(request: Request, links: LinksDep, store: StoreDep) -> Response:
    """Introduce the sandbox, and show what is in it."""
    with store.reading() as session:
        found = vals.latest(session, limit=SHOWN_VALS)
        sent = email.latest(session)
    with store.oauth_reading() as session:
        shown = _Shown(found, sent, connections.listed(session))
    headers = {"Vary": "Accept"}
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(_html(links.base, shown), headers=headers)
    return JSONResponse(
        {
            "name": "Val Town sandbox",
            "description": DESCRIPTION,
            "url": links.base,
            "tokens": [_token(token, access) for token, access in TOKENS.items()],
            "vals": [{"name": _name(val), "privacy": val.privacy} for val in shown.vals],
            "connections": [
                {"id": one.id, "client_id": one.client_id, "username": one.username, "scope": one.scope}
                for one in shown.connections
            ],
            "emails": [
                {"from": sent.sender, "to": sent.recipients, "subject": sent.subject} for sent in shown.emails
            ],
        },
        headers=headers,
    )


def _token(token: str, access: Access) -> dict[str, object]:
    return {
        "token": token,
        "username": access.account.username,
        "tier": access.account.tier,
        "permissions": sorted(access.permissions),
    }


def _name(val: Val) -> str:
    return f"{val.owner.username}/{val.name}"


def _html(base: str, shown: _Shown) -> str:
    tokens = [
        (
            f"{access.account.username} ({access.account.tier})",
            token,
            "everything" if access.permissions == ALL else ", ".join(sorted(access.permissions)),
        )
        for token, access in TOKENS.items()
    ]
    return _PAGE.format(
        description=escape(DESCRIPTION),
        rows=_rows(tokens),
        vals=_rows((_name(val), val.privacy, date_time(val.created_at)) for val in shown.vals),
        emails=_rows((sent.sender, ", ".join(sent.recipients), sent.subject) for sent in shown.emails),
        connections=_connections(shown.connections),
        base=escape(base),
    )


def _connections(found: Iterable[Connection]) -> str:
    forms = [
        f"""<form method="post" action="/connections/{escape(one.id)}/withdraw">
{escape(one.username)}: {escape(one.client_id)} ({escape(one.scope)}) <button>Take back</button>
</form>"""
        for one in found
    ]
    return "\n".join(forms) or "<p>None.</p>"


def _rows(table: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in table)
