// The Inspector's command line: a program for each request, which keeps its tokens in a folder in between.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

import { drive } from "./common.mjs";

const PROGRAM = fileURLToPath(
  new URL("../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js", import.meta.url),
);
// Without a terminal it opens a browser only when told so; without a keychain it forgets its tokens unless told so.
const ENVIRONMENT = {
  ...process.env,
  MCP_AUTO_OPEN_ENABLED: "true",
  MCP_INSPECTOR_SECRET_STORE: "file",
  MCP_STORAGE_DIR: `${process.env.HOME}/storage`,
};

// What went wrong is the last line, in JSON.
function told(stderr) {
  const last = stderr.trim().split("\n").at(-1);
  try {
    return JSON.parse(last).error.message;
  } catch {
    return last;
  }
}

await drive((setup) => {
  const options = ["--transport", "http", "--server-url", setup.url, "--callback-url", setup.redirect_uri];
  options.push("--protocol-era", setup.era >= "2026" ? "modern" : "legacy", "--format", "json");
  if (setup.client_id) options.push("--client-id", setup.client_id, "--client-secret", setup.client_secret);
  if (setup.document_url) options.push("--client-metadata-url", setup.document_url);

  function run(...args) {
    return new Promise((resolve, reject) => {
      const command = [PROGRAM, "--cli", ...options, ...args];
      const child = execFile(process.execPath, command, { env: ENVIRONMENT }, (error, stdout, stderr) => {
        if (error) reject(new Error(told(stderr)));
        else resolve(JSON.parse(stdout).result);
      });
      // It asks whether it shall ask for more scopes.
      child.stdin.end("y\n");
    });
  }

  return {
    async connect() {
      await run("--method", "tools/list");
    },
    async list() {
      const answer = await run("--method", "tools/list");
      return { tools: answer.tools.map((tool) => tool.name) };
    },
    async call({ tool, arguments: given }) {
      const json = JSON.stringify(given);
      const answer = await run("--method", "tools/call", "--tool-name", tool, "--tool-args-json", json);
      return { result: answer.structuredContent };
    },
    async read({ uri }) {
      return { result: await run("--method", "resources/read", "--uri", uri) };
    },
  };
});
