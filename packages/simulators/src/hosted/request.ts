import type { FastifyRequest } from 'fastify';

export type Body = Readonly<Record<string, unknown>>;

/** The JSON object in a request; an empty one if the body is something else. */
export function bodyOf(request: FastifyRequest): Body {
  const { body } = request;
  return typeof body === 'object' && body !== null && !Array.isArray(body) ? (body as Body) : {};
}

export const operation = (name: string) => ({ config: { operation: name } });

/** The key in `Authorization: <scheme> <key>`. */
export function credential(headers: Record<string, unknown>, scheme: string): string | undefined {
  const { authorization } = headers;
  const [, found, key] = /^(\S+) (.+)$/.exec(typeof authorization === 'string' ? authorization : '') ?? [];
  return found?.toLowerCase() === scheme.toLowerCase() ? key : undefined;
}

/** Even width and height of a ratio, with this many pixels on the shorter side. */
export function sizeOf(ratio: string, shorter: number): { width: number; height: number } {
  const [across = 16, down = 9] = ratio.split(':').map(Number);
  const longer = 2 * Math.round((shorter * Math.max(across, down)) / Math.min(across, down) / 2);
  return across >= down ? { width: longer, height: shorter } : { width: shorter, height: longer };
}
