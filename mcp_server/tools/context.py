"""What a tool, resource or prompt gets from the layer above: the caller, Val Town as the caller sees it, and
ways to report and to ask.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from mcp_types import CreateMessageRequest, ElicitRequest, ListRootsRequest, LoggingLevel

from mcp_server.auth.principal import Principal
from shared.valtown.client import ValTownClient

Capability = Literal["elicitation", "sampling", "roots"]
Question = ElicitRequest | CreateMessageRequest | ListRootsRequest
"""What a client can be asked: its person by a form, its model, or for its roots."""


class InputRequiredError(Exception):
    """The client must answer questions before the call can go on; it then sends the whole call again."""

    def __init__(self, questions: Mapping[str, Question]) -> None:
        """Take what is still unanswered, by key."""
        super().__init__(", ".join(questions))
        self.questions = questions


class MissingCapabilityError(Exception):
    """The call cannot do without a capability that the client did not declare."""

    def __init__(self, capability: Capability) -> None:
        """Take the capability's name."""
        super().__init__(capability)
        self.capability = capability


class ToolContext(Protocol):
    """One call; nothing in it outlives the call."""

    @property
    def principal(self) -> Principal:
        """The caller."""

    async def valtown(self) -> ValTownClient:
        """Return Val Town as the caller sees it; the credential is looked up at the first use.

        Raises:
            Unauthorized: the grant has no credential any more.
        """

    async def report_progress(
        self, progress: float, total: float | None = None, message: str | None = None
    ) -> None:
        """Tell the client how far the call is; `progress` must grow. Does nothing when nobody asked."""

    async def log(self, level: LoggingLevel, data: object) -> None:
        """Send a log message to the client, never a secret. Does nothing when nobody asked."""

    def can_ask(self, capability: Capability = "elicitation") -> bool:
        """Return whether the client can be asked for this in the course of a call."""

    async def ask(
        self, questions: Mapping[str, Question], *, bound: bool = True
    ) -> Mapping[str, Mapping[str, Any]]:
        """Return the client's answers by key, as MCP's result objects of those requests.

        The call runs again from its beginning with each round of answers, so nothing may have been changed
        before this. `bound`: only answers to these very questions count, asked in the course of this call
        with the same arguments; otherwise answers that come without having been asked for do too.

        Raises:
            InputRequiredError: there are none yet; let it pass.
            MissingCapabilityError: the client cannot be asked (`can_ask`); let it pass.
        """

    async def confirm(self, message: str) -> bool:
        """Return whether the client's person agrees, under the conditions of `ask`."""
