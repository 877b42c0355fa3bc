"""docs/scopes.md: what each scope means and opens, from `shared/policy.py`."""

from dev.docs.table import NOTICE, table
from shared.policy import ANY_TOKEN_TOOLS, DEFAULT_SCOPE, OFFLINE_ACCESS, SCOPES, UMBRELLAS, ScopePolicy


def document() -> str:
    """Return the page."""
    named = ", ".join(f"`{name}`" for name, policy in SCOPES.items() if policy.by_name_only)
    umbrellas = "\n".join(
        f"* `{umbrella}`: {', '.join(f'`{name}`' for name in names)}."
        for umbrella, names in UMBRELLAS.items()
    )
    always = ", ".join(f"`{name}`" for name in ANY_TOKEN_TOOLS)
    header = ("scope", "what people read", "includes", "tools", "resources", "prompts")
    return (
        f"{NOTICE.format(source='shared/policy.py')}\n\n# Scopes\n\n"
        "One table says what each scope means and opens; the consent page, the lists, the check before a\n"
        "call, the 403 challenge and this page are made from it.\n\n"
        f"{table(header, [_row(policy) for policy in SCOPES.values()])}\n\n"
        "Names for several of them:\n\n"
        f"{umbrellas}\n\n"
        f"Nothing asked for: `{DEFAULT_SCOPE}`. Only by name: {named}. Any valid token opens {always}.\n"
        f"`{OFFLINE_ACCESS}` is accepted and opens nothing: refresh tokens are issued either way.\n"
    )


def _row(policy: ScopePolicy) -> tuple[str, ...]:
    return (
        f"`{policy.name}`",
        f"**{policy.title}.** {policy.words}",
        *(_names(names) for names in (policy.implies, policy.tools, policy.resources, policy.prompts)),
    )


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
