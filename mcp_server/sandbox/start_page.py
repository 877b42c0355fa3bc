"""GET /: what this is and which tokens open it, as HTML for a browser and as JSON for the rest."""

from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from mcp_server.sandbox.accounts import ALL, TOKENS, Access
from mcp_server.sandbox.links import LinksDep

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
<pre>curl -H 'Authorization: Bearer vtwn_sandbox_ada' {base}/v1/me</pre>
</body>
</html>
"""
_ROW = "<tr><td>{account}</td><td><code>{token}</code></td><td>{permissions}</td></tr>"


@router.get("/")
async def start_page(request: Request, links: LinksDep) -> Response:
    """Introduce the sandbox."""
    headers = {"Vary": "Accept"}
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(_html(links.base), headers=headers)
    return JSONResponse(
        {
            "name": "Val Town sandbox",
            "description": DESCRIPTION,
            "url": links.base,
            "tokens": [_token(token, access) for token, access in TOKENS.items()],
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


def _html(base: str) -> str:
    rows = [
        _ROW.format(
            account=escape(f"{access.account.username} ({access.account.tier})"),
            token=escape(token),
            permissions="everything" if access.permissions == ALL else ", ".join(sorted(access.permissions)),
        )
        for token, access in TOKENS.items()
    ]
    return _PAGE.format(description=escape(DESCRIPTION), rows="\n".join(rows), base=escape(base))
