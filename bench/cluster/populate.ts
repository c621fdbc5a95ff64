import { type Event, move, type NewTask, newId, newTaskId, type Store, type Task } from '@onetake/gateway';
import { jobUnderWay, TYPICAL, type Typical } from './steadyState.ts';
import type { Upstream } from './upstream.ts';

export const ACCOUNT = 'bench';
/** A name that no node has: its tasks are ready for adoption. */
const NOBODY = 'node-0';
const DAY_MS = 86_400_000;
/** Tasks that are being written at a time. */
const AT_A_TIME = 2000;

/** The request of every task. */
export function aNewTask(number: number): NewTask {
  return {
    projectId: 'bench',
    keyId: 'bench',
    request: {
      model: 'bench-model',
      prompt: `boat number ${number} on a lake at dawn, mist over the water, a slow pan to the left, film grain`,
      duration: 4,
      resolution: '720p',
      aspectRatio: '16:9',
      width: 1280,
      height: 720,
    },
    price: { currency: 'USD', microsPerSecond: 100_000, holdMicros: 400_000 },
    media: [],
  };
}

interface PopulateOptions {
  /** Whose tasks they are. */
  readonly owner?: string;
  /** Whether one task in ten waits for its submission, and one in twenty for its download. Otherwise all are running. */
  readonly mixed?: boolean;
  readonly typical?: Typical;
  /** When the system is to look like this, milliseconds UTC: now by default. */
  readonly at?: number;
}

/** Writes `count` tasks as in a system that has run for long: running upstream, some just begun, some nearly done. */
export async function populate(
  store: Store,
  upstream: Upstream,
  count: number,
  random: () => number,
  { owner = NOBODY, mixed = false, typical = TYPICAL, at }: PopulateOptions = {},
): Promise<void> {
  for (let done = 0; done < count; done += AT_A_TIME) {
    const some = Array.from({ length: Math.min(AT_A_TIME, count - done) }, (_, index) => done + index);
    await Promise.all(
      some.map((number) => {
        const phase = mixed ? phaseOf(number) : 'running';
        const job = { ...jobUnderWay(random, typical), at: at ?? Date.now() };
        return addOne(store, upstream, { number, owner, phase }, job);
      }),
    );
  }
}

/** The last event of a task in each phase. */
const REACHED = { accepted: 0, running: 2, storing: 3 };

function phaseOf(number: number): keyof typeof REACHED {
  if (number % 10 === 0) return 'accepted';
  return number % 20 === 1 ? 'storing' : 'running';
}

/** Writes a task that waits for its submission. */
export async function acceptOne(
  store: Store,
  number: number,
  { owner = NOBODY, begun = Date.now() }: { readonly owner?: string; readonly begun?: number } = {},
): Promise<Task> {
  const { projectId, keyId, request, price } = aNewTask(number);
  const task: Task = {
    id: newTaskId(),
    projectId,
    keyId,
    request,
    phase: 'accepted',
    version: 1,
    owner,
    createdAt: begun,
    deadlineAt: begun + DAY_MS,
    price,
  };
  await store.accept({ task, ledger: [{ kind: 'hold', amountMicros: price.holdMicros }], media: [] });
  return task;
}

async function addOne(
  store: Store,
  upstream: Upstream,
  { number, owner, phase }: Pick<Task, 'owner'> & { number: number; phase: keyof typeof REACHED },
  { age, left, at }: { age: number; left: number; at: number },
): Promise<void> {
  const begun = Math.round(at - age);
  let task = await acceptOne(store, number, { owner, begun });
  const upstreamId = upstream.add(at + left);
  const events: Event[] = [
    { type: 'submit_intended', accountId: ACCOUNT, idempotencyKey: newId(), upstreamModel: 'bench' },
    { type: 'submit_confirmed', upstreamId, working: true },
    { type: 'upstream_succeeded', result: { ref: upstreamId } },
  ];
  for (const event of events.slice(0, REACHED[phase])) {
    const next = move(task, event, begun);
    if (!next || !(await store.commit(next))) throw new Error(`${event.type} was refused`);
    task = next.task;
  }
}
