"""What `make run` prints when everything is ready: where things are, and what to paste into an MCP client."""

import json

from dev.environment import SANDBOX_TOKENS, Plan
from mcp_server.endpoints.client_setup import full_configuration


def banner(plan: Plan) -> str:
    """Return the text, ready to print."""
    return "\n".join(
        [
            "",
            "Ready.",
            "",
            f"  MCP server            {plan.resource}",
            f"  Authorization server  {plan.issuer}",
            f"  Metadata              {plan.issuer}/.well-known/oauth-authorization-server",
            *_val_town(plan),
            "",
            "Claude Code:",
            "",
            f"  claude mcp add --transport http val-town {plan.resource}",
            "",
            "Clients with a configuration file:",
            "",
            _indented(_short_configuration(plan)),
            "",
            "Clients that want every OAuth URL spelled out:",
            "",
            _indented(full_configuration(plan.resource, plan.issuer)),
            "",
            "Logs are in .run/logs. Ctrl-C stops everything.",
        ]
    )


def _val_town(plan: Plan) -> list[str]:
    if not plan.with_sandbox:
        return [f"  Val Town              {plan.val_town}: sign in with an API token of your account"]
    return [
        f"  Val Town              {plan.val_town}, the built-in sandbox",
        f"  Sign in with          {SANDBOX_TOKENS[0]}  (or {SANDBOX_TOKENS[1]})",
    ]


def _short_configuration(plan: Plan) -> dict[str, object]:
    return {"mcpServers": {"val-town": {"type": "http", "url": plan.resource}}}


def _indented(value: object) -> str:
    return "\n".join(f"  {line}" for line in json.dumps(value, indent=2).splitlines())
