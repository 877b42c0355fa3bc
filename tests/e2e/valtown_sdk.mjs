// Runs every method of Val Town's own SDK once; prints what was called, what there is, and what came back.
// Arguments: the SDK's entry file, the base URL, the token.

import { pathToFileURL } from "node:url";

const [entry, baseURL, bearerToken] = process.argv.slice(2);
const { default: ValTown } = await import(pathToFileURL(entry).href);
const client = new ValTown({ bearerToken, baseURL, maxRetries: 0, timeout: 20_000 });

const offered = new Set();
const called = new Set();
const seen = {};

function watch(resource, name) {
  for (const method of Object.getOwnPropertyNames(Object.getPrototypeOf(resource))) {
    if (method === "constructor") continue;
    const full = `${name}.${method}`;
    const original = resource[method].bind(resource);
    offered.add(full);
    resource[method] = (...given) => {
      called.add(full);
      return original(...given);
    };
  }
  for (const [key, value] of Object.entries(resource)) {
    if (key !== "_client" && value?._client === client) watch(value, `${name}.${key}`);
  }
}
for (const [key, value] of Object.entries(client)) if (value?._client === client) watch(value, key);

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return { name: error.constructor.name, status: error.status, message: error.message };
  }
  return null;
}

const me = await client.me.profile.retrieve();
seen.me = me.username;
seen.alias = (await client.alias.username.retrieve("grace")).username;
seen.user = (await client.users.retrieve(me.id)).username;
seen.orgs = (await client.orgs.list({ limit: 10, offset: 0 })).data.map((org) => org.username);

const val = await client.vals.create({ name: "contract", privacy: "private", description: "by the SDK" });
seen.conflict = await failure(client.vals.create({ name: "contract", privacy: "private" }));
seen.val = (await client.vals.retrieve(val.id)).name;
seen.byName = (await client.alias.username.valName.retrieve("ada", "contract")).id === val.id;
seen.mine = [];
for await (const one of client.me.vals.list({ limit: 1, offset: 0 })) seen.mine.push(one.name);
// One page: the SDK sends the whole link as cursor for the next one.
seen.all = (await client.vals.list({ limit: 100 })).data.map((one) => one.name);

const branch = await client.vals.branches.create(val.id, { name: "draft" });
seen.branch = (await client.vals.branches.retrieve(val.id, branch.id)).name;
seen.branches = [];
for await (const one of client.vals.branches.list(val.id, { limit: 1, offset: 0 })) seen.branches.push(one.name);

const file = await client.vals.files.create(val.id, { path: "a/b.ts", content: "one", type: "http" });
await client.vals.files.update(val.id, { path: "a/b.ts", content: "two" });
await client.vals.files.update(val.id, { path: "a/b.ts", name: "c.ts", parent_path: null });
seen.files = [];
for await (const one of client.vals.files.retrieve(val.id, { path: "", recursive: true, limit: 1, offset: 0 })) {
  seen.files.push(one.path);
}
seen.content = await (await client.vals.files.getContent(val.id, { path: "c.ts" })).text();
seen.file = (await client.files.retrieve(file.id)).path;
await client.vals.files.delete(val.id, { path: "c.ts", recursive: false });

const variables = client.vals.environmentVariables;
await variables.create(val.id, { key: "KEY", value: "secret" });
await variables.update(val.id, "KEY", { value: "other" });
seen.variables = [];
for await (const one of variables.list(val.id, { limit: 1, offset: 0 })) seen.variables.push(one);
await variables.delete(val.id, "KEY");

const bytes = Uint8Array.from({ length: 256 }, (_, index) => index);
seen.stored = await client.blobs.store("k/a.bin", bytes);
seen.blobs = (await client.blobs.list({ prefix: "k/" })).map((blob) => [blob.key, blob.size]);
seen.blob = [...new Uint8Array(await (await client.blobs.get("k/a.bin")).arrayBuffer())].length;
await client.blobs.delete("k/a.bin");
seen.noBlob = await failure(client.blobs.get("k/a.bin"));

await client.sqlite.execute({ statement: "CREATE TABLE t (a INTEGER, b TEXT)" });
const insert = { sql: "INSERT INTO t VALUES (?, ?)", args: [1, "x"] };
seen.results = await client.sqlite.batch({ statements: [insert, "SELECT a, b FROM t"], mode: "write" });

seen.email = await client.emails.send({ subject: "Hi", text: "there", to: "ada@example.com" });
seen.traces = (await client.telemetry.traces.list({ direction: "desc", limit: 100 })).data.length;
seen.logs = (await client.telemetry.logs.list({ direction: "desc", limit: 1 })).links.next !== undefined;

await client.vals.branches.delete(val.id, branch.id);
await client.vals.delete(val.id);
seen.gone = await failure(client.vals.retrieve(val.id));
// Gone from the API since this SDK was made.
seen.search = await failure(client.search.vals.list({ query: "x", limit: 1, offset: 0 }));
const stranger = new ValTown({ bearerToken: "nobody", baseURL, maxRetries: 0 });
seen.stranger = await failure(stranger.me.profile.retrieve());

console.log(JSON.stringify({ offered: [...offered].sort(), called: [...called].sort(), seen }));
