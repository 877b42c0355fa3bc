"""Client metadata: rules and defaults (RFC 7591 section 2)."""

import json
import unicodedata
from collections.abc import Mapping

from auth_server.domain import client_id_url, client_keys
from auth_server.domain.redirect_uri import RedirectPolicy
from shared.oauth.errors import InvalidClientMetadata, InvalidRedirectUri
from shared.oauth.scopes import format_scope
from shared.policy import ALL_SCOPES

PRIVATE_KEY_JWT = "private_key_jwt"
AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none", PRIVATE_KEY_JWT)
SECRETLESS_AUTH_METHODS = ("none", PRIVATE_KEY_JWT)
"""For clients that were never given a secret; the first is the default."""
DEFAULT_GRANT_TYPES = ("authorization_code", "refresh_token")
MAX_REDIRECT_URIS = 20
MAX_TEXT = 200
MAX_URL = 2000
MAX_METADATA = 8192

_TEXT_MEMBERS = ("client_name", "software_id", "software_version")
_URL_MEMBERS = ("client_uri", "logo_uri", "policy_uri", "tos_uri")


def check(
    metadata: Mapping[str, object],
    *,
    policy: RedirectPolicy,
    grant_types: tuple[str, ...],
    auth_methods: tuple[str, ...] = AUTH_METHODS,
) -> dict[str, object]:
    """Return the metadata that a client gets, defaults filled in; unknown members are ignored.

    Args:
        metadata: the request's members.
        policy: which redirect URIs are allowed.
        grant_types: what the token endpoint supports; others that a client lists are dropped.
        auth_methods: how the client may authenticate; the first is the default.

    Raises:
        InvalidRedirectUri: `redirect_uris` is missing or holds what no client may have.
        InvalidClientMetadata: any other member is malformed or not supported.
    """
    metadata = stated(metadata)
    redirect_uris = _redirect_uris(metadata.get("redirect_uris"), policy)
    auth_method = _auth_method(metadata, auth_methods)
    accepted_grants = _grant_types(metadata, grant_types)
    _check_response_types(metadata)
    keys = _keys(metadata)
    if auth_method == PRIVATE_KEY_JWT and not keys:
        raise InvalidClientMetadata("The private_key_jwt method needs a jwks or a jwks_uri member.")
    accepted: dict[str, object] = {
        "redirect_uris": list(redirect_uris),
        "token_endpoint_auth_method": auth_method,
        "grant_types": list(accepted_grants),
        "response_types": ["code"],
        "application_type": _application_type(metadata),
    }
    if auth_method == PRIVATE_KEY_JWT:
        accepted |= keys
    if scope := _scope(metadata):
        accepted["scope"] = scope
    accepted |= {name: text for name in _TEXT_MEMBERS if (text := _text(metadata, name))}
    accepted |= {name: url for name in _URL_MEMBERS if (url := _url(metadata, name))}
    if len(json.dumps(accepted)) > MAX_METADATA:
        raise InvalidClientMetadata(f"The metadata is longer than {MAX_METADATA} characters altogether.")
    return accepted


def stated(metadata: Mapping[str, object]) -> dict[str, object]:
    """Return the members that say something: clients send null or "" for what they have not set."""
    return {name: value for name, value in metadata.items() if value is not None and value != ""}


def _redirect_uris(value: object, policy: RedirectPolicy) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise InvalidRedirectUri("The redirect_uris member must be a list of at least one URI.")
    if len(value) > MAX_REDIRECT_URIS:
        raise InvalidRedirectUri(f"At most {MAX_REDIRECT_URIS} redirect URIs can be registered.")
    uris = []
    for uri in value:
        if not isinstance(uri, str):
            raise InvalidRedirectUri("Every redirect URI must be a string.")
        uris.append(policy.check(uri))
    return tuple(dict.fromkeys(uris))


def _auth_method(metadata: Mapping[str, object], allowed: tuple[str, ...]) -> str:
    method = metadata.get("token_endpoint_auth_method", allowed[0])
    if not isinstance(method, str) or method not in allowed:
        raise InvalidClientMetadata(f"The token_endpoint_auth_method must be one of {' '.join(allowed)}")
    return method


