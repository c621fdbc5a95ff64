import type { Scrub } from '../http/secrets.ts';
import type { UpstreamRefusal } from './errorTable.ts';

type Said = Pick<UpstreamRefusal, 'code' | 'message'>;

/**
 * What an error of an upstream says: an object with a code and a message, as documented, or plain text. Any other value is kept as JSON, so
 * that the operator can read it.
 */
export function errorSaid(error: unknown, scrub: Scrub): Said {
  if (error === undefined || error === null || error === '') return {};
  if (typeof error === 'string') return { message: scrub(error) };
  const { code, message } = typeof error === 'object' ? (error as Readonly<Record<string, unknown>>) : {};
  const said = textOf(message);
  const name = textOf(code);
  return {
    ...(name === undefined ? {} : { code: name }),
    ...(said === undefined && name !== undefined ? {} : { message: scrub(said ?? JSON.stringify(error)) }),
  };
}

const textOf = (value: unknown): string | undefined =>
  (typeof value === 'string' && value !== '') || typeof value === 'number' ? String(value) : undefined;
