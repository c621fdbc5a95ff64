import type { FastifyReply } from 'fastify';

/** Says that the answer depends on `Accept`, beside what it depends on already (RFC 9110, section 12.5.5). */
export const varyByAccept = (reply: FastifyReply): FastifyReply =>
  reply.header('vary', [reply.getHeader('vary'), 'accept'].flat().filter(Boolean).join(', '));

/** An element of an `Accept` header: a media type or range, and its weight (0 to 1). */
interface MediaRange {
  readonly type: string;
  readonly weight: number;
}

/**
 * Whether an `Accept` header prefers `other` to `usual` (RFC 9110, section 12.5.1). If both have the same weight, `other` is
 * preferred only if the header names it; a range such as `video/*` is not enough.
 */
export function prefers(header: string | undefined, other: string, usual: string): boolean {
  const ranges = parseAccept(header ?? '*/*');
  const weight = weightOf(ranges, other);
  if (weight === 0) return false;
  const difference = weight - weightOf(ranges, usual);
  return difference > 0 || (difference === 0 && ranges.some(({ type }) => type === other));
}

function parseAccept(header: string): readonly MediaRange[] {
  // Quoted strings may contain commas and semicolons. They are dropped, because only the weight matters here.
  return header
    .toLowerCase()
    .replaceAll(/"[^"]*"/g, '')
    .split(',')
    .map((part) => {
      const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim());
      return { type, weight: weightIn(parameters) };
    });
}

/** The weight; 1 if there is none or if it is invalid. */
function weightIn(parameters: readonly string[]): number {
  const weight = parameters.find((parameter) => /^q\s*=/.test(parameter))?.replace(/^q\s*=\s*/, '');
  return weight !== undefined && /^(?:0(?:\.\d*)?|1(?:\.0*)?)$/.test(weight) ? Number(weight) : 1;
}

/** The weight of a type: that of the most specific range that matches it. */
function weightOf(ranges: readonly MediaRange[], type: string): number {
  for (const range of [type, `${type.split('/')[0]}/*`, '*/*']) {
    const matching = ranges.filter((one) => one.type === range).map(({ weight }) => weight);
    if (matching.length > 0) return Math.max(...matching);
  }
  return 0;
}
