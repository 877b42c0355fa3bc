"""The authorization server's fixtures, for attacks that begin in process."""

from tests.auth_server.conftest import pem, sandbox

__all__ = ["pem", "sandbox"]
