// A mail server, as others run it (npm's `smtp-server`), on a port that the system chooses. It prints the port, and each mail
// that it takes as a line of JSON. SMTP_MODE is plain, starttls or tls; TLS_KEY and TLS_CERT are files; SMTP_LOGIN is user:password.
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { SMTPServer } from 'smtp-server';

const mode = process.env.SMTP_MODE ?? 'plain';
const login = process.env.SMTP_LOGIN;
const tls = mode === 'plain' ? {} : { key: readFileSync(process.env.TLS_KEY), cert: readFileSync(process.env.TLS_CERT) };
const hidden = [mode === 'plain' && 'STARTTLS', !login && 'AUTH'].filter(Boolean);

const server = new SMTPServer({
  ...tls,
  secure: mode === 'tls',
  disabledCommands: hidden,
  authOptional: !login,
  onAuth(auth, _, done) {
    const right = login === `${auth.username}:${auth.password}`;
    done(right ? null : new Error('wrong password'), right ? { user: auth.username } : undefined);
  },
  onRcptTo(address, _, done) {
    const refused = address.address.startsWith('nobody');
    done(refused ? Object.assign(new Error('no such mailbox'), { responseCode: 550 }) : null);
  },
  onData(stream, session, done) {
    const parts = [];
    stream.on('data', (part) => parts.push(part));
    stream.on('end', () => {
      const { envelope, user, secure } = session;
      console.log(JSON.stringify({
        from: envelope.mailFrom.address,
        to: envelope.rcptTo.map((to) => to.address),
        user: user ?? null,
        secure: Boolean(secure),
        message: Buffer.concat(parts).toString('utf8'),
      }));
      done();
    });
  },
});
server.on('error', (error) => console.error(error.message));
const listening = server.listen(0, '127.0.0.1');
await once(listening, 'listening');
console.log(listening.address().port);
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
