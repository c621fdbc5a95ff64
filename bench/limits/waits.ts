import type { BenchAccount, LimitsNode } from './world.ts';

/** How long nodes with waiting tasks wait for their turn. */
export interface Waits {
  /** Notes which nodes have tasks that wait: to be called every second. */
  look(nodes: readonly LimitsNode[]): void;
  /** The longest wait of a node, and the most starts that other nodes had during one: not always the same wait. */
  longest(account: string): { readonly ms: number; readonly others: number };
}

/** A node that has tasks waiting for an account. */
interface Waiting {
  readonly since: number;
  /** Starts at all nodes before. */
  readonly starts: number;
}

/** Waits that began before `fromMs` do not count. */
export function createWaits(accounts: readonly BenchAccount[], now: () => number, fromMs: number): Waits {
  const waiting = new Map<string, Waiting>();
  const longest = new Map(accounts.map(({ id }) => [id, { ms: 0, others: 0 }]));

  /** Ends the waits that an account's new starts ended, each at the time of its start. */
  function follow({ id, provider: { seen } }: BenchAccount, from: number): void {
    for (const [n, { at, node }] of seen.starts.entries()) {
      if (n < from) continue;
      const wait = waiting.get(`${id} ${node}`);
      if (!wait) continue;
      note(id, wait, at, n);
      waiting.set(`${id} ${node}`, { since: at, starts: n + 1 });
    }
  }

  function note(account: string, { since, starts }: Waiting, at: number, startsBy: number): void {
    if (since < fromMs) return;
    const before = longest.get(account) ?? { ms: 0, others: 0 };
    longest.set(account, {
      ms: Math.max(before.ms, at - since),
      others: Math.max(before.others, startsBy - starts),
    });
  }

  const followed = new Map<string, number>();
  return {
    look(nodes) {
      for (const account of accounts) {
        const { id, provider } = account;
        const starts = provider.seen.starts.length;
        follow(account, followed.get(id) ?? 0);
        followed.set(id, starts);
        for (const node of nodes) {
          const key = `${id} ${node.name}`;
          const wait = waiting.get(key);
          if (wait) note(id, wait, now(), starts);
          if (node.waiting(id) === 0) waiting.delete(key);
          else if (!wait) waiting.set(key, { since: now(), starts });
        }
      }
    },
    longest: (account) => longest.get(account) ?? { ms: 0, others: 0 },
  };
}
