"""The one table of rights: what each scope means, what it implies, what it opens.

Consent page, authorization server metadata, `tools/list`, the check before a call, the 403 challenge and the
documentation are all made from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class ScopePolicy:
    """One scope: title and plain words for the consent page, the scopes it implies, and what it opens.

    `resources` are URIs or URI templates, `prompts` names.
    """

    name: str
    title: str
    words: str
    implies: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    forwarded: tuple[str, ...] = ()
    """Tools that are there only where calls are forwarded to Val Town's own MCP server."""
    by_name_only: bool = False
    """True for what no umbrella scope includes: secrets, and what cannot be taken back."""


_FINE: Final = (
    ScopePolicy(
        "vals:read",
        "See your vals",
        "List and look up your vals, including private ones, and their branches and files.",
        implies=("files:read",),
        tools=(
            "list_my_vals",
            "get_val",
            "list_public_vals",
            "search_vals",
            "list_branches",
            "get_branch",
            "compare_branches",
        ),
        resources=("valtown://vals", "valtown://guides/{topic}"),
        forwarded=("get_schedule", "get_val_history"),
    ),
    ScopePolicy(
        "vals:write",
        "Create and delete vals",
        "Create vals and branches and delete them, with all the code in them.",
        implies=("vals:read", "files:write"),
        tools=(
            "create_val",
            "delete_val",
            "remix_val",
            "create_branch",
            "delete_branch",
            "apply_branch",
            "call_val_endpoint",
        ),
        prompts=("valley", "new_http_val", "new_cron_val"),
        forwarded=("run_file", "update_val", "set_schedule", "merge_branch"),
    ),
    ScopePolicy(
        "files:read",
        "Read code",
        "Read the files of your vals.",
        tools=(
            "list_files",
            "read_file",
            "read_files",
            "search_code",
            "list_versions",
            "diff_versions",
            "get_file_links",
            "fetch_val_endpoint",
        ),
        resources=(
            "valtown://vals/{owner}/{name}/readme",
            "valtown://vals/{owner}/{name}/files/{+path}",
            "valtown://vals/{owner}/{name}/branches/{branch}/files/{+path}",
        ),
        prompts=("review_val",),
    ),
    ScopePolicy(
        "files:write",
        "Change code",
        "Create, change, move and delete files in your vals. Changed code runs at once.",
        implies=("files:read",),
        tools=(
            "create_file",
            "create_directory",
            "write_file",
            "replace_in_file",
            "insert_at_line",
            "move_file",
            "change_file_type",
            "delete_file",
            "restore_file_version",
        ),
    ),
    ScopePolicy(
        "blobs:read",
        "Read blobs",
        "List and read what is in your blob storage.",
        tools=("list_blobs", "get_blob"),
        resources=("valtown://blobs/{+key}",),
    ),
    ScopePolicy(
        "blobs:write",
        "Change blobs",
        "Store, replace and delete blobs.",
        implies=("blobs:read",),
        tools=("put_blob", "delete_blob", "copy_blob", "move_blob"),
    ),
    ScopePolicy(
        "sqlite:read",
        "Query your database",
        "Run read-only queries on your SQLite database.",
        tools=("sqlite_query", "sqlite_list_tables", "sqlite_describe_table"),
        resources=("valtown://sqlite/schema",),
    ),
    ScopePolicy(
        "sqlite:write",
        "Change your database",
        "Run any statement on your SQLite database, including deleting tables.",
        implies=("sqlite:read",),
        tools=("sqlite_execute", "sqlite_batch"),
    ),
    ScopePolicy(
        "env:read",
        "See the names of secrets",
        "List the names of environment variables, never their values.",
        tools=("list_env_vars",),
    ),
    ScopePolicy(
        "env:write",
        "Change secrets",
        "Set and delete environment variables of your vals.",
        implies=("env:read",),
        tools=("set_env_var", "delete_env_var"),
        by_name_only=True,
    ),
    ScopePolicy(
        "telemetry:read",
        "Read logs",
        "Read the logs and traces of your vals.",
        tools=("get_logs", "get_traces", "get_recent_errors"),
        prompts=("debug_val",),
    ),
    ScopePolicy(
        "email:send",
        "Send email",
        "Send email from your Val Town account. A sent message cannot be called back.",
        tools=("send_email",),
        by_name_only=True,
    ),
    ScopePolicy(
        "user:read",
        "See your profile",
        "See your user name, profile and plan.",
        tools=("get_me", "get_user"),
        resources=("valtown://me",),
    ),
    ScopePolicy(
        "orgs:read",
        "See your organizations",
        "List your organizations and their members.",
        tools=("list_orgs", "list_org_members"),
    ),
)


@dataclass(frozen=True, slots=True)
class Area:
    """Scopes that touch the same things, as the consent page groups them.

    `of_vals`: what they open belongs to some val, so a grant can be limited to chosen ones.
    """

    title: str
    scopes: tuple[str, ...]
    of_vals: bool = False


AREAS: Final = (
    Area(
        "Vals",
        (
            "vals:read",
            "vals:write",
            "files:read",
            "files:write",
            "env:read",
            "env:write",
            "telemetry:read",
        ),
        of_vals=True,
    ),
    Area("Storage of the account", ("blobs:read", "blobs:write", "sqlite:read", "sqlite:write")),
    Area("The account", ("user:read", "orgs:read", "email:send")),
)

OFFLINE_ACCESS: Final = "offline_access"
"""Accepted and advertised by the authorization server alone; refresh tokens are issued either way."""

ANY_TOKEN_TOOLS: Final = ("whoami",)
"""Tools that every valid token may call: they tell only what the token itself says."""

SCOPES: Final[Mapping[str, ScopePolicy]] = MappingProxyType({scope.name: scope for scope in _FINE})
"""Fine scopes in the order in which people see them."""

UMBRELLAS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "read": tuple(name for name in SCOPES if name.endswith(":read")),
        "write": tuple(
            scope.name for scope in _FINE if scope.name.endswith(":write") and not scope.by_name_only
        ),
    }
)
"""`read` and `write`: short names for many fine scopes, never for those that must be asked for by name."""

DEFAULT_SCOPE: Final = "read"
"""What a client gets that asks for nothing."""

RESOURCE_SCOPES: Final[tuple[str, ...]] = (*UMBRELLAS, *SCOPES)
"""Every scope of the MCP server, for its metadata (RFC 9728 section 2)."""

ALL_SCOPES: Final[tuple[str, ...]] = (*RESOURCE_SCOPES, OFFLINE_ACCESS)
"""Every scope the authorization server knows (RFC 8414 section 2)."""

SCOPE_OF_TOOL: Final[Mapping[str, str | None]] = MappingProxyType(
    {
        **dict.fromkeys(ANY_TOKEN_TOOLS),
        **{tool: scope.name for scope in _FINE for tool in scope.tools},
    }
)
"""Tool name → the scope it needs; None: any valid token."""

SCOPE_OF_RESOURCE: Final[Mapping[str, str | None]] = MappingProxyType(
    {uri: scope.name for scope in _FINE for uri in scope.resources}
)
"""URI or URI template of a resource → the scope it needs."""

SCOPE_OF_PROMPT: Final[Mapping[str, str | None]] = MappingProxyType(
    {prompt: scope.name for scope in _FINE for prompt in scope.prompts}
)
"""Prompt name → the scope it needs."""
