// A provider of OpenID Connect, as others run it (npm's `oidc-provider`), on a port that the system chooses. It prints its
// issuer, and takes the client's redirect address as a line on standard input.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import Provider from 'oidc-provider';

const server = createServer();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

function provider(redirectUris) {
  return new Provider(issuer, {
    clients: redirectUris.length === 0 ? [] : [{
      client_id: 'resly',
      client_secret: process.env.CLIENT_SECRET,
      redirect_uris: redirectUris,
      grant_types: ['authorization_code'],
      response_types: ['code'],
    }],
    pkce: { required: () => true },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    cookies: { keys: ['a key of a test'] },
    async findAccount(_, id) {
      return {
        accountId: id,
        claims: async () => ({ sub: id, email: `${id}@example.com`, email_verified: true, name: `The person ${id}` }),
      };
    },
  });
}

let answer = provider([]).callback();
server.on('request', (request, response) => answer(request, response));
console.log(issuer);
for await (const line of createInterface({ input: process.stdin })) {
  answer = provider([line]).callback();
  console.log('ready');
}
process.exit(0);
