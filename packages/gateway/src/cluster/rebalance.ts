/** How many tasks one node transfers to another. */
export interface Transfer {
  readonly to: string;
  readonly count: number;
}

/** A node that exceeds its fair share by at most this fraction keeps its tasks: moving them would cost more than it gains. */
const TOLERANCE = 0.1;
/** A surplus of at most this many tasks is ignored. */
const SLACK = 8;

/**
 * How many of its unfinished tasks a node with more than its fair share transfers to each node with less. This gives load to a node
 * that has just joined. If several nodes transfer at the same time, the sum is what the others lack.
 */
export function transfersOf(
  loads: ReadonlyMap<string, number>,
  members: readonly string[],
  node: string,
): readonly Transfer[] {
  const load = (member: string): number => loads.get(member) ?? 0;
  const fair = members.reduce((sum, member) => sum + load(member), 0) / members.length;
  const surplus = (member: string): number => Math.max(0, load(member) - fair);
  if (surplus(node) <= Math.max(SLACK, fair * TOLERANCE)) return [];
  const part = surplus(node) / members.reduce((sum, member) => sum + surplus(member), 0);
  return members
    .map((to) => ({ to, count: Math.floor(Math.max(0, fair - load(to)) * part) }))
    .filter(({ count }) => count > 0);
}
