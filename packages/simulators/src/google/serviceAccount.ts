import {
  createHmac,
  createVerify,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { ASSUMPTIONS } from './assumptions.ts';
import { isObject } from './body.ts';
import { refusals } from './errors.ts';
import type { VeoContext } from './veoJob.ts';

/** The project that all service accounts belong to. */
export const PROJECT = 'onetake-simulators';

/** Generated at first use in every process, so that the repository contains nothing that looks like a key. */
let keys: { publicKey: KeyObject; privateKey: KeyObject } | undefined;
const pair = () => (keys ??= generateKeyPairSync('rsa', { modulusLength: 2048 }));
const tokenSecret = randomBytes(32);

export const emailOf = (account: string): string => `${account}@${PROJECT}.iam.gserviceaccount.com`;

/** A service account key in the form of Google's console, with the simulator's token endpoint. */
export function serviceAccountKey(origin: string, email: string): Record<string, string> {
  return {
    type: 'service_account',
    project_id: PROJECT,
    private_key_id: 'simulated',
    private_key: pair().privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    client_email: email,
    client_id: '100000000000000000000',
    auth_uri: `${origin}/auth`,
    token_uri: `${origin}/token`,
    universe_domain: 'googleapis.com',
  };
}

const keyFileOf = (origin: string): string =>
  join(tmpdir(), `onetake-simulators-${process.pid}-${new URL(origin).port}.json`);

/** Writes the key to a file that `GOOGLE_APPLICATION_CREDENTIALS` can name. */
export function writeKeyFile(origin: string, email: string): string {
  const path = keyFileOf(origin);
  writeFileSync(path, JSON.stringify(serviceAccountKey(origin, email)), { mode: 0o600 });
  return path;
}

export const removeKeyFile = (origin: string): void => rmSync(keyFileOf(origin), { force: true });

/** The account of a signed assertion (RFC 7523); undefined if the signature was not made with this key. */
function verifyAssertion(assertion: string): { email: string; expiresAtMs: number } | undefined {
  const [head = '', payload = '', signature = ''] = assertion.split('.');
  const genuine = createVerify('RSA-SHA256')
    .update(`${head}.${payload}`)
    .verify(pair().publicKey, signature, 'base64url');
  if (!genuine) return undefined;
  const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString());
  if (!isObject(claims) || typeof claims.iss !== 'string' || typeof claims.exp !== 'number') return undefined;
  return { email: claims.iss, expiresAtMs: claims.exp * 1000 };
}

const mac = (payload: string): string =>
  createHmac('sha256', tokenSecret).update(payload).digest('base64url');

/** An access token. Clients cannot read it, and it contains all that the simulator must know about it. */
function issueToken(email: string, expiresAtMs: number): string {
  const payload = Buffer.from(JSON.stringify({ email, expiresAtMs })).toString('base64url');
  return `ya29.${payload}.${mac(payload)}`;
}

export function readToken(token: string): { email: string; expiresAtMs: number } | undefined {
  const [, payload = '', signature = ''] = /^ya29\.([\w-]+)\.([\w-]+)$/.exec(token) ?? [];
  const expected = Buffer.from(mac(payload));
  const given = Buffer.from(signature);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as { email: string; expiresAtMs: number };
}

/** "Using OAuth 2.0 for Server to Server Applications" (RFC 7523, section 2.1). */
const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** Google's token endpoint, as far as service accounts need it. */
export function tokenRoutes(app: FastifyInstance, context: VeoContext): void {
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => done(null, Object.fromEntries(new URLSearchParams(body.toString()))),
  );

  app.post('/token', { config: { operation: 'token' } }, async (request) => {
    const { grant_type: grantType, assertion } = isObject(request.body) ? request.body : {};
    if (grantType !== GRANT_TYPE || typeof assertion !== 'string') {
      throw refusals.grant('Bad Request: grant_type and assertion are required.');
    }
    const now = context.shared.clock.now();
    const claims = verifyAssertion(assertion);
    if (!claims) throw refusals.grant('Invalid JWT Signature.');
    // A minute of leeway for clocks that differ.
    if (claims.expiresAtMs + 60_000 < Date.now())
      throw refusals.grant('Invalid JWT: Token must be a short-lived token.');
    const account = context.accounts.byKey(claims.email);
    if (!account || account.state === 'revoked') throw refusals.grant('Invalid grant: account not found');
    return {
      access_token: issueToken(claims.email, now + ASSUMPTIONS.tokenLifeMs),
      expires_in: ASSUMPTIONS.tokenLifeMs / 1000,
      token_type: 'Bearer',
    };
  });
}
