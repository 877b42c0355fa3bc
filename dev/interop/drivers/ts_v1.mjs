// The official TypeScript SDK, version 1: `@modelcontextprotocol/sdk`.

import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { SUPPORTED_PROTOCOL_VERSIONS } from "@modelcontextprotocol/sdk/types.js";

import { Cannot, drive, Provider, SdkClient } from "./common.mjs";

await drive((setup) => {
  if (!SUPPORTED_PROTOCOL_VERSIONS.includes(setup.era)) {
    const versions = SUPPORTED_PROTOCOL_VERSIONS.join(", ");
    return {
      connect() {
        throw new Cannot(`its SUPPORTED_PROTOCOL_VERSIONS are ${versions}`);
      },
    };
  }
  const provider = new Provider(setup, "TypeScript SDK v1");
  return new SdkClient(provider, {
    client: new Client({ name: "interop", version: "1" }),
    transport: () => new StreamableHTTPClientTransport(new URL(setup.url), { authProvider: provider }),
    isUnauthorized: (error) => error instanceof UnauthorizedError,
    finish: (transport, answer) => transport.finishAuth(answer.get("code")),
  });
});
