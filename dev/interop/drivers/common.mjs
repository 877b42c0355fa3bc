// What the drivers for Node share; common.py says what is spoken.

import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

export async function hear() {
  const { value, done } = await lines.next();
  return done ? undefined : JSON.parse(value);
}

// A client that cannot do something says so by this.
export class Cannot extends Error {}

// Reads the setup and drives what `start` makes of it: an object with connect, list and call.
export async function drive(start) {
  const driven = await start(await hear());
  for (let command = await hear(); command; command = await hear()) {
    try {
      say({ ok: true, ...(await driven[command.do](command)) });
    } catch (error) {
      const reason = `${error.constructor.name}: ${error.message}`;
      say(error instanceof Cannot ? { ok: false, cannot: true, error: error.message } : { ok: false, error: reason });
    }
  }
  await driven.close?.();
  process.exit(0);
}

// Keeps in memory what either TypeScript SDK stores (its OAuthClientProvider), and asks the person.
export class Provider {
  constructor(setup, name) {
    this.clientMetadataUrl = setup.document_url;
    this.redirectUrl = setup.redirect_uri;
    this.clientMetadata = {
      client_name: name,
      redirect_uris: [setup.redirect_uri],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
      token_endpoint_auth_method: "none",
    };
    if (setup.client_id) {
      this.client = { client_id: setup.client_id, client_secret: setup.client_secret };
    }
  }

  state() {
    return crypto.randomUUID();
  }

  clientInformation() {
    return this.client;
  }

  saveClientInformation(client) {
    this.client = client;
  }

  tokens() {
    return this.stored;
  }

  saveTokens(tokens) {
    this.stored = tokens;
  }

  codeVerifier() {
    return this.verifier;
  }

  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }

  invalidateCredentials(what) {
    if (["all", "tokens"].includes(what)) this.stored = undefined;
    if (["all", "client"].includes(what)) this.client = undefined;
  }

  async redirectToAuthorization(url) {
    say({ authorize: url.href });
    this.answer = new URL((await hear()).callback).searchParams;
  }
}

// A client of either TypeScript SDK. Both throw when the person is needed; the program finishes the flow and tries again.
export class SdkClient {
  constructor(provider, { client, transport, isUnauthorized, finish }) {
    Object.assign(this, { provider, client, transport, isUnauthorized, finish });
  }

  async connect() {
    await this.authorized(() => this.open());
  }

  async open() {
    this.current = this.transport();
    await this.client.connect(this.current);
  }

  async list() {
    const { tools } = await this.authorized(() => this.client.listTools());
    return { tools: tools.map((tool) => tool.name) };
  }

  async call({ tool, arguments: given }) {
    const result = await this.authorized(() => this.client.callTool({ name: tool, arguments: given }));
    if (result.isError) throw new Error(JSON.stringify(result.content));
    return { result: result.structuredContent };
  }

  async authorized(action) {
    try {
      return await action();
    } catch (error) {
      if (!this.isUnauthorized(error) || !this.provider.answer) throw error;
      const answer = this.provider.answer;
      this.provider.answer = undefined;
      await this.finish(this.current, answer);
      return await action();
    }
  }

  async close() {
    await this.client.close();
  }
}
