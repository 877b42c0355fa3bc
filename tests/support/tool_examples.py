"""For every tool a call that works, and one that names what is not there, against the sandbox's examples."""

from dataclasses import dataclass, field
from typing import Any, Final

import httpx

HELLO: Final = "ada/hello-http"
MISSING_ID: Final = "00000000-0000-4000-8000-00000000dead"


@dataclass(frozen=True)
class Example:
    """Arguments that work; `missing` are those to change so that nothing is found (None: cannot be)."""

    arguments: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, Any] | None = None


def _in_val(missing: dict[str, Any] | None = None, **arguments: Any) -> Example:
    return Example({"val": HELLO, **arguments}, missing or {"val": "ada/nothing-here"})


EXAMPLES: Final = {
    "whoami": Example(),
    "get_me": Example(),
    "get_user": Example({"user": "grace"}, {"user": "nobody"}),
    "list_orgs": Example(),
    "list_org_members": Example({"org": "sandbox-org"}, {"org": "nobody"}),
    "list_my_vals": Example({"name": "hello"}),
    "get_val": _in_val(),
    "create_val": Example({"name": "brand-new"}, {"org": "nobody"}),
    "delete_val": Example({"val": "ada/nightly-report", "confirm": True}, {"val": MISSING_ID}),
    "list_public_vals": Example({"user": "grace"}, {"user": "nobody"}),
    "search_vals": Example({"query": "greeting"}, {"user": "nobody"}),
    "remix_val": Example({"val": "grace/counter", "name": "mine"}, {"val": "grace/nothing-here"}),
    "list_branches": _in_val(),
    "get_branch": _in_val({"branch": MISSING_ID}, branch="draft"),
    "create_branch": _in_val({"source": "nothing-here"}, name="second"),
    "delete_branch": _in_val({"branch": "nothing-here"}, branch="draft", confirm=True),
    "compare_branches": _in_val({"branch": "nothing-here"}, branch="draft"),
    "apply_branch": _in_val({"branch": "nothing-here"}, branch="draft", dry_run=False),
    "list_files": _in_val({"path": "nothing-here"}),
    "read_file": _in_val({"path": "nothing-here"}, path="main.ts"),
    "read_files": _in_val(paths=["main.ts", "nothing-here"]),
    "search_code": _in_val({"path": "nothing-here"}, text="GREET"),
    "create_file": _in_val(path="new/file.ts", content="text"),
    "create_directory": _in_val(path="new"),
    "write_file": _in_val({"path": "nothing-here"}, path="main.ts", content="text"),
    "replace_in_file": _in_val({"path": "nothing-here"}, path="README.md", old_text="hello", new_text="bye"),
    "insert_at_line": _in_val({"path": "nothing-here"}, path="README.md", line=1, text="first"),
    "move_file": _in_val({"path": "nothing-here"}, path="README.md", new_path="lib/README.md"),
    "change_file_type": _in_val({"path": "nothing-here"}, path="README.md", type="script"),
    "delete_file": _in_val({"path": "nothing-here"}, path="README.md"),
    "list_versions": _in_val({"path": "nothing-here"}, path="main.ts"),
    "diff_versions": _in_val({"path": "nothing-here"}, from_version=0, path="main.ts"),
    "restore_file_version": _in_val({"path": "nothing-here"}, path="README.md", version=1),
    "get_file_links": _in_val({"path": "nothing-here"}, path="main.ts"),
    "fetch_val_endpoint": _in_val({"path": "nothing-here"}, path="main.ts", request_path="/a", query="b=1"),
    "call_val_endpoint": _in_val({"path": "nothing-here"}, path="main.ts", body="{}"),
    "list_env_vars": _in_val(),
    "set_env_var": _in_val(key="KEY", value="new value"),
    "delete_env_var": _in_val({"key": "NOTHING"}, key="KEY"),
    "list_blobs": Example({"prefix": "gre"}),
    "get_blob": Example({"key": "greeting"}, {"key": "nothing-here"}),
    "put_blob": Example({"key": "new", "content": "aGk=", "encoding": "base64"}),
    "delete_blob": Example({"key": "greeting"}, {"key": "nothing-here"}),
    "copy_blob": Example({"key": "greeting", "new_key": "copy"}, {"key": "nothing-here"}),
    "move_blob": Example({"key": "greeting", "new_key": "moved"}, {"key": "nothing-here"}),
    "sqlite_query": Example(
        {"sql": "SELECT * FROM notes WHERE id = ?", "parameters": [1]}, {"sql": "SELECT * FROM gone"}
    ),
    "sqlite_execute": Example({"sql": "DELETE FROM notes"}, {"sql": "DELETE FROM gone"}),
    "sqlite_batch": Example(
        {"statements": ["SELECT 1", {"sql": "SELECT ?", "parameters": ["a"]}]},
        {"statements": ["DROP TABLE gone"]},
    ),
    "sqlite_list_tables": Example(),
    "sqlite_describe_table": Example({"table": "notes"}, {"table": "gone"}),
    "get_logs": Example({}, {"val": "ada/nothing-here"}),
    "get_traces": Example({"val": "ada/nightly-report"}, {"val": "ada/nothing-here"}),
    "get_recent_errors": Example({}, {"val": "ada/nothing-here"}),
    "send_email": Example({"subject": "Hello", "text": "there", "to": ["someone@example.com"]}),
}


async def prepare(ada: httpx.AsyncClient) -> None:
    """Put into the sandbox what the examples work on: a branch, a variable, a blob, a table."""
    val = (await ada.get("/v2/alias/vals/ada/hello-http")).json()
    root = f"/v2/vals/{val['id']}"
    branch = (await ada.post(f"{root}/branches", json={"name": "draft"})).json()
    on_branch = {"path": "lib/greet.ts", "branch_id": branch["id"]}
    for response in (
        await ada.put(f"{root}/files", params=on_branch, json={"content": "changed on the branch\n"}),
        await ada.post(f"{root}/environment_variables", json={"key": "KEY", "value": "s3cret-of-ada"}),
        await ada.post("/v1/blob/greeting", content="grüße".encode()),
        await ada.post(
            "/v1/sqlite/batch",
            json={
                "statements": [
                    "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL DEFAULT 'x')",
                    "CREATE INDEX notes_by_text ON notes (text)",
                    "INSERT INTO notes (text) VALUES ('first'), ('second')",
                ],
                "mode": "write",
            },
        ),
    ):
        assert response.is_success, response.text
