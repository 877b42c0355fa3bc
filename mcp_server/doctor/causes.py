"""Why a client does not connect: every cause the doctor knows, with what to do about it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause.

    Attributes:
        id: stable, for scripts.
        says: what is wrong, and what a client does then; a sentence or two.
        fix: what to change, and where.
        warning: clients connect all the same, some of them or for now.
    """

    id: str
    says: str
    fix: str
    warning: bool = False


_TABLE: Final = (
    # The way to the server.
    Cause("no-address", "The name of the host has no address.", "Correct the URL, or the DNS entry."),
    Cause(
        "connection-refused",
        "Nothing listens there.",
        "Start the proxy or the server; check the port and the firewall.",
    ),
    Cause(
        "tls-certificate",
        "The certificate is not trusted, has expired, or is for another name. No client goes on from there.",
        "Give the proxy a certificate of a public authority for this name, with its whole chain.",
    ),
    Cause(
        "no-answer",
        "The server did not answer in time. Clients give up after ten seconds or less.",
        "Look whether the proxy reaches the server, and whether the server reaches its store.",
    ),
    Cause(
        "not-http",
        "What answers does not speak HTTP as expected.",
        "Check scheme and port: https to a port that speaks plain http, or the other way round, looks so.",
    ),
    Cause(
        "proxy-without-server",
        "The proxy answers, but reaches no server behind it.",
        "Start the service; check the address the proxy sends to (mcp_server 8000, auth_server 9000).",
    ),
    Cause(
        "not-ready",
        "The service answers that it is not ready: it lacks its store, its keys, or the list of revocations.",
        "Look at /readyz and at the log of the service; usually REDIS_URL or OAUTH_ENCRYPTION_KEY is wrong.",
    ),
    Cause(
        "oauth-off",
        "OAuth is switched off, so no client can sign in.",
        "Set OAUTH_ENABLED=true.",
    ),
    Cause(
        "redirected",
        "The URL redirects. Clients lose the body or the credential on the way, or stop.",
        "Give people the URL it leads to, and set MCP_RESOURCE_URL to that; serve it without a redirect.",
    ),
    Cause(
        "page-in-the-way",
        "A page answers where the server should: a login, a firewall or a bot check of something in between.",
        "Let /mcp, /.well-known/ and /oauth/ pass the firewall, bot protection and single sign-on in front.",
    ),
    Cause(
        "no-such-path",
        "There is no MCP server at this path.",
        "Use the URL with its path, normally /mcp; check that the proxy passes the path on unchanged.",
    ),
    Cause(
        "open",
        "The server answers without any token.",
        "Something in front adds a credential, or this is another server. Remove it.",
    ),
    Cause(
        "not-401",
        "Without a token the answer must be 401, and is not: clients do not start to sign in.",
        "Look which part in front changes the status.",
    ),
    Cause(
        "http-url",
        "The URL begins with http and is not on this computer: tokens would travel unguarded, and clients "
        "refuse it.",
        "Serve it by https, and set MCP_RESOURCE_URL and OAUTH_ISSUER_URL to the https URLs.",
    ),
    Cause(
        "agent-blocked",
        "Something in front refuses requests by their User-Agent: some clients get through, others do not.",
        "Let /mcp, /.well-known/ and /oauth/ pass bot protection, whoever asks (Cloudflare: Block AI bots).",
    ),
    # The challenge.
    Cause(
        "challenge-stripped",
        "The 401 has no WWW-Authenticate header: clients do not learn where to sign in.",
        "Let the proxy pass WWW-Authenticate on.",
    ),
    Cause(
        "challenge-of-another",
        "The WWW-Authenticate header asks for another kind of credential than Bearer.",
        "Switch off the authentication of the proxy for /mcp.",
    ),
    Cause(
        "challenge-without-metadata",
        "The challenge does not name resource_metadata (RFC 9728): clients have to guess.",
        "Let the proxy pass WWW-Authenticate on unchanged.",
    ),
    Cause(
        "challenge-elsewhere",
        "The challenge names metadata on another origin than the URL that people enter.",
        "Set MCP_RESOURCE_URL of mcp_server to the public URL, exactly.",
    ),
    # Resource metadata.
    Cause(
        "resource-metadata-missing",
        "The resource's metadata are not where the challenge or RFC 9728 has them.",
        "Let the proxy send /.well-known/oauth-protected-resource and what begins so to mcp_server.",
    ),
    Cause(
        "resource-metadata-root-missing",
        "Older clients look for the resource's metadata at the root only, and do not find them.",
        "Let the proxy send /.well-known/oauth-protected-resource to mcp_server too.",
        warning=True,
    ),
    Cause(
        "legacy-metadata-missing",
        "Clients of the 2025-03-26 revision look for the authorization server's metadata at the MCP server's "
        "own origin, and do not find them.",
        "Let the proxy send /.well-known/oauth-authorization-server on the MCP host to mcp_server (on a host "
        "of both: to auth_server).",
        warning=True,
    ),
    Cause(
        "resource-mismatch",
        "The metadata are for another URL. Clients compare it letter by letter and stop.",
        "Set MCP_RESOURCE_URL to the URL that people enter: scheme, host, port, path and slashes.",
    ),
    Cause(
        "no-issuer",
        "The metadata name no authorization server.",
        "Look what changes the document; mcp_server always names OAUTH_ISSUER_URL.",
    ),
    Cause(
        "issuer-http",
        "The authorization server is named with http. Clients refuse it, or browsers block it.",
        "Set OAUTH_ISSUER_URL to the https URL, on both services.",
    ),
    # Metadata of the authorization server.
    Cause(
        "issuer-unreachable",
        "The authorization server that is named cannot be reached from here.",
        "Check OAUTH_ISSUER_URL: it must be the public URL, not one inside the network.",
    ),
    Cause(
        "issuer-metadata-missing",
        "The authorization server's metadata are not where RFC 8414 has them: the well-known part goes "
        "between host and path of the issuer.",
        "Let the proxy send /.well-known/oauth-authorization-server and what begins so to auth_server.",
    ),
    Cause(
        "openid-form-missing",
        "Some clients look for openid-configuration only, and do not find it.",
        "Let the proxy send /.well-known/openid-configuration to auth_server too.",
        warning=True,
    ),
    Cause(
        "not-json",
        "A document is not served as JSON. Many clients stop there.",
        "Let the proxy pass Content-Type on unchanged.",
    ),
    Cause(
        "issuer-mismatch",
        "The issuer in the metadata is not, letter by letter, the one that the resource names.",
        "Set OAUTH_ISSUER_URL to the same text on both services, without a slash at the end.",
    ),
    Cause(
        "endpoint-elsewhere",
        "An endpoint in the metadata is not on the issuer's origin.",
        "Set OAUTH_ISSUER_URL of auth_server to its public URL.",
    ),
    Cause(
        "no-s256",
        "The metadata do not list S256: clients that must use PKCE stop (OAuth 2.1).",
        "Look what changes the document; auth_server always lists it.",
    ),
    Cause(
        "no-code-flow",
        "The metadata do not list the response type code.",
        "Look what changes the document; auth_server always lists it.",
    ),
    Cause(
        "no-public-clients",
        "The metadata do not list the method none: clients without a secret do not even try.",
        "Look what changes the document; auth_server always lists it.",
    ),
    Cause(
        "no-registration",
        "New clients can neither register nor use a metadata document; only pre-registered ones connect.",
        "Look what changes the document; see OAUTH_CLIENT_DOCUMENTS.",
    ),
    Cause(
        "no-iss",
        "The metadata do not promise iss in answers (RFC 9207); some clients then use another redirect URI.",
        "Look what changes the document; auth_server always promises it.",
        warning=True,
    ),
    Cause(
        "cached-too-long",
        "A document may be cached for more than a day: changes reach clients late.",
        "Let the proxy pass Cache-Control on unchanged.",
        warning=True,
    ),
    # Keys.
    Cause(
        "keys-missing",
        "The signing keys are not at jwks_uri. No token can be verified.",
        "Let the proxy send /.well-known/jwks.json to auth_server.",
    ),
    Cause("keys-empty", "The key set holds no key.", "Look at /readyz and at the log of auth_server."),
    Cause(
        "keys-private",
        "The key set holds a private key. Whoever has read it can make tokens.",
        "Take it down at once, then run `python -m auth_server keys revoke KID`.",
    ),
    Cause(
        "keys-cached",
        "The key set may be cached for longer than a new key is published before it signs: after a rotation "
        "tokens are refused.",
        "Let the proxy pass Cache-Control of /.well-known/jwks.json on unchanged, and not cache it longer.",
    ),
    Cause(
        "keys-disagree",
        "Reading the key set twice gave different keys: replicas of auth_server do not share a store.",
        "Give all replicas the same REDIS_URL and OAUTH_ENCRYPTION_KEY. (During a rotation, try again.)",
    ),
    # Endpoints.
    Cause(
        "registration-closed",
        "The registration endpoint does not let strangers in: clients cannot register.",
        "Let the proxy pass POST /oauth/register without authentication.",
    ),
    Cause(
        "registration-unchecked",
        "The registration endpoint accepted a redirect URI that no server may accept.",
        "This is not the authorization server of this project, or something answers in its place.",
    ),
    Cause(
        "authorize-missing",
        "The authorization endpoint does not answer with a page.",
        "Let the proxy send /oauth/authorize, /oauth/sign-in, /oauth/consent and /account to auth_server.",
    ),
    Cause(
        "authorize-open-redirect",
        "The authorization endpoint redirected to a URI of an unknown client.",
        "This is not the authorization server of this project, or something answers in its place.",
    ),
    Cause(
        "headers-stripped",
        "Pages come without the headers that keep other sites from framing them.",
        "Let the proxy pass Content-Security-Policy and X-Frame-Options on unchanged.",
    ),
    Cause(
        "token-endpoint-missing",
        "The token endpoint does not answer as one.",
        "Let the proxy pass POST /oauth/token with its body to auth_server.",
    ),
    Cause(
        "token-cached",
        "Answers of the token endpoint may be cached: one person could get the tokens of another.",
        "Let the proxy pass Cache-Control: no-store on, and never cache /oauth/.",
    ),
    # Browsers.
    Cause(
        "no-cors",
        "Web pages of other origins may not read this: clients that run in a browser cannot connect.",
        "Let the proxy pass Access-Control-Allow-Origin on, and answer OPTIONS no differently itself.",
    ),
    Cause(
        "preflight-refused",
        "The preflight that browsers send first is refused, or does not allow the headers of MCP.",
        "Let the proxy pass OPTIONS on to the service.",
    ),
    Cause(
        "not-exposed",
        "Browsers may not show clients the WWW-Authenticate header, so they do not learn where to sign in.",
        "Let the proxy pass Access-Control-Expose-Headers on unchanged.",
    ),
    # Tokens.
    Cause(
        "authorization-stripped",
        "The server does not see the Authorization header: after signing in nothing works.",
        "Let the proxy pass Authorization on.",
    ),
    Cause(
        "headers-too-long",
        "A header as long as an access token can be is refused on the way.",
        "Raise the limit of the proxy for one header and for all to 16 KiB or more.",
    ),
    Cause(
        "bad-token-accepted",
        "The server answered although the token is nonsense.",
        "Something in front replaces the credential. Remove it.",
    ),
    Cause(
        "bad-token-misjudged",
        "A token that is not good must be answered with 401 and invalid_token: clients do not sign in again.",
        "Look which part in front changes the answer.",
    ),
    Cause(
        "clock-wrong",
        "The clock of the server and the one here differ by more than a minute: tokens are over too early, "
        "or not good yet.",
        "Set both clocks by NTP.",
    ),
    Cause(
        "slash-redirects",
        "The URL with a slash at its end redirects; clients that add one lose their request.",
        "Let the proxy pass both, or neither, without a redirect.",
        warning=True,
    ),
    Cause(
        "origin-refused",
        "The server serves no web page of this origin (DNS rebinding protection): a client that runs there "
        "signs in and then can do nothing.",
        "Add the origin to MCP_ALLOWED_ORIGINS of mcp_server.",
    ),
    Cause("token-malformed", "What was given is no access token of this kind.", "Give one, whole."),
    Cause(
        "token-of-another-issuer",
        "The token is of another issuer than the resource names.",
        "Sign in at the authorization server that the metadata name; or correct OAUTH_ISSUER_URL.",
    ),
    Cause(
        "token-for-another-resource",
        "The token is for another resource.",
        "The client must send the resource's own URL as `resource`; or correct MCP_RESOURCE_URL.",
    ),
    Cause("token-expired", "The token expired.", "Refresh it, or sign in again. Check the clocks."),
    Cause(
        "token-of-unknown-key",
        "The token names a key that is not in the key set: a cached key set, or replicas that do not share a "
        "store.",
        "Check who caches /.well-known/jwks.json; give all replicas the same store.",
    ),
    Cause(
        "token-refused",
        "The token looks right, and the server refuses it: it was revoked, or the server has other keys or "
        "another clock.",
        "Look at `python -m auth_server grants list`; check AUTH_SERVER_INTERNAL_URL and the clock of "
        "mcp_server.",
    ),
)

CAUSES: Final = {cause.id: cause for cause in _TABLE}
