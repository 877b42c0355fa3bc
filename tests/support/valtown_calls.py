"""A call of every method of the Val Town client."""

from collections.abc import Awaitable

from shared.valtown.client import ValTownClient
from shared.valtown.endpoints.email import Attachment, Message
from shared.valtown.endpoints.sqlite import Statement
from shared.valtown.endpoints.telemetry import Window


def every_call(client: ValTownClient) -> list[Awaitable[object]]:
    """Return a call of every method, with every argument."""
    val, other = "11111111-2222-4333-8444-555555555555", "21111111-2222-4333-8444-555555555555"
    moment = "2026-01-01T00:00:00Z"
    window = Window(other, (val,), moment, moment, "asc", 5)
    attached = [Attachment("a.txt", "aGk=", "text/plain")]
    message = Message("s", "t", "<p>", ["a@b.c"], ["a@b.c"], ["a@b.c"], ["a@b.c"], attached)
    return [
        client.me(),
        client.user_by_name("ada"),
        client.user(val),
        client.orgs(offset=1, limit=2),
        client.memberships(val),
        client.my_vals(offset=1, limit=2),
        client.all_vals(privacy="public", user_id=val, cursor=moment, limit=1),
        client.val(val),
        client.val_by_name("ada", "a"),
        client.create_val("a", "private", "d", org_id=other),
        client.delete_val(val),
        client.branches(val),
        client.branch(val, other),
        client.create_branch(val, "b", source_id=other),
        client.delete_branch(val, other),
        client.files(val, "a", branch_id=other, version=1, recursive=True),
        client.file_by_id(other),
        client.file_bytes(val, "a", branch_id=other, version=1),
        client.create_file(val, "a", "", "http", branch_id=other),
        client.create_directory(val, "a", branch_id=other),
        client.update_file(val, "a", "x", branch_id=other),
        client.change_file_type(val, "a", "http", branch_id=other),
        client.move_file(val, "a", "", "b", branch_id=other),
        client.delete_file(val, "a", branch_id=other, recursive=True),
        client.env_vars(val),
        client.create_env_var(val, "KEY", "v", "d"),
        client.update_env_var(val, "KEY", "v", "d"),
        client.delete_env_var(val, "KEY"),
        client.blobs("p"),
        client.blob("a/b"),
        client.store_blob("a/b", b"\x00"),
        client.delete_blob("a/b"),
        client.execute(Statement("SELECT :a", {"a": 1})),
        client.batch([Statement("SELECT 1"), Statement("SELECT ?", [None])], "read"),
        client.traces(window, finished=True),
        client.logs(window, trace_ids=["a" * 32]),
        client.send_email(message),
    ]