def _strings(metadata: Mapping[str, object], name: str) -> tuple[str, ...] | None:
    value = metadata.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MAX_REDIRECT_URIS:
        raise InvalidClientMetadata(f"The {name} member must be a short list of strings.")
    if not all(isinstance(item, str) for item in value):
        raise InvalidClientMetadata(f"The {name} member must be a short list of strings.")
    return tuple(str(item) for item in value)


def _grant_types(metadata: Mapping[str, object], supported: tuple[str, ...]) -> tuple[str, ...]:
    # RFC 7591 section 2 defaults to authorization_code alone; clients that say nothing still expect to stay
    # signed in, so refresh tokens come with the default.
    wanted = _strings(metadata, "grant_types") or DEFAULT_GRANT_TYPES
    accepted = tuple(name for name in supported if name in wanted)
    if "authorization_code" not in accepted:
        raise InvalidClientMetadata("The grant_types must include authorization_code.")
    return accepted


def _check_response_types(metadata: Mapping[str, object]) -> None:
    response_types = _strings(metadata, "response_types")
    if response_types and "code" not in response_types:
        raise InvalidClientMetadata("The response_types must include code, the only one supported.")


def _keys(metadata: Mapping[str, object]) -> dict[str, object]:
    """Return the member that says which keys the client has; none, when it does not say."""
    if "jwks" in metadata and "jwks_uri" in metadata:
        raise InvalidClientMetadata("The jwks and jwks_uri members exclude each other.")
    if (uri := metadata.get("jwks_uri")) is not None:
        return _jwks_uri(uri) if metadata.get("token_endpoint_auth_method") == PRIVATE_KEY_JWT else {}
    if (jwks := metadata.get("jwks")) is None:
        return {}
    try:
        client_keys.read_keys(jwks)
    except client_keys.PrivateKeyError:
        raise InvalidClientMetadata(
            "The jwks member holds a private or symmetric key. Consider it exposed."
        ) from None
    except client_keys.NoKeysError as error:
        # What is not used needs not be usable.
        if metadata.get("token_endpoint_auth_method") != PRIVATE_KEY_JWT:
            return {}
        raise InvalidClientMetadata(f"The jwks member {error}.") from None
    return {"jwks": jwks}


def _jwks_uri(uri: object) -> dict[str, object]:
    if not isinstance(uri, str):
        raise InvalidClientMetadata("The jwks_uri member must be a URL.")
    try:
        client_id_url.check_https(uri)
    except client_id_url.ClientIdUrlError as error:
        raise InvalidClientMetadata(f"The jwks_uri member is refused. {error.reason}") from None
    return {"jwks_uri": uri}


def _application_type(metadata: Mapping[str, object]) -> str:
    # Echoed, not enforced: real clients register https and private-use URIs together.
    value = metadata.get("application_type", "web")
    if value not in ("web", "native"):
        raise InvalidClientMetadata("The application_type must be web or native.")
    return str(value)


def _scope(metadata: Mapping[str, object]) -> str:
    # Echoed, not a limit: a client may step up later, and it is the person who decides.
    value = metadata.get("scope", "")
    if not isinstance(value, str) or len(value) > MAX_URL:
        raise InvalidClientMetadata("The scope member must be a string.")
    return format_scope(name for name in value.split() if name in ALL_SCOPES)


def _text(metadata: Mapping[str, object], name: str) -> str:
    value = metadata.get(name, "")
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise InvalidClientMetadata(f"The {name} member must be a string of at most {MAX_TEXT} characters.")
    return visible(value)


def _url(metadata: Mapping[str, object], name: str) -> str:
    # Kept and echoed, never fetched and never shown as a link or an image.
    value = metadata.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_URL or not value.startswith(("https://", "http://")):
        raise InvalidClientMetadata(f"The {name} member must be a web address.")
    return value


def visible(text: str) -> str:
    """Return text without control and formatting characters: they could reorder or hide what a page shows."""
    kept = (character for character in text if not unicodedata.category(character).startswith("C"))
    return " ".join("".join(kept).split())
