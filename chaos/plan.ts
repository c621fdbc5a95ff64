import { draw, pick, shuffled } from './shared/random.ts';

/** The faults of nodes and of the services under them. */
export const FAULT_KINDS = [
  /** Nodes migrate a new database together, and the one that migrates is killed in the middle. Before the load begins. */
  'migration_killed',
  /** SIGKILL to a node; a new one replaces it. */
  'kill',
  /** SIGSTOP for longer than detection takes, then SIGCONT: the node wakes up and believes that it still owns its tasks. */
  'pause',
  /** SIGTERM to each node in turn; a new one replaces it. */
  'rolling_restart',
  /** One node's connections to the database are reset, and new ones are refused. */
  'database_cut',
  /** One node's connections to the database stay open, and no byte passes. */
  'database_black_hole',
  /** The database is stopped and started. */
  'database_restart',
  /** The database crashes and recovers. */
  'database_crash',
  /** The object storage refuses connections. */
  'storage_away',
  /** The object storage refuses connections, and the upstreams delete the results that were downloaded. */
  'results_expired',
  /** Every upstream refuses connections. */
  'upstream_away',
  /** Every upstream answers with 503. */
  'upstream_errors',
  /** One node's wall clock is set forward, and later back. */
  'clock_forward',
  /** One node's wall clock is set back, and later forward. */
  'clock_back',
  /** SIGKILL to every child of one node, as soon as it is found: those that check videos and those that render. */
  'children_killed',
  /** SIGSTOP to every child of one node, then SIGCONT. */
  'children_frozen',
  /** No byte is free on the disk for one node's log. */
  'log_disk_full',
  /** No byte is free on the disk of one node's data folder. */
  'data_disk_full',
  /** One node can open no file and no connection. */
  'descriptors_used_up',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Faults that break no request to a node, and no request of a node to an upstream. */
export const BREAKS_NO_REQUEST: ReadonlySet<FaultKind> = new Set([
  'migration_killed',
  'storage_away',
  'results_expired',
  'clock_forward',
  'clock_back',
  'children_killed',
  'children_frozen',
  'log_disk_full',
  'data_disk_full',
]);

/** A fault and its time. Milliseconds since the load began. */
export interface PlannedFault {
  readonly kind: FaultKind;
  readonly at: number;
  /** How long it lasts; 0 if it is over at once. */
  readonly ms: number;
  /** The node to hit, or the first candidate: another one if that is already down. */
  readonly slot: number;
  /** How far a clock is moved. */
  readonly stepMs: number;
}

type Entry = readonly [kind: FaultKind, ms: number, stepMs?: number];

/** How many faults of each kind, and how close together. Milliseconds. */
export interface Pace {
  /** How often a migration is killed, each time at another statement. */
  readonly migrationKills: number;
  /** Between two kills, on average. */
  readonly killEveryMs: number;
  /** Between the end of a fault and the start of the next one of its cycle. */
  readonly calmMs: number;
  /** How long each fault lasts; a kind may occur more than once. The first cycle has this order, others have their own. */
  readonly cycle: readonly Entry[];
  /** Faults of a node's machine during the cycle and the kills. They begin again with each cycle. */
  readonly machineCycle: readonly Entry[];
  readonly cycles: number;
  /** The fraction of the total time, from its beginning, in which tasks are submitted and nodes are killed. */
  readonly busyShare: number;
  /** Upstreams whose submissions pass while everything else is answered with 503. */
  readonly sparedSubmits: readonly string[];
}

/** How long a pause must be so that the other nodes have adopted the tasks before it ends: a lock is released after 6 s of silence. */
const PAST_DETECTION_MS = 9_000;
/** The planned time of a fault without a duration. */
const RESTART_MS = 3_000;
const ROLLING_MS = 15_000;
/** Besides its own time, `results_expired` waits for calm, and for downloads to be stored. */
const SETTLING_MS = 12_000;

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * Every kind at least once, in two minutes. First the faults that leave submissions of unknown outcome: these are searched
 * upstream for two minutes, again whenever their node dies. The search at DashScope, which returns a prompt only after its task
 * has ended, takes longer.
 */
export const SHORT: Pace = {
  migrationKills: 2,
  killEveryMs: 8_000,
  calmMs: 2_000,
  cycles: 1,
  busyShare: 0.75,
  sparedSubmits: ['dashscope'],
  cycle: [
    ['upstream_errors', 2_000],
    ['upstream_away', 6_000],
    ['pause', PAST_DETECTION_MS],
    ['results_expired', 8_000],
    ['rolling_restart', 0],
    ['storage_away', 3_000],
    ['database_restart', 0],
    ['database_cut', 5_000],
    ['database_black_hole', 8_000],
    ['database_crash', 0],
  ],
  machineCycle: [
    ['clock_forward', 6_000, HOUR_MS],
    ['children_killed', 4_000],
    ['data_disk_full', 5_000],
    ['clock_back', 6_000, -HOUR_MS],
    ['log_disk_full', 5_000],
    ['children_frozen', 5_000],
    ['descriptors_used_up', 3_000],
    ['clock_forward', 6_000, DAY_MS],
    ['clock_back', 6_000, -DAY_MS],
  ],
};

/** An hour: every kind many times, the outages a minute long. */
export const LONG: Pace = {
  migrationKills: 6,
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
    ['results_expired', 30_000],
    ['database_crash', 0],
    ['pause', 2 * PAST_DETECTION_MS],
    ['storage_away', 60_000],
    ['upstream_errors', 60_000],
    ['database_cut', 2_000],
  ],
  machineCycle: [
    ['clock_forward', 30_000, HOUR_MS],
    ['children_killed', 15_000],
    ['data_disk_full', 30_000],
    ['clock_back', 30_000, -HOUR_MS],
    ['log_disk_full', 30_000],
    ['children_frozen', 20_000],
    ['descriptors_used_up', 8_000],
    ['clock_forward', 60_000, DAY_MS],
    ['data_disk_full', 5_000],
    ['clock_back', 20_000, -DAY_MS],
  ],
};

