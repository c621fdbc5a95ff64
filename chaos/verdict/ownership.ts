import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { FaultKind } from '../plan.ts';
import type { Slot } from '../system/nodes.ts';
import { SESSIONS } from './records.ts';

/** A task of a node that was separated from it, and the time until another node owned it (or it had ended). */
export interface Adoption {
  readonly kind: FaultKind;
  readonly ms: number;
}

/** Observes the owners of tasks in the database; nodes are never asked. */
export interface Ownership {
  readonly adoptions: readonly Adoption[];
  /** Unfinished tasks at the last look, by owner. */
  readonly loads: ReadonlyMap<string, number>;
  /** The node in this slot has just been separated from its tasks. */
  parted(slot: Slot, kind: FaultKind): void;
  close(): Promise<void>;
}

interface Case {
  readonly kind: FaultKind;
  readonly owner: string;
  readonly at: number;
  /** Tasks that it still owns; undefined before the first look after the fault. */
  left: Set<string> | undefined;
}

const LOOK_MS = 250;

const OWNERS = `select id, owner from tasks where phase in ('accepted', 'submitting', 'running', 'storing')`;

export function watchOwnership(databaseUrl: string, slots: readonly Slot[]): Ownership {
  const adoptions: Adoption[] = [];
  const cases = new Set<Case>();
  /** The name under which the node of each slot owns tasks. */
  const names = new Map<Slot, string>();
  let loads: ReadonlyMap<string, number> = new Map();
  let stopped = false;

  function judge(owners: ReadonlyMap<string, string>, now: number): void {
    for (const open of cases) {
      const own = new Set([...owners].filter(([, owner]) => owner === open.owner).map(([id]) => id));
      for (const id of open.left ?? []) {
        if (!own.has(id)) adoptions.push({ kind: open.kind, ms: now - open.at });
      }
      open.left = own;
      if (own.size === 0) cases.delete(open);
    }
  }

  async function look(client: Client): Promise<void> {
    const sessions = await client.query<{ node: string; port: number }>(SESSIONS);
    for (const { node, port } of sessions.rows) {
      const slot = slots.find(({ database }) => database.outgoing.has(port));
      if (slot) names.set(slot, node);
    }
    // The answer is at least as old as the query: everything in it had happened by then.
    const now = performance.now();
    const { rows } = await client.query<{ id: string; owner: string }>(OWNERS);
    judge(new Map(rows.map(({ id, owner }) => [id, owner])), now);
    const counts = new Map<string, number>();
    for (const { owner } of rows) counts.set(owner, (counts.get(owner) ?? 0) + 1);
    loads = counts;
  }

  async function watch(): Promise<void> {
    while (!stopped) {
      const client = new Client({ connectionString: databaseUrl, query_timeout: 5000 });
      // The database restarts while we use it: a new connection is made below.
      client.on('error', () => undefined);
      try {
        await client.connect();
        while (!stopped) {
          await look(client);
          await sleep(LOOK_MS);
        }
      } catch {
        await sleep(LOOK_MS);
      } finally {
        await client.end().catch(() => undefined);
      }
    }
  }
  const watching = watch();

  return {
    adoptions,
    get loads() {
      return loads;
    },
    parted(slot, kind) {
      const owner = names.get(slot);
      if (owner !== undefined) cases.add({ kind, owner, at: performance.now(), left: undefined });
    },
    async close() {
      stopped = true;
      await watching;
    },
  };
}
