export const clamp = (value: number, low: number, high: number): number =>
  Math.min(high, Math.max(low, value));

export const lerp = (from: number, to: number, part: number): number => from + (to - from) * part;

/** 0 before `from`, 1 after `to`, smooth in between. */
export function smoothstep(from: number, to: number, value: number): number {
  const part = clamp((value - from) / (to - from), 0, 1);
  return part * part * (3 - 2 * part);
}

/** The remainder, never negative. For things that leave at one edge and return at the other. */
export const wrap = (value: number, length: number): number => ((value % length) + length) % length;
