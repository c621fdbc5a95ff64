import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultKind, Pace, PlannedFault } from '../plan.ts';
import { UPSTREAMS } from '../shared/families.ts';
import type { Slot, World } from '../system/system.ts';

/** A fault that was made. Times are milliseconds UTC, as the gateway's own, so that both can be compared. */
export interface Fault {
  readonly kind: FaultKind;
  /** The place that was hit; undefined where it was nobody's own. */
  readonly slot: string | undefined;
  readonly from: number;
  until: number | undefined;
}

/** Makes planned faults, and remembers them. */
export interface Faults {
  readonly made: readonly Fault[];
  /** Planned ones that had no node to hit: the others were down. */
  readonly skipped: number;
  /** Makes a fault; resolves when it is over. */
  make(planned: PlannedFault): Promise<void>;
}

/** How long a fault waits for a node that it may hit without leaving nobody. Milliseconds. */
const PATIENCE_MS = 10_000;
/** How long the database stays down: a restart by a careful operator, and the failover of a managed one. Milliseconds. */
const DATABASE_DOWN_MS = 1_000;
/** What is asked of upstreams beside submits. */
const QUESTIONS = ['poll', 'list', 'download'] as const;

export function createFaults(
  world: World,
  pace: Pace,
  hooks: {
    /** A fault that parts a node from its tasks begins. */
    readonly parted: (slot: Slot, kind: FaultKind) => void;
    readonly log: (line: string) => void;
  },
): Faults {
  const made: Fault[] = [];
  let skipped = 0;
  /** One fault of these at a time: two outages of one thing would end each other. */
  const chains = new Map<string, Promise<void>>();

  function begin(kind: FaultKind, slot?: Slot): Fault {
    const fault: Fault = { kind, slot: slot?.name, from: Date.now(), until: undefined };
    made.push(fault);
    hooks.log(slot ? `${kind} ${slot.name}` : kind);
    return fault;
  }

  const works = (slot: Slot): boolean =>
    !slot.busy && slot.address !== undefined && slot.node?.running === true;

  /** A node that may be hit: the wanted one, or (unless it must be that) the next; never the last that works. */
  async function takeSlot(wanted: number, exactly = false): Promise<Slot | undefined> {
    const until = performance.now() + PATIENCE_MS;
    while (performance.now() < until) {
      const working = world.slots.filter(works);
      const next = working.find((candidate) => world.slots.indexOf(candidate) >= wanted) ?? working[0];
      const slot = exactly ? working.find((candidate) => world.slots.indexOf(candidate) === wanted) : next;
      if (slot && working.length > 1) {
        slot.busy = true;
        return slot;
      }
      await sleep(100);
    }
    skipped += 1;
    return undefined;
  }

  async function onSlot(
    planned: PlannedFault,
    hit: (slot: Slot, fault: Fault) => Promise<void>,
  ): Promise<void> {
    const slot = await takeSlot(planned.slot);
    if (!slot) return;
    const fault = begin(planned.kind, slot);
    try {
      await hit(slot, fault);
    } finally {
      fault.until = Date.now();
      slot.busy = false;
    }
  }

  async function onAll<T>(
    planned: PlannedFault,
    resource: string,
    start: () => Promise<T>,
    end: (started: T) => Promise<unknown>,
  ): Promise<void> {
    const before = chains.get(resource) ?? Promise.resolve();
    const now = before.then(async () => {
      const fault = begin(planned.kind);
      const started = await start();
      await sleep(planned.ms);
      await end(started);
      fault.until = Date.now();
    });
    chains.set(
      resource,
      now.catch(() => undefined),
    );
    return now;
  }

  async function kill(slot: Slot): Promise<void> {
    world.expectEnd(slot);
    hooks.parted(slot, 'kill');
    slot.node?.signal('SIGKILL');
    await slot.node?.ended;
    slot.address = undefined;
    await world.fill(slot, true);
  }

  async function restart(slot: Slot): Promise<void> {
    world.expectEnd(slot);
    slot.node?.terminate();
    await slot.node?.ended;
    slot.address = undefined;
    await world.fill(slot, false);
  }

  async function rollingRestart(planned: PlannedFault): Promise<void> {
    const fault = begin(planned.kind);
    for (const index of world.slots.keys()) {
      const slot = await takeSlot(index, true);
      if (!slot) continue;
      hooks.log(`rolling_restart ${slot.name}`);
      try {
        await restart(slot);
      } finally {
        slot.busy = false;
      }
    }
    fault.until = Date.now();
  }

  const cable = (planned: PlannedFault, mode: 'cut' | 'black_hole') =>
    onSlot(planned, async (slot) => {
      hooks.parted(slot, planned.kind);
      await slot.database.set(mode);
      await sleep(planned.ms);
      await slot.database.set('open');
    });

  const database = (planned: PlannedFault, how: 'fast' | 'crash') =>
    onAll(
      { ...planned, ms: DATABASE_DOWN_MS },
      'database',
      () => world.machine.call('stopDatabase', how),
      () => world.machine.call('startDatabase'),
    );

  async function answerErrors(): Promise<number[]> {
    const ids: number[] = [];
    for (const upstream of UPSTREAMS) {
      const operations = pace.sparedSubmits.includes(upstream) ? QUESTIONS : ['submit', ...QUESTIONS];
      for (const operation of operations) {
        ids.push(await world.upstreams.call('addFault', { kind: 'server_error', upstream, operation }));
      }
    }
    return ids;
  }

  return {
    made,
    get skipped() {
      return skipped;
    },
    make(planned) {
      switch (planned.kind) {
        case 'kill':
          return onSlot(planned, kill);
        case 'pause':
          return onSlot(planned, async (slot) => {
            hooks.parted(slot, 'pause');
            slot.node?.signal('SIGSTOP');
            await sleep(planned.ms);
            slot.node?.signal('SIGCONT');
          });
        case 'database_cut':
          return cable(planned, 'cut');
        case 'database_black_hole':
          return cable(planned, 'black_hole');
        case 'database_restart':
          return database(planned, 'fast');
        case 'database_crash':
          return database(planned, 'crash');
        case 'storage_away':
          return onAll(
            planned,
            'storage',
            () => world.storage.set('cut'),
            () => world.storage.set('open'),
          );
        case 'upstream_away':
          return onAll(
            planned,
            'upstreams',
            () => world.upstreams.call('refuse', UPSTREAMS),
            () => world.upstreams.call('accept', UPSTREAMS),
          );
        case 'upstream_errors':
          return onAll(planned, 'upstreams', answerErrors, async (ids) => {
            for (const id of ids) await world.upstreams.call('removeFault', id);
          });
        case 'rolling_restart':
          return rollingRestart(planned);
      }
    },
  };
}
