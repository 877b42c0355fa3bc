"""Email from the account (POST /v1/email)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.valtown.endpoints.family import Family
from shared.valtown.transport import Call

MAX_ADDRESSES: Final = 50
MAX_ATTACHMENTS: Final = 5


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a message, its content in base64."""

    filename: str
    content: str
    type: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """An email; without addresses it goes to the account itself."""

    subject: str
    text: str | None = None
    html: str | None = None
    to: Sequence[str] = ()
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    reply_to: Sequence[str] = ()
    attachments: Sequence[Attachment] = ()

    def as_json(self) -> dict[str, object]:
        """Return it as the API takes it: what is empty is left out."""
        members: dict[str, object] = {
            "subject": self.subject,
            "text": self.text,
            "html": self.html,
            "to": list(self.to),
            "cc": list(self.cc),
            "bcc": list(self.bcc),
            "replyToList": [{"email": address} for address in self.reply_to],
            "attachments": [
                {"filename": item.filename, "content": item.content}
                | ({"type": item.type} if item.type else {})
                for item in self.attachments
            ],
        }
        return {name: value for name, value in members.items() if value}


class Email(Family):
    """Messages that cannot be called back."""

    async def send_email(self, message: Message) -> None:
        """Hand a message over; Val Town delivers it later."""
        await self._send(Call("POST", "/v1/email", body=message.as_json()))
