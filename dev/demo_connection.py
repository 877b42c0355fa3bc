"""The demo's first half: an app finds the authorization server, registers, and gets tokens from a person."""

import html
import re
from typing import Any, Final

import httpx

from dev.demo_narrator import Narrator, answered, expect, pairs, short
from dev.flow import Browser, Callback, OAuthClient, Pkce, claims_of, forms_of
from dev.mcp_messages import challenge_of, handshake

_LABEL: Final = re.compile(r'<label for="scope\.([a-z:]+)">([^<]*)</label>')
_ENDPOINTS: Final = (
    "registration_endpoint",
    "authorization_endpoint",
    "token_endpoint",
    "revocation_endpoint",
)


class Connection:
    """An app that was given one URL, and the person who uses it.

    Every step raises `StepFailedError` or `FlowError` when it goes another way than it should.
    """

    def __init__(self, narrator: Narrator, http: httpx.AsyncClient, browser: Browser, url: str) -> None:
        """Take who prints, the app's HTTP client, the person's browser, and the MCP server's URL."""
        self.client = OAuthClient(http, "")
        self.redeemed: list[tuple[str, Pkce]] = []
        self._narrator = narrator
        self._http = http
        self._browser = browser
        self._url = url

    async def discover(self) -> None:
        """Find out from the MCP server's refusal who issues its tokens."""
        tell = self._narrator
        tell.step("Knock without a token")
        tell.asked(f"POST {self._url}", "tools/list")
        response = await handshake("tools/list", version=None).send(self._http, self._url)
        answered(response, 401)
        challenge = challenge_of(response)
        tell.got("401, WWW-Authenticate: Bearer", *pairs(challenge))
        tell.why("The refusal says where to read on: a client needs this one URL and nothing else.")
        expect("resource_metadata" in challenge, "the challenge names no resource_metadata")

        tell.step("Who protects it?")
        resource = await self._read(challenge["resource_metadata"])
        tell.got("200", *pairs({name: resource[name] for name in ("resource", "authorization_servers")}))
        tell.why("The MCP server issues no tokens itself; it names the authorization server it trusts.")
        expect(resource["resource"] == self._url, f"the document is about {resource['resource']}")

        tell.step("What can the authorization server do?")
        self.client.issuer = resource["authorization_servers"][0]
        metadata = await self._read(f"{self.client.issuer}/.well-known/oauth-authorization-server")
        shown = ("issuer", *_ENDPOINTS, "code_challenge_methods_supported")
        tell.got("200", *pairs({name: metadata[name] for name in shown}))
        tell.why("The issuer must be the one that was asked for, to the letter. Otherwise a client stops.")
        expect(metadata["issuer"] == self.client.issuer, f"the issuer is {metadata['issuer']}")

    async def register(self) -> None:
        """Register the app by itself (RFC 7591)."""
        tell = self._narrator
        tell.step("Register the app")
        tell.asked(f"POST {self.client.issuer}/oauth/register", "client_name Demo App, one redirect URI")
        registered = await self.client.register(client_name="Demo App")
        shown = ("client_id", "redirect_uris", "token_endpoint_auth_method")
        hidden = {"client_secret": short(registered["client_secret"])}
        tell.got("201", *pairs({**{name: registered[name] for name in shown}, **hidden}))
        tell.why("Nobody has to enter the app anywhere beforehand; being registered allows nothing yet.")

    async def connect(self, scope: str) -> dict[str, Any]:
        """Send the person to sign in and consent; return the tokens."""
        pkce = Pkce.new()
        self._narrator.step("Send the person to sign in")
        page = await self._ask_person(pkce, scope)
        expect("api_token" in forms_of(page.text)[0].inputs, "no sign-in page came")
        self._narrator.got("200, the sign-in page")
        self._narrator.asked("POST /oauth/sign-in", f"api_token {short(self._browser.api_token)}")
        page = await self._browser.sign_in(page)
        self._narrator.why("There are no passwords here: a token of a Val Town account shows whose it is.")
        return await self._redeem(await self._consent(page), pkce, show_claims=True)

    async def step_up(self, scope: str) -> dict[str, Any]:
        """Ask the person, who is signed in still, for more; return the new tokens."""
        pkce = Pkce.new()
        self._narrator.step("Step up: ask the person for more")
        page = await self._ask_person(pkce, scope)
        self._narrator.why(
            "Still signed in, the person is asked all the same: only a click lets a scope grow."
        )
        return await self._redeem(await self._consent(page), pkce)

    def show_tokens(self, issued: dict[str, Any]) -> None:
        """Print a token response."""
        hidden = {name: short(issued[name]) for name in ("access_token", "refresh_token")}
        self._narrator.got("200", *pairs({**issued, **hidden}))

    async def _ask_person(self, pkce: Pkce, scope: str) -> httpx.Response:
        url = self.client.authorize_url(pkce, resource=self._url, scope=scope)
        shown = {"scope": scope, "resource": self._url, "code_challenge": f"{short(pkce.challenge)} (S256)"}
        self._narrator.asked(f"GET {url.partition('?')[0]}", *pairs(shown))
        return await self._browser.open(url)

    async def _consent(self, page: httpx.Response) -> Callback:
        tell = self._narrator
        tell.step("Consent")
        offered = _LABEL.findall(page.text)
        expect(bool(offered), f"no consent page came, but {page.status_code}")
        titles = {name: html.unescape(title) for name, title in offered}
        tell.got("200, the consent page: “Demo App” may", *pairs(titles))
        tell.asked("POST /oauth/consent", "decision approve")
        callback = await self._browser.decide(page)
        shown = dict(callback.parameters)
        expect("code" in shown, f"no code came back: {shown}")
        expect(shown.get("iss") == self.client.issuer, f"the answer came from {shown.get('iss')}")
        shown["code"] = short(shown["code"])
        tell.got(f"303 to {callback.url.partition('?')[0]}", *pairs(shown))
        tell.why(
            "Any box could have been unticked. The code is useless without the app's PKCE verifier; iss "
            "tells the app that the right server answered, and state that it answers the app's own question."
        )
        return callback

    async def _redeem(self, callback: Callback, pkce: Pkce, *, show_claims: bool = False) -> dict[str, Any]:
        tell = self._narrator
        tell.step("Exchange the code for tokens")
        code = callback.parameters["code"]
        form = {
            "grant_type": "authorization_code",
            "code": short(code),
            "code_verifier": short(pkce.verifier),
        }
        tell.asked(f"POST {self.client.issuer}/oauth/token", *pairs(form))
        issued = answered(await self.client.redeem(code, pkce.verifier), 200)
        self.redeemed.append((code, pkce))
        self.show_tokens(issued)
        claims = claims_of(issued["access_token"])
        expect(claims["aud"] == self._url, f"the token is for {claims['aud']}")
        if show_claims:
            tell.got("in the access token", *pairs(claims))
            tell.why(
                "Good for this MCP server alone (aud), for an hour, and for what was approved (scope). It "
                "holds no Val Town credential: that one is sealed in the store, under the grant (gid)."
            )
        return issued

    async def _read(self, url: str) -> dict[str, Any]:
        self._narrator.asked(f"GET {url}")
        return answered(await self._http.get(url), 200)