/** The faults of a run in the order of their times, deterministic for a seed. Kills of migrations come before the load. */
export function planFaults(pace: Pace, nodes: number, seed: string): PlannedFault[] {
  const slots = Array.from({ length: nodes }, (_, slot) => slot);
  const faults: PlannedFault[] = [];
  let at = pace.calmMs;

  /** Plans one cycle from a time on, and returns when it is over. */
  function planCycle(name: string, entries: readonly Entry[], cycle: number, from: number): number {
    let next = from;
    const order = cycle === 0 ? entries : shuffled(entries, `${seed} ${name} ${cycle}`);
    for (const [index, [kind, ms, stepMs = 0]] of order.entries()) {
      const slot = pick(slots, seed, `${name} slot`, cycle, index);
      faults.push({ kind, at: next, ms, slot, stepMs });
      next += lasts(kind, ms) + pace.calmMs * (0.5 + draw(seed, `${name} calm`, cycle, index));
    }
    return next;
  }

  for (let cycle = 0; cycle < pace.cycles; cycle++) {
    planCycle('machine', pace.machineCycle, cycle, at);
    at = planCycle('cycle', pace.cycle, cycle, at);
  }
  const end = at;
  let kill = 0;
  for (let next = pace.killEveryMs / 2; next < end * pace.busyShare; kill++) {
    faults.push({ kind: 'kill', at: next, ms: 0, slot: pick(slots, seed, 'killed', kill), stepMs: 0 });
    next += pace.killEveryMs * (0.5 + draw(seed, 'kill', kill));
  }
  return faults.map((fault) => ({ ...fault, at: Math.round(fault.at) })).sort((a, b) => a.at - b.at);
}

/** The planned end of the last fault. */
export const endOf = (faults: readonly PlannedFault[]): number =>
  Math.max(0, ...faults.map(({ kind, at, ms }) => at + lasts(kind, ms)));

function lasts(kind: FaultKind, ms: number): number {
  if (kind === 'rolling_restart') return ROLLING_MS;
  if (kind === 'results_expired') return ms + SETTLING_MS;
  return kind === 'database_restart' || kind === 'database_crash' ? RESTART_MS : ms;
}
