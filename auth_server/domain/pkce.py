"""Proof Key for Code Exchange, S256 only (RFC 7636)."""

import hashlib
import re

from shared.flows.steps import Reason
from shared.oauth.errors import InvalidRequest
from shared.sealing import base64url

METHOD = "S256"

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")


def check_challenge(code_challenge: str | None, code_challenge_method: str | None) -> str:
    """Return the challenge of an authorization request (RFC 7636 section 4.3).

    Raises:
        InvalidRequest: it is missing, its method is not S256, or no S256 digest looks like it.
    """
    if code_challenge is None:
        raise InvalidRequest(
            "The code_challenge parameter is missing: PKCE with S256 is required.",
            reason=Reason.CODE_CHALLENGE,
        )
    if code_challenge_method is None:
        # RFC 7636 section 4.3: absent means plain, which OAuth 2.1 does not want.
        raise InvalidRequest(
            "The code_challenge_method parameter is missing: it must be S256.", reason=Reason.CODE_CHALLENGE
        )
    if code_challenge_method != METHOD:
        raise InvalidRequest("The code_challenge_method must be S256.", reason=Reason.CODE_CHALLENGE)
    if not _CHALLENGE.fullmatch(code_challenge):
        raise InvalidRequest(
            f"The code_challenge has {len(code_challenge)} characters or is not base64url: an S256 challenge "
            "is 43 of A-Z a-z 0-9 - _ without padding. Map + to - and / to _ instead of deleting them.",
            reason=Reason.CODE_CHALLENGE,
        )
    return code_challenge


def check_verifier(code_verifier: str | None) -> str:
    """Return the verifier of a token request (RFC 7636 section 4.1).

    Raises:
        InvalidRequest: it is missing, too short, too long, or has other than unreserved characters.
    """
    if code_verifier is None:
        raise InvalidRequest("The code_verifier parameter is missing.", reason=Reason.CODE_VERIFIER)
    if not _VERIFIER.fullmatch(code_verifier):
        raise InvalidRequest(
            f"The code_verifier has {len(code_verifier)} characters or forbidden ones: "
            "it must be 43 to 128 of A-Z a-z 0-9 - . _ ~",
            reason=Reason.CODE_VERIFIER,
        )
    return code_verifier


def challenge_of(code_verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 section 4.6)."""
    return base64url(hashlib.sha256(code_verifier.encode("ascii")).digest())
