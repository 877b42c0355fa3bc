// Stands in for Val Town: oidc-provider as its authorization server, and as much of its API as a call needs.
// node val_town_peer.mjs ENTRY PORT: ENTRY is oidc-provider's main file. Everybody who comes is one account.
import http from 'node:http';
import { pathToFileURL } from 'node:url';

const { default: Provider } = await import(pathToFileURL(process.argv[2]));
const port = Number(process.argv[3]);
const issuer = `http://127.0.0.1:${port}`;
const resource = 'https://api.val.town';
const scope = 'user_r project_rw blob_rw sqlite_rw email_rw telemetry_r';
const accountId = '00000000-0000-4000-8000-00000000beef';

let life = 100;
const seen = { registrations: [], authorizations: [], tokens: [], logins: 0 };
const grants = new Set();

const provider = new Provider(issuer, {
  features: {
    registration: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (_ctx, indicator) => {
        if (indicator !== resource) throw new Error(`unknown resource ${indicator}`);
        return { scope, audience: resource, accessTokenFormat: 'opaque' };
      },
    },
  },
  scopes: ['openid', 'offline_access'],
  pkce: { required: () => true },
  rotateRefreshToken: true,
  issueRefreshToken: () => true,
  ttl: { AccessToken: () => life, Grant: 3600, RefreshToken: 3600, Session: 3600, Interaction: 600 },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
});

provider.use(async (ctx, next) => {
  await next();
  const route = ctx.oidc?.route;
  if (route === 'authorization') seen.authorizations.push({ ...ctx.query });
  if (route === 'token') seen.tokens.push({ ...ctx.oidc.params, status: ctx.status });
  if (route === 'registration') seen.registrations.push({ ...ctx.oidc.body, status: ctx.status });
});

// Instead of a person: signs in and consents.
async function interact(request, response) {
  const details = await provider.interactionDetails(request, response);
  if (details.prompt.name === 'login') {
    seen.logins += 1;
    return provider.interactionFinished(request, response, { login: { accountId } });
  }
  const grant = new provider.Grant({ accountId, clientId: details.params.client_id });
  grant.addOIDCScope('openid offline_access');
  grant.addResourceScope(resource, scope);
  const grantId = await grant.save();
  grants.add(grantId);
  return provider.interactionFinished(request, response, { consent: { grantId } });
}

async function withdraw() {
  for (const grantId of grants) {
    for (const kind of ['AccessToken', 'RefreshToken', 'AuthorizationCode']) {
      await provider[kind].adapter.revokeByGrantId(grantId);
    }
    await (await provider.Grant.find(grantId))?.destroy();
  }
  grants.clear();
}

async function me(request) {
  const value = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  const token = await provider.AccessToken.find(value);
  if (token === undefined || token.aud !== resource) return [401, { message: 'Unauthorized' }];
  const links = { self: `${issuer}/v1/me` };
  return [200, { id: token.accountId, username: 'peer', bio: null, profileImageUrl: null, type: 'user',
    url: 'https://www.val.town/u/peer', tier: 'free', email: null, links }];
}

function answer(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

const callback = provider.callback();
http.createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, issuer);
  try {
    if (pathname.startsWith('/interaction/')) await interact(request, response);
    else if (pathname === '/v1/me') answer(response, ...(await me(request)));
    else if (pathname === '/test/seen') answer(response, 200, seen);
    else if (pathname === '/test/life') answer(response, 200, (life = Number(searchParams.get('seconds'))));
    else if (pathname === '/test/withdraw') answer(response, 200, await withdraw() ?? null);
    else callback(request, response);
  } catch (error) {
    answer(response, 500, { message: String(error) });
  }
}).listen(port, '127.0.0.1');
