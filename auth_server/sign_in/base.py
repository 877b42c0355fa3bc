"""What a way to sign in is to the sign-in endpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.credentials import Credential
from shared.flows.steps import Reason
from shared.refusals.pages import SIGN_IN_REFUSED


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who proved to own a Val Town account. `credential` is kept sealed; None: nothing to keep."""

    subject: str
    username: str
    credential: Credential | None = field(repr=False)


class SignInRefusedError(Exception):
    """The person could not be signed in; `reason` is a sentence for them, `code` the word in the timeline."""

    def __init__(self, reason: str, code: Reason, *, status: int = SIGN_IN_REFUSED.status) -> None:
        """Take the sentence, the word, and the HTTP status of the page that shows the sentence."""
        self.reason = reason
        self.code = code
        self.status = status
        super().__init__(reason)


class SignIn(Protocol):
    """A way to sign in."""

    async def verify(self, form: Mapping[str, str]) -> Person:
        """Return who posted the form.

        Raises:
            SignInRefusedError: nobody that may sign in.
            TemporarilyUnavailable: Val Town cannot tell just now.
        """
        ...
