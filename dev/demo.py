"""`make demo`: the whole flow, step by step on the terminal, on this computer alone."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import httpx

from dev.demo_narrator import Narrator, StepFailedError
from dev.demo_story import Story
from dev.deployment import ROOT, Deployment, NotReadyError, deploy
from dev.environment import SANDBOX_TOKENS, effective
from dev.flow import Browser, FlowError
from dev.store import NoStoreError, open_store


def main() -> int:
    """Tell the story; return 0 when every step went as it should, else 1 after saying which did not."""
    narrator = Narrator(sys.stdout)
    narrator.say("The Val Town MCP server: from an unknown client to a revoked token.")
    narrator.say("")
    try:
        with tempfile.TemporaryDirectory(prefix="val-town-demo-") as folder:
            _run(narrator, Path(folder))
    except (NoStoreError, NotReadyError) as error:
        narrator.say(f"\n{error}")
    except (StepFailedError, FlowError) as error:
        narrator.say(f"\nFAILED at {narrator.title}: {error}")
    except (httpx.HTTPError, LookupError, ValueError) as error:
        narrator.say(f"\nFAILED at {narrator.title}: {type(error).__name__}: {error}")
    except KeyboardInterrupt:
        narrator.say("\nStopped.")
    else:
        narrator.say("\nEvery step went as it should.")
        return 0
    return 1


def _run(narrator: Narrator, folder: Path) -> None:
    values = effective(os.environ, ROOT / ".env")
    # A store of one's own may hold what was sealed with one's own key.
    key = {
        name: values[name] for name in ("OAUTH_ENCRYPTION_KEY",) if "REDIS_URL" in values and name in values
    }
    with open_store(values) as store, deploy(store.url, folder, **key) as deployment:
        narrator.say(f"  store                 {store.description}")
        narrator.say(f"  Val Town (a sandbox)  {deployment.settings['VAL_TOWN_API_URL']}")
        narrator.say(f"  authorization server  {deployment.issuer}")
        narrator.say(f"  MCP server            {deployment.resource}")
        narrator.say("")
        narrator.say("  → is what a client or a browser sends, ← what comes back. Secrets are shortened.")
        asyncio.run(_tell(narrator, deployment))


async def _tell(narrator: Narrator, deployment: Deployment) -> None:
    # Two jars: the app never sees the cookies of the person's browser.
    async with httpx.AsyncClient(timeout=10.0) as app, httpx.AsyncClient(timeout=10.0) as browser:
        story = Story(narrator, app, Browser(browser, SANDBOX_TOKENS[0]), deployment.resource)
        await story.tell()


if __name__ == "__main__":
    sys.exit(main())
