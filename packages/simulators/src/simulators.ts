import type { FaultRule, Faults } from './core/faults/faults.ts';
import type { Ledger } from './core/ledger.ts';
import { createSharedState, type SharedOptions } from './core/shared.ts';
import type { RunningUpstream, Upstream } from './core/upstream.ts';
import type { DeliveryRecord } from './core/webhooks.ts';
import { UPSTREAMS } from './upstreams.ts';

export interface SimulatorsOptions extends SharedOptions {
  /** Names of the upstreams to start. All by default. */
  readonly only?: readonly string[];
  /** The first of consecutive ports, two for each upstream, in the order of `UPSTREAMS`. Free ports by default. */
  readonly portBase?: number;
  /** Settings by upstream. */
  readonly settings?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** The running simulators, on 127.0.0.1. */
export interface Simulators {
  /** The origin of each upstream, by name. The provider's paths are appended to it. */
  readonly urls: Readonly<Record<string, string>>;
  /** A valid key of each upstream. */
  readonly keys: Readonly<Record<string, string>>;
  /** Environment variables that point clients at all simulators. */
  readonly environment: Readonly<Record<string, string>>;
  readonly ledger: Ledger;
  readonly faults: Faults;
  readonly upstreams: readonly RunningUpstream[];
  /** Throws if no upstream of this name was started. */
  upstream(name: string): RunningUpstream;
  /** Webhook attempts so far, oldest first. */
  deliveries(): readonly DeliveryRecord[];
  /** Skips `ms` of the upstreams' time. Everything that is due in it happens before this returns. */
  advance(ms: number): void;
  /** Ends every unfinished job now with the ending that its markers name, even held ones. Returns how many. */
  finishAll(upstream?: string): number;
  close(): Promise<void>;
}

/** Starts the simulators. Rejects if an upstream is unknown or a port is taken. */
export async function startSimulators(options: SimulatorsOptions = {}): Promise<Simulators> {
  const chosen = upstreamsNamed(options.only);
  const shared = createSharedState(options);
  const upstreams: RunningUpstream[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(upstreams.map((upstream) => upstream.close()));
    await shared.close();
  };
  try {
    for (const upstream of chosen) {
      upstreams.push(
        await upstream.serve(shared, {
          ...portsOf(upstream, options.portBase),
          settings: options.settings?.[upstream.name] ?? {},
        }),
      );
    }
  } catch (error) {
    await close();
    throw error;
  }

  return {
    urls: Object.fromEntries(upstreams.map(({ name, url }) => [name, url])),
    keys: Object.fromEntries(upstreams.map(({ name, key }) => [name, key])),
    environment: Object.assign({}, ...upstreams.map(({ environment }) => environment)),
    ledger: shared.ledger,
    faults: {
      add: (rule: FaultRule) => shared.faults.add(rule),
      list: () => shared.faults.list(),
      remove: (id) => shared.faults.remove(id),
      clear: () => shared.faults.clear(),
    },
    upstreams,
    upstream(name) {
      const found = upstreams.find((upstream) => upstream.name === name);
      if (!found) throw new TypeError(`no upstream ${name} was started`);
      return found;
    },
    deliveries: () => shared.webhooks.records(),
    advance(ms) {
      shared.clock.advance(ms);
      shared.schedule.settle();
    },
    finishAll(name) {
      let count = 0;
      for (const upstream of upstreams) {
        if (name !== undefined && upstream.name !== name) continue;
        for (const job of upstream.jobs.all()) if (upstream.jobs.finish(job)) count++;
      }
      return count;
    },
    close,
  };
}

/** The upstreams of these names; all without any. Throws if there is none of a name. */
export function upstreamsNamed(only: readonly string[] | undefined): readonly Upstream[] {
  if (!only) return UPSTREAMS;
  return only.map((name) => {
    const found = UPSTREAMS.find((upstream) => upstream.name === name);
    if (!found) {
      throw new TypeError(
        `There is no simulator "${name}"; there is ${UPSTREAMS.map((known) => known.name).join(', ')}.`,
      );
    }
    return found;
  });
}

/** The admin server gets the first port. */
function portsOf(upstream: Upstream, base: number | undefined): { port?: number; storagePort?: number } {
  if (base === undefined) return {};
  const port = base + 1 + 2 * UPSTREAMS.indexOf(upstream);
  return { port, storagePort: port + 1 };
}
