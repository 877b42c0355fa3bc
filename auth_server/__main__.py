"""`python -m auth_server`: serve the authorization server, or run a command of its operator."""

import sys

from shared.lean_imports import lean_imports


def main() -> None:
    """Serve when called bare; whatever is more is the command line's."""
    if len(sys.argv) > 1:
        from auth_server.command_line import command

        command()
        return
    # Without the command line: its libraries are a twentieth of a worker's memory.
    with lean_imports():
        from auth_server.serving import serve_until_told_to_stop
    serve_until_told_to_stop(None, None)


if __name__ == "__main__":
    main()
