"""The tool that sends email (POST /v1/email)."""

import base64
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mcp_server.tools.context import ToolContext
from mcp_server.tools.effects import ADDS
from mcp_server.tools.failures import ToolError
from mcp_server.tools.registry import tool
from shared.valtown.endpoints.email import MAX_ADDRESSES, MAX_ATTACHMENTS, Attachment, Message


def _checked_address(text: str) -> str:
    text = text.strip()
    if "@" not in text or any(character <= " " or character in "\x7f,;<>" for character in text):
        raise ValueError("must be one plain address like name@example.com")
    return text


def _one_line(text: str) -> str:
    if any(character < " " or character == "\x7f" for character in text):
        raise ValueError("must be one line")
    return text


Address = Annotated[str, Field(max_length=320), AfterValidator(_checked_address)]
Addresses = Annotated[list[Address] | None, Field(max_length=MAX_ADDRESSES)]


class AttachedFile(BaseModel):
    """A file to attach."""

    model_config = ConfigDict(extra="forbid")

    filename: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
    content: str = Field(description="Text, or the bytes in base64.", max_length=1_000_000)
    encoding: Literal["text", "base64"] = "text"
    type: str | None = Field(
        default=None,
        description="Media type, like text/csv.",
        max_length=100,
        pattern=r"^[A-Za-z0-9_.+/\-]+$",
    )


class SentEmail(BaseModel):
    """A message that Val Town took over for delivery."""

    accepted: bool
    recipients: list[str] = Field(description="Empty: the account's own address.")


@tool(scope="email:send", title="Send an email", annotations=ADDS)
async def send_email(
    context: ToolContext,
    subject: Annotated[
        str, Field(description="One line.", min_length=1, max_length=500), AfterValidator(_one_line)
    ],
    text: Annotated[str | None, Field(description="The message as plain text.", max_length=200_000)] = None,
    html: Annotated[str | None, Field(description="The message as HTML.", max_length=200_000)] = None,
    to: Annotated[Addresses, Field(description="Default: the account's own address.")] = None,
    cc: Annotated[Addresses, Field(description="Who gets a copy.")] = None,
    bcc: Annotated[Addresses, Field(description="Who gets a copy without the others seeing it.")] = None,
    reply_to: Annotated[list[Address] | None, Field(description="Where answers go.", max_length=10)] = None,
    attachments: Annotated[
        list[AttachedFile] | None, Field(description="Files to attach.", max_length=MAX_ATTACHMENTS)
    ] = None,
) -> SentEmail:
    """Send an email from the signed-in account; it cannot be called back.

    Show the person recipients, subject and text first. On the free plan mail goes only to the account's own
    address. When it is not known whether it was sent, do not simply send it again.
    """
    if not text and not html:
        raise ToolError("Nothing was sent: pass `text`, `html` or both.")
    message = Message(
        subject=subject,
        text=text,
        html=html,
        to=to or (),
        cc=cc or (),
        bcc=bcc or (),
        reply_to=reply_to or (),
        attachments=[_attachment(file) for file in attachments or ()],
    )
    await (await context.valtown()).send_email(message)
    return SentEmail(accepted=True, recipients=[*message.to, *message.cc, *message.bcc])


def _attachment(file: AttachedFile) -> Attachment:
    if file.encoding == "text":
        return Attachment(file.filename, base64.b64encode(file.content.encode()).decode("ascii"), file.type)
    try:
        base64.b64decode(file.content, validate=True)
    except ValueError:
        raise ToolError(f"Nothing was sent: the content of {file.filename} is not base64.") from None
    return Attachment(file.filename, file.content, file.type)


TOOLS: Final = (send_email,)
