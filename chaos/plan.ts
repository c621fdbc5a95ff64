import { draw, pick } from './shared/random.ts';

/** What can befall the nodes and what they stand on. */
export const FAULT_KINDS = [
  /** SIGKILL to a node, and another one is started in its place. */
  'kill',
  /** SIGSTOP for longer than detection takes, then SIGCONT: it wakes up and believes that its tasks are its own. */
  'pause',
  /** One node's connections to the database are reset, and new ones refused. */
  'database_cut',
  /** One node's connections to the database stand, and nothing passes. */
  'database_black_hole',
  /** The database is stopped and started. */
  'database_restart',
  /** The database crashes and recovers. */
  'database_crash',
  /** The object storage refuses connections. */
  'storage_away',
  /** Every upstream refuses connections. */
  'upstream_away',
  /** Every upstream answers 503. */
  'upstream_errors',
  /** SIGTERM to each node in turn, and another one is started in its place. */
  'rolling_restart',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** One fault, at its time. Milliseconds since the load began. */
export interface PlannedFault {
  readonly kind: FaultKind;
  readonly at: number;
  /** How long it lasts; 0 where it is over at once. */
  readonly ms: number;
  /** The node that is hit, or the first one asked: another one where that is down already. */
  readonly slot: number;
}

/** How much of each fault, and how close together. Milliseconds. */
export interface Pace {
  /** Between two kills, on average. */
  readonly killEveryMs: number;
  /** Between the end of a fault and the start of the next one; kills come in between. */
  readonly calmMs: number;
  /** How long each fault lasts; a kind may come more than once. The first cycle goes in this order, others in one of their own. */
  readonly cycle: readonly (readonly [Exclude<FaultKind, 'kill'>, ms: number])[];
  readonly cycles: number;
  /** In which part of the whole time, from its beginning, tasks are submitted and nodes killed. */
  readonly busyShare: number;
  /** Upstreams whose submits are let through while everything else is answered with 503. */
  readonly sparedSubmits: readonly string[];
}

/** How long a pause must be so that the others have taken over before it ends: a lock is let go after 6 s of silence. */
const PAST_DETECTION_MS = 9_000;
/** What the planner allows for what is over when it is over. */
const RESTART_MS = 3_000;
const ROLLING_MS = 15_000;

/**
 * Every kind once, in a minute and a half. First what leaves submissions of unknown outcome: they are looked for
 * upstream for two minutes, anew whenever their node dies. DashScope, which tells a prompt only once its task has ended, is
 * searched for longer.
 */
export const SHORT: Pace = {
  killEveryMs: 8_000,
  calmMs: 2_000,
  cycles: 1,
  busyShare: 0.75,
  sparedSubmits: ['dashscope'],
  cycle: [
    ['upstream_errors', 2_000],
    ['upstream_away', 6_000],
    ['pause', PAST_DETECTION_MS],
    ['rolling_restart', 0],
    ['storage_away', 3_000],
    ['database_restart', 0],
    ['database_cut', 5_000],
    ['database_black_hole', 8_000],
    ['database_crash', 0],
    ['storage_away', 8_000],
  ],
};

/** An hour: every kind many times, the outages a minute long. */
export const LONG: Pace = {
  killEveryMs: 11_000,
  calmMs: 6_000,
  cycles: 9,
  busyShare: 1,
  sparedSubmits: [],
  cycle: [
    ['pause', PAST_DETECTION_MS],
    ['database_restart', 0],
    ['database_cut', 10_000],
    ['storage_away', 5_000],
    ['rolling_restart', 0],
    ['database_black_hole', 15_000],
    ['upstream_away', 60_000],
    ['database_crash', 0],
    ['pause', 2 * PAST_DETECTION_MS],
    ['storage_away', 60_000],
    ['upstream_errors', 60_000],
    ['database_cut', 2_000],
  ],
};

/** The faults of a run in the order of their times, the same for the same seed. */
export function planFaults(pace: Pace, nodes: number, seed: string): PlannedFault[] {
  const slots = Array.from({ length: nodes }, (_, slot) => slot);
  const faults: PlannedFault[] = [];
  let at = pace.calmMs;
  for (let cycle = 0; cycle < pace.cycles; cycle++) {
    const order = cycle === 0 ? pace.cycle : shuffled(pace.cycle, `${seed} cycle ${cycle}`);
    for (const [index, [kind, ms]] of order.entries()) {
      faults.push({ kind, at, ms, slot: pick(slots, seed, 'slot', cycle, index) });
      at += lasts(kind, ms) + pace.calmMs * (0.5 + draw(seed, 'calm', cycle, index));
    }
  }
  const end = at;
  let kill = 0;
  for (let next = pace.killEveryMs / 2; next < end * pace.busyShare; kill++) {
    faults.push({ kind: 'kill', at: Math.round(next), ms: 0, slot: pick(slots, seed, 'killed', kill) });
    next += pace.killEveryMs * (0.5 + draw(seed, 'kill', kill));
  }
  return faults.map((fault) => ({ ...fault, at: Math.round(fault.at) })).sort((a, b) => a.at - b.at);
}

/** When the last fault is over, as far as can be planned. */
export const endOf = (faults: readonly PlannedFault[]): number =>
  Math.max(0, ...faults.map(({ kind, at, ms }) => at + lasts(kind, ms)));

function lasts(kind: FaultKind, ms: number): number {
  if (kind === 'rolling_restart') return ROLLING_MS;
  return kind === 'database_restart' || kind === 'database_crash' ? RESTART_MS : ms;
}

function shuffled<T>(items: readonly T[], seed: string): T[] {
  return items
    .map((item, index) => ({ item, turn: draw(seed, index) }))
    .sort((a, b) => a.turn - b.turn)
    .map(({ item }) => item);
}
