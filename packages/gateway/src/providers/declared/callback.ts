import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { valueOfJson } from '../../tasks/text.ts';
import type { CallbackAddress } from '../definition.ts';
import { type Callback, UpstreamError } from '../provider.ts';
import { writeId } from './id.ts';
import type { CallbackClause, ProviderFile } from './schema.ts';

/** The address that a submission names, with the account's token if the upstream signs nothing. */
export function callbackUrl({ url, token }: CallbackAddress, { verify }: CallbackClause): string {
  const address = new URL(url);
  if (verify.kind === 'token') address.searchParams.set('token', token);
  return address.href;
}

/** What callbacks of an account are checked with. */
interface CallbackKey {
  readonly key: string;
  /** The address that submissions name, which some upstreams sign. A proxy may have changed the one that was called. */
  readonly address: string | undefined;
}

/** The job that a genuine callback is about; none if it names none. Throws if it is not genuine. */
export async function readCallback(
  { headers, rawBody, query }: Callback,
  clause: CallbackClause,
  { job }: ProviderFile,
  { key, address }: CallbackKey,
): Promise<string[]> {
  const raw = rawBody.toString('utf8');
  const body = valueOfJson(raw);
  const path = address === undefined ? undefined : new URL(address).pathname;
  const variables = { headers: shortOf(headers), query, raw, path };
  const isGenuine =
    clause.verify.kind === 'token'
      ? typeof query.token === 'string' && isSame(query.token, key)
      : await isSigned(clause.verify, headers, rawBody, { body, variables }, key);
  if (!isGenuine)
    throw new UpstreamError('auth_failed', { detail: 'a callback that is not from the upstream' });
  const id = await writeId(clause.id ?? job.id, body, variables).catch(() => undefined);
  return id === undefined ? [] : [id];
}

/** The longest header that the services sign or send signatures in has some hundred characters. Characters. */
const LONGEST_HEADER = 2048;

/** Anyone can send callbacks, and what an expression computes may grow with what it reads. */
const shortOf = (headers: Callback['headers']): Callback['headers'] =>
  Object.fromEntries(
    Object.entries(headers).filter(([, value]) => String(value ?? '').length <= LONGEST_HEADER),
  );

type Hmac = Extract<CallbackClause['verify'], { kind: 'hmac' }>;

async function isSigned(
  { header, algorithm, encoding, prefix, signed }: Hmac,
  headers: Callback['headers'],
  rawBody: Buffer,
  { body, variables }: { body: unknown; variables: Readonly<Record<string, unknown>> },
  key: string,
): Promise<boolean> {
  const given = headers[header.toLowerCase()];
  const text = signed ? await signed.evaluate(body, variables).catch(() => undefined) : rawBody;
  if (typeof given !== 'string' || !(typeof text === 'string' || Buffer.isBuffer(text))) return false;
  const expected = prefix + createHmac(algorithm, key).update(text).digest(encoding);
  // Some services send several, one for each secret in use.
  return given.split(/[,\s]+/).some((one) => isSame(one, expected));
}

/** Compares digests, which have equal length whatever was sent. */
function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
