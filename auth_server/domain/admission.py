"""Who may use this server: judged at sign-in, and again whenever something is issued."""

from dataclasses import dataclass

from auth_server.models import UserSession


@dataclass(frozen=True, slots=True)
class Admission:
    """`allowed_users` are lower-case Val Town user names; none means everybody."""

    allowed_users: frozenset[str]
    owner_mode: bool

    def admits(self, username: str) -> bool:
        """Return whether a person of this name may use the server."""
        return not self.allowed_users or username.lower() in self.allowed_users

    def admits_session(self, session: UserSession) -> bool:
        """Return whether a session still counts: it was made in the mode of now, by somebody still admitted.

        A session of owner mode keeps no credential, one of any other mode does.
        """
        made_in_owner_mode = session.sealed_credential is None
        return made_in_owner_mode == self.owner_mode and self.admits(session.username)
