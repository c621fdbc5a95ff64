/** A part of an `Accept` header: a type, a range of types or all, and how much it is wanted (0 to 1). */
interface Wanted {
  readonly type: string;
  readonly weight: number;
}

/**
 * Whether a client that may have either wants `other` rather than `usual`, by its `Accept` header (RFC 9110, section 12.5.1).
 * Where it wants both alike, it gets `other` only if it names that one: a mere range says nothing of it.
 */
export function prefers(header: string | undefined, other: string, usual: string): boolean {
  const wanted = wantedIn(header ?? '*/*');
  const weight = weightOf(wanted, other);
  if (weight === 0) return false;
  const difference = weight - weightOf(wanted, usual);
  return difference > 0 || (difference === 0 && wanted.some(({ type }) => type === other));
}

function wantedIn(header: string): readonly Wanted[] {
  // Texts in quotes may hold commas and semicolons, and no parameter but the weight matters here.
  return header
    .toLowerCase()
    .replaceAll(/"[^"]*"/g, '')
    .split(',')
    .map((part) => {
      const [type = '', ...parameters] = part.split(';').map((piece) => piece.trim());
      return { type, weight: weightIn(parameters) };
    });
}

/** 1 where none is told, or one that is no weight: what is named is wanted. */
function weightIn(parameters: readonly string[]): number {
  const told = parameters.find((parameter) => /^q\s*=/.test(parameter))?.replace(/^q\s*=\s*/, '');
  return told !== undefined && /^(?:0(?:\.\d*)?|1(?:\.0*)?)$/.test(told) ? Number(told) : 1;
}

/** The most specific part that covers a type decides. */
function weightOf(wanted: readonly Wanted[], type: string): number {
  for (const range of [type, `${type.split('/')[0]}/*`, '*/*']) {
    const matching = wanted.filter((one) => one.type === range).map(({ weight }) => weight);
    if (matching.length > 0) return Math.max(...matching);
  }
  return 0;
}
