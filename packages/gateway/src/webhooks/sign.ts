import { createHmac, createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { Signature, WebhookSecret } from '../store/webhooks.ts';

/**
 * Signatures and secrets of Standard Webhooks 1.0:
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */

/** The specification wants 24 to 64 bytes. */
const SECRET_BYTES = 32;
/** An Ed25519 private key as the specification writes it down: 32 bytes, and the 32 of the public key behind them. */
const KEY_BYTES = 32;

/** A new secret: `whsec_` and its bytes, or `whsk_` and a private key. */
export function newSecret(signature: Signature): string {
  if (signature === 'hmac') return `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
  const { d = '', x = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const bytes = Buffer.concat([Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')]);
  return `whsk_${bytes.toString('base64')}`;
}

/** The public key that belongs to a private one: `whpk_…`. */
export const publicKeyOf = (secret: string): string =>
  `whpk_${bytesOf(secret).subarray(KEY_BYTES).toString('base64')}`;

/**
 * The secrets that are valid at `now`, the newest first. A former one that cannot sign, because its row is damaged, is left out: the present
 * one is what every receiver will have.
 */
export const validSecrets = (
  { secret, formerSecret, formerUntil = 0 }: WebhookSecret,
  now: number,
): string[] =>
  formerSecret !== undefined && now < formerUntil && isSecret(formerSecret)
    ? [secret, formerSecret]
    : [secret];

/** Whether it is a secret as `newSecret` makes them: Node decodes anything else as well, even to no bytes at all. */
const isSecret = (text: string): boolean =>
  /^whsec_[A-Za-z0-9+/]{32,}={0,2}$/.test(text) || /^whsk_[A-Za-z0-9+/]{86}==$/.test(text);

/** The headers of a message. `at`: seconds UTC. Throws if a secret is none. */
export function signedHeaders(
  message: { readonly id: string; readonly at: number; readonly body: string },
  secrets: readonly string[],
): Readonly<Record<string, string>> {
  const { id, at, body } = message;
  const signed = Buffer.from(`${id}.${at}.${body}`);
  return {
    'webhook-id': id,
    'webhook-timestamp': String(at),
    'webhook-signature': secrets.map((secret) => signatureOf(signed, secret)).join(' '),
  };
}

function signatureOf(signed: Buffer, secret: string): string {
  if (!isSecret(secret)) throw new Error('the secret of the webhook is damaged; rotate it');
  const bytes = bytesOf(secret);
  if (secret.startsWith('whsec_')) return `v1,${createHmac('sha256', bytes).update(signed).digest('base64')}`;
  const d = bytes.subarray(0, KEY_BYTES).toString('base64url');
  const x = bytes.subarray(KEY_BYTES).toString('base64url');
  const key = createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', d, x }, format: 'jwk' });
  return `v1a,${sign(null, signed, key).toString('base64')}`;
}

const bytesOf = (secret: string): Buffer => Buffer.from(secret.slice(secret.indexOf('_') + 1), 'base64');
