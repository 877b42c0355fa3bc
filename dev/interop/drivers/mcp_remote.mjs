// mcp-remote: a local MCP server to the program before it, and a client of ours. It opens a browser and listens by itself.

import { fileURLToPath } from "node:url";

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

import { drive, SdkClient } from "./common.mjs";

const PROGRAM = fileURLToPath(new URL("../node_modules/mcp-remote/dist/proxy.js", import.meta.url));

await drive((setup) => {
  const options = ["--transport", "http-only", "--protocol", setup.era >= "2026" ? "auto" : "legacy"];
  if (setup.client_id) {
    const client = { client_id: setup.client_id, client_secret: setup.client_secret };
    options.push("--static-oauth-client-info", JSON.stringify(client));
  }
  if (setup.document_url) options.push("--client-metadata-url", setup.document_url);
  const args = [PROGRAM, setup.url, new URL(setup.redirect_uri).port, ...options];
  return new SdkClient({}, {
    client: new Client({ name: "interop", version: "1" }),
    transport: () => new StdioClientTransport({ command: process.execPath, args, env: process.env, stderr: "inherit" }),
    isUnauthorized: () => false,
  });
});
