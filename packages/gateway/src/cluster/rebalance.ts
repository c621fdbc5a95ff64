/** Tasks that one node gives to another. */
export interface Transfer {
  readonly to: string;
  readonly count: number;
}

/** A node within this part of its fair share keeps what it has: moving tasks to and fro costs more than it evens out. */
const TOLERANCE = 0.1;
/** Differences of so few tasks are no burden to anybody. */
const SLACK = 8;

/**
 * How a node that has more than its fair share of the unfinished tasks gives to those that have less: a node that has just
 * joined takes load without anybody dying. What several rich nodes give at the same moment adds up to what the poor ones lack.
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
