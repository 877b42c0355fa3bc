"""Everything that handles a secret, in every state at once, and a list of the secrets."""

from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from joserfc.jwk import RSAKey

from dev.flow import Browser, OAuthClient, Pkce, forms_of
from tests.auth_server.deployment import ADA, GRACE
from tests.security.deployment import Deployment


@dataclass
class Story:
    """What happened, and every secret of it by name."""

    confidential: OAuthClient
    public: OAuthClient
    tokens: dict[str, Any] = field(default_factory=dict)
    public_tokens: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str | bytes] = field(default_factory=dict)

    def take_registration(self, name: str, registered: dict[str, Any]) -> None:
        """Note the secrets of a registration."""
        for member in ("client_secret", "registration_access_token"):
            if member in registered:
                self._take(f"{name} {member}", registered[member])

    def take_tokens(self, name: str, tokens: dict[str, Any]) -> None:
        """Note the secrets of a token response."""
        self._take(f"{name} access token", tokens["access_token"])
        self.secrets[f"{name} signature"] = tokens["access_token"].rpartition(".")[2]
        self._take(f"{name} refresh token", tokens["refresh_token"])

    def take_code(self, name: str, code: str) -> None:
        """Note a code and its secret half: the grant id in front of it is no secret."""
        self._take(name, code)
        self.secrets[f"{name}, secret half"] = code.rpartition(".")[2]

    def take_page(self, name: str, browser: Browser, page: str) -> None:
        """Note what belongs to a page and to its browser."""
        (form,) = forms_of(page)
        self._take(f"{name} handle", form.fields["txn"])
        self.secrets[f"{name} form token"] = form.fields["csrf"]
        for cookie in browser.http.cookies.jar:
            self._take(f"{name} {cookie.name}", cookie.value or "")

    def _take(self, name: str, value: str) -> None:
        self.secrets[name] = value
        prefix, underscore, body = value.partition("_")
        if underscore and prefix.startswith("vt"):
            self.secrets[f"{name}, body"] = body


async def live_through(deployment: Deployment) -> Story:
    """Leave a code, a used one, a rotation within its grace, open pages, sessions, and a revoked grant."""
    browser, pkce = deployment.browser(), Pkce.new()
    confidential, public = deployment.client(), deployment.client()
    story = Story(confidential, public)
    story.take_registration("confidential", await confidential.register())
    story.take_registration("public", await public.register(token_endpoint_auth_method="none"))
    page = await browser.open(confidential.authorize_url(pkce))
    story.take_page("sign-in page", browser, page.text)
    page = await browser.sign_in(page)
    story.take_page("consent page", browser, page.text)
    code = (await browser.decide(page)).parameters["code"]
    story.take_code("redeemed code", code)
    first = (await confidential.redeem(code, pkce.verifier)).json()
    story.take_tokens("first", first)
    story.tokens = (await confidential.refresh(first["refresh_token"])).json()
    story.take_tokens("second", story.tokens)
    story.secrets |= {"verifier": pkce.verifier, "ada": ADA, "grace": GRACE}
    await _leave_open(deployment, story, browser)
    await _revoke_one(deployment, story)
    story.secrets |= server_secrets(deployment)
    return story


async def _leave_open(deployment: Deployment, story: Story, browser: Browser) -> None:
    page = await browser.open(story.confidential.authorize_url(Pkce.new()))
    story.take_page("waiting page", browser, page.text)
    grace = deployment.browser(GRACE)
    callback = await grace.approve(story.public.authorize_url(Pkce.new()))
    story.take_code("waiting code", callback.parameters["code"])
    story.public_tokens = await story.public.tokens(grace)
    story.take_tokens("public", story.public_tokens)


async def _revoke_one(deployment: Deployment, story: Story) -> None:
    client = deployment.client()
    await client.register()
    tokens = await client.tokens(deployment.browser())
    story.take_tokens("revoked", tokens)
    await client.revoke(tokens["access_token"])
    await client.revoke(tokens["refresh_token"])


def server_secrets(deployment: Deployment) -> dict[str, str | bytes]:
    """Return the secrets of the server itself, in every form that is usable."""
    settings, pem = deployment.auth.settings, deployment.pem
    jwk = RSAKey.import_key(pem).as_dict(private=True)
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, RSAPrivateKey)
    forms = (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL)
    ders = [
        key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption()) for form in forms
    ]
    # The modulus, which is no secret, fills the first seven lines.
    private_lines = {f"line {number} of the PEM": pem.splitlines()[number] for number in range(8, 26)}
    return {
        "encryption key": settings.encryption_key,
        "MAC key": settings.sealer.derive("refresh-token"),
        "form key": settings.sealer.derive("form-token"),
        "PEM": pem,
        "DER": ders[0],
        "PKCS#1": ders[1],
        **{f"JWK member {name}": str(jwk[name]) for name in ("d", "p", "q", "dp", "dq", "qi")},
        **private_lines,
    }
