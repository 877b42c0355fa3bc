"""What should become of a grant, whatever is done to it in whatever order: the model of the state machine."""

from dataclasses import dataclass, field
from typing import Final

CODE_SECONDS: Final = 60
GRACE_SECONDS: Final = 60
IDLE_SECONDS: Final = 1000
GRANT_SECONDS: Final = 5000
ACCESS_SECONDS: Final = 300


@dataclass
class Family:
    """One approval, and everything issued from it. Times are seconds of the machine's clock."""

    client: int
    code: str
    verifier: str
    grant_id: str
    approved_at: float
    status: str = "pending"
    refresh_tokens: list[str] = field(default_factory=list)
    """All of them, the newest last."""
    access_tokens: list[str] = field(default_factory=list)
    rotated_at: float = 0.0
    used_at: float = 0.0

    def redeem(self, now: float) -> bool:
        """Return whether a redemption that is right in every respect succeeds; a replay ends the grant."""
        if self.status == "pending" and now < self.approved_at + CODE_SECONDS:
            self.status = "active"
            self.used_at = now
            return True
        if self.status == "active":
            self.status = "revoked"
        return False

    def refresh(self, generations_back: int, now: float) -> str:
        """Return what a refresh token of its own client gets: `new`, `same` or `refused`."""
        if self.status != "active" or now >= self.approved_at + GRANT_SECONDS:
            return "refused"
        if generations_back == 0:
            if now >= self.used_at + IDLE_SECONDS:
                return "refused"
            self.rotated_at = self.used_at = now
            return "new"
        if generations_back == 1 and now < self.rotated_at + GRACE_SECONDS:
            return "same"
        self.status = "revoked"
        return "refused"

    def revoke(self) -> None:
        """End it, if it was used at all: an unredeemed one has no token to revoke it by."""
        if self.status == "active":
            self.status = "revoked"
