"""POST /v1/email."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import Field

from mcp_server.sandbox import email
from mcp_server.sandbox.access import EmailWriter
from mcp_server.sandbox.bodies import Body, json_body
from mcp_server.sandbox.routes.state import StoreDep

router = APIRouter()


class Named(Body):
    """An address with a name."""

    email: str = Field(max_length=320)
    name: str | None = Field(default=None, max_length=256)


class Attachment(Body):
    """An attached file."""

    content: str
    filename: str
    type: str | None = None
    disposition: str | None = None
    contentId: str | None = None  # noqa: N815 - the wire's spelling


Address = Annotated[str, Field(max_length=320)] | Named
Addresses = Address | Annotated[list[Address], Field(max_length=50)]


class Message(Body):
    """The body of POST /v1/email."""

    subject: str | None = None
    sender: Address | None = Field(default=None, alias="from")
    headers: dict[str, str] | None = Field(default=None, max_length=50)
    to: Addresses | None = None
    cc: Addresses | None = None
    bcc: Addresses | None = None
    text: str | None = None
    html: str | None = Field(default=None, min_length=1)
    attachments: list[Attachment] | None = Field(default=None, max_length=5)
    replyToList: Named | Annotated[list[Named], Field(max_length=10)] | None = None  # noqa: N815

    def recipients(self) -> list[str]:
        """Return every address it goes to."""
        return [address for given in (self.to, self.cc, self.bcc) for address in _addresses(given)]


@router.post("/v1/email")
def send_email(
    sender: EmailWriter, body: Annotated[Message, Depends(json_body(Message))], store: StoreDep
) -> JSONResponse:
    """Accept a message."""
    kept = body.model_dump(exclude_none=True, by_alias=True)
    with store.writing() as session:
        email.send(session, sender, body.recipients(), kept)
    return JSONResponse({"message": "Email accepted to be sent"}, 202)


def _addresses(given: Addresses | None) -> list[str]:
    several = given if isinstance(given, list) else [] if given is None else [given]
    return [item if isinstance(item, str) else item.email for item in several]
