// The official TypeScript SDK, version 2: `@modelcontextprotocol/client`.

import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";

import { drive, Provider, SdkClient } from "./common.mjs";

await drive((setup) => {
  const provider = new Provider(setup, "TypeScript SDK v2");
  const mode = setup.era >= "2026" ? "auto" : "legacy";
  return new SdkClient(provider, {
    client: new Client({ name: "interop", version: "1" }, { versionNegotiation: { mode } }),
    transport: () => new StreamableHTTPClientTransport(new URL(setup.url), { authProvider: provider }),
    isUnauthorized: (error) => error instanceof UnauthorizedError,
    finish: (transport, answer) => transport.finishAuth(answer),
  });
});
