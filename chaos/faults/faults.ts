import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultKind, Pace, PlannedFault } from '../plan.ts';
import type { Slot } from '../system/nodes.ts';
import type { System } from '../system/system.ts';
import type { Fault, FaultContext, MakeFault } from './fault.ts';
import { machineFaults } from './machine.ts';
import { killMigrations } from './migration.ts';
import { nodeFaults } from './nodes.ts';
import { serviceFaults } from './services.ts';
import { createTurns } from './turns.ts';

/** Injects planned faults, and records them. */
export interface Faults {
  readonly made: readonly Fault[];
  /** Planned faults without an effect, by reason. */
  readonly skipped: ReadonlyMap<string, number>;
  /** Starts every node on the empty database, after killing those that migrate it. */
  startNodes(): Promise<void>;
  /** Injects a fault; resolves when it is over. */
  make(planned: PlannedFault): Promise<void>;
}

interface Hooks {
  readonly parted: FaultContext['parted'];
  readonly log: FaultContext['log'];
}

/** How long a fault waits for a node that it may hit while another one works; less for a kill, because there are many. Milliseconds. */
const PATIENCE_MS = 60_000;
const KILL_PATIENCE_MS = 10_000;
/** Faults that neither separate a node from its tasks nor keep it from writing to its disk: any other fault may happen at the same time. */
const ALWAYS_WELCOME: ReadonlySet<FaultKind> = new Set([
  'clock_forward',
  'clock_back',
  'children_killed',
  'children_frozen',
  'log_disk_full',
]);

export function createFaults(system: System, pace: Pace, hooks: Hooks): Faults {
  const made: Fault[] = [];
  const skipped = new Map<string, number>();
  const turns = createTurns();

  const context: FaultContext = {
    system,
    pace,
    ...hooks,
    begin(kind, slot) {
      const from = Date.now();
      const fault: Fault = {
        kind,
        slot: slot?.name,
        from,
        until: undefined,
        hits: undefined,
        disturbed: [],
      };
      made.push(fault);
      hooks.log(slot ? `${kind} ${slot.name}` : kind);
      return fault;
    },
    skip(kind, why) {
      const what = `${kind}: ${why}`;
      skipped.set(what, (skipped.get(what) ?? 0) + 1);
    },
    async takeSlot(asked, { exactly = false, patienceMs = PATIENCE_MS } = {}) {
      const until = performance.now() + patienceMs;
      while (performance.now() < until) {
        const working = system.nodes.slots.filter(works);
        const next =
          working.find((candidate) => system.nodes.slots.indexOf(candidate) >= asked) ?? working[0];
        const slot = exactly
          ? working.find((candidate) => system.nodes.slots.indexOf(candidate) === asked)
          : next;
        if (slot && working.length > 1) {
          slot.busy = true;
          return slot;
        }
        await sleep(100);
      }
      return undefined;
    },
    async onSlot(planned, hit) {
      const patienceMs = planned.kind === 'kill' ? KILL_PATIENCE_MS : PATIENCE_MS;
      const slot = await context.takeSlot(planned.slot, { patienceMs });
      if (!slot) return context.skip(planned.kind, 'the other nodes were down');
      const fault = context.begin(planned.kind, slot);
      try {
        await hit(slot);
      } finally {
        fault.until = Date.now();
        slot.busy = false;
      }
    },
  };

  const makers: Readonly<Record<Exclude<FaultKind, 'migration_killed'>, MakeFault>> = {
    ...nodeFaults(context),
    ...serviceFaults(context),
    ...machineFaults(context),
  };

  return {
    made,
    skipped,
    startNodes: () => killMigrations(context),
    make(planned) {
      const { kind } = planned;
      if (kind === 'migration_killed') throw new Error('a migration is killed before the load begins');
      const make = () => makers[kind](planned);
      if (kind === 'results_expired') return turns.alone(make);
      return ALWAYS_WELCOME.has(kind) ? make() : turns.together(make);
    },
  };
}

const works = (slot: Slot): boolean =>
  !slot.busy && slot.address !== undefined && slot.node?.running === true;
