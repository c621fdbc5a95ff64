import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { TaskAnswer } from '../../../src/api/schemas.ts';
import { createSnapshots, textOf } from '../../../src/api/views/snapshots.ts';
import { createFeed } from '../../../src/engine/events/feed.ts';
import type { Waiting } from '../../../src/engine/stages/waiting.ts';
import { createLinks } from '../../../src/media/links/links.ts';
import { taskError } from '../../../src/tasks/reasons.ts';
import type { Task } from '../../../src/tasks/task.ts';
import { aTask, START_OF_TIME } from '../../support/builders.ts';

const LINKS = createLinks({
  baseUrl: () => 'http://127.0.0.1',
  secrets: ['secret'],
  ttlMs: 3_600_000,
  clock: { now: () => START_OF_TIME },
});

/** Snapshots of tasks that a test changes, with reads that last as long as the test wants. */
function world() {
  const tasks = new Map<string, Task>();
  const feed = createFeed();
  let now = START_OF_TIME;
  let behind = 0;
  const state = {
    hasLease: true,
    keep: true,
    reads: 0,
    gate: Promise.resolve(),
    waiting: undefined as Waiting | undefined,
  };
  const snapshots = createSnapshots({
    async readTask(id) {
      state.reads += 1;
      const task = tasks.get(id);
      await state.gate;
      return task && { task, keep: state.keep };
    },
    live: () => undefined,
    waiting: () => state.waiting,
    hasLease: () => state.hasLease,
    feed,
    clock: { now: () => now - behind },
    monotonic: () => now,
    links: LINKS,
    givesUrl: () => false,
  });
  return {
    snapshots,
    feed,
    state,
    has(task: Task): Task {
      tasks.set(task.id, task);
      return task;
    },
    /** Sets the wall clock back. */
    setBack(ms: number) {
      behind += ms;
    },
    pass(ms: number) {
      now += ms;
    },
    /** Holds every read until the returned function is called. */
    block(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      state.gate = promise;
      return resolve;
    },
    kept: (id: string): number | undefined => snapshots.cached(id)?.task.version,
  };
}

const finished = (changes: Partial<Task> = {}): Task =>
  aTask({
    phase: 'failed',
    completedAt: START_OF_TIME,
    error: taskError('cancelled', 'cancelled'),
    ...changes,
  });

describe('the response for an unfinished task', () => {
  it('says what the task waits for, and is another response when that changes', async () => {
    const { snapshots, has, state, pass } = world();
    const { id } = has(aTask());
    const read = async () => {
      // What a task waits for is known in memory and checked every second.
      pass(1001);
      const snapshot = await snapshots.read(id);
      if (!snapshot) throw new Error('no answer');
      return { etag: snapshot.etag, answer: TaskAnswer.strict().parse(JSON.parse(snapshot.body.toString())) };
    };
    const free = await read();
    expect(free.answer.waiting_for).toBeUndefined();
    const retryAt = START_OF_TIME + 300_000;
    state.waiting = {
      for: 'account_blocked',
      reason: 'The account is blocked.',
      retryAt,
      trouble: 'auth_failed',
    };
    const blocked = await read();
    expect(blocked.answer).toMatchObject({
      status: 'queued',
      waiting_for: 'account_blocked',
      waiting_reason: 'The account is blocked.',
      retry_at: retryAt / 1000,
    });
    expect((await read()).etag).toBe(blocked.etag);
    state.waiting = { ...state.waiting, retryAt: retryAt + 300_000 };
    const later = await read();
    expect(new Set([free.etag, blocked.etag, later.etag]).size).toBe(3);
  });

  it('is cached for a moment if the reader says that changes are reported', async () => {
    const { snapshots, has, kept, pass, state } = world();
    const { id } = has(aTask());
    await snapshots.read(id);
    await snapshots.read(id);
    expect([state.reads, kept(id)]).toEqual([1, 1]);
    pass(1001);
    expect(kept(id)).toBeUndefined();
  });

  it('is read each time if the reader does not', async () => {
    const { snapshots, has, kept, state } = world();
    const { id } = has(aTask());
    state.keep = false;
    await snapshots.read(id);
    expect(kept(id)).toBeUndefined();
    await snapshots.read(id);
    expect(state.reads).toBe(2);
  });

  it('is neither cached nor used while changes of other nodes are not reported', async () => {
    const { snapshots, has, kept, state } = world();
    const [{ id }, later] = [has(aTask()), has(aTask())];
    await snapshots.read(id);
    state.hasLease = false;
    expect(kept(id)).toBeUndefined();
    await snapshots.read(later.id);
    state.hasLease = true;
    expect(kept(later.id)).toBeUndefined();
  });
});

describe('a cached response', () => {
  it('holds its bytes, a character each, so that none takes two', async () => {
    const { snapshots, has } = world();
    const metadata = { name: 'Ärger 🎬' };
    const read = await snapshots.read(has(finished({ request: { ...aTask().request, metadata } })).id);
    expect([...(read?.body ?? '')].every((one) => one <= '\u00ff')).toBe(true);
    expect(read && JSON.parse(textOf(read)).metadata).toEqual(metadata);
  });

  it('makes room for newer ones by its size, unless it is still requested', async () => {
    const { snapshots, has, kept } = world();
    const metadata = Object.fromEntries(
      Array.from({ length: 100 }, (_, at) => [`name-${at}`, 'x'.repeat(10_000)]),
    );
    const large = () => finished({ request: { ...aTask().request, metadata } });
    const [asked, forgotten] = [has(large()).id, has(large()).id];
    await snapshots.read(asked);
    await snapshots.read(forgotten);
    // A megabyte each: more than the cache holds.
    for (let read = 0; read < 80; read++) {
      await snapshots.read(has(large()).id);
      expect(kept(asked)).toBe(1);
    }
    expect(kept(forgotten)).toBeUndefined();
  });

  it('is not kept longer when the wall clock is set back', async () => {
    const { snapshots, has, kept, pass, setBack } = world();
    const { id } = has(aTask());
    await snapshots.read(id);
    setBack(3_600_000);
    pass(1001);
    expect(kept(id)).toBeUndefined();
  });
});

describe('the response for a finished task', () => {
  it('is cached whoever drove the task, and whether or not changes are reported', async () => {
    const { snapshots, has, kept, state, pass } = world();
    const { id } = has(finished());
    state.keep = false;
    state.hasLease = false;
    await snapshots.read(id);
    pass(10_000);
    expect(kept(id)).toBe(1);
  });
});

describe.each([
  [
    'this node changes it',
    (feed: ReturnType<typeof createFeed>, task: Task) => feed.publish({ task, transition: true }),
  ],
  ['this node is about to', (feed: ReturnType<typeof createFeed>, task: Task) => feed.invalidate(task.id)],
  [
    'another changes it',
    (feed: ReturnType<typeof createFeed>, task: Task) => feed.changedRemotely([task.id]),
  ],
  ['anything may have changed', (feed: ReturnType<typeof createFeed>) => feed.invalidateAll()],
])('when %s, a response', (_when, happens) => {
  it.each([
    ['unfinished', aTask()],
    ['finished', finished()],
  ])('that is %s is no longer used', async (_what, task) => {
    const { snapshots, has, kept, feed } = world();
    has(task);
    await snapshots.read(task.id);
    happens(feed, task);
    expect(kept(task.id)).toBeUndefined();
  });

  it('that is being read at that moment is sent, but not cached', async () => {
    const { snapshots, has, kept, feed, block } = world();
    const task = has(finished());
    const unblock = block();
    const [one, two] = [snapshots.read(task.id), snapshots.read(task.id)];
    happens(feed, task);
    unblock();
    expect((await one)?.task).toMatchObject({ phase: task.phase, version: task.version });
    await two;
    expect(kept(task.id)).toBeUndefined();
    // What is read after that is valid.
    await snapshots.read(task.id);
    expect(kept(task.id)).toBe(1);
  });

  it('of another task stays, unless any task may be affected', async () => {
    const { snapshots, has, kept, feed } = world();
    const [task, other] = [has(aTask()), has(aTask())];
    await snapshots.read(other.id);
    happens(feed, task);
    expect(kept(other.id)).toBe(_when === 'anything may have changed' ? undefined : 1);
  });
});

describe('a client that reads a task to wait for its next change', () => {
  it('learns of a change that another node made during the read', async () => {
    const task = aTask();
    let stored: Task = task;
    const { promise: answers, resolve: answer } = Promise.withResolvers<void>();
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const feed = createFeed({
      log: pino({ level: 'silent' }),
      async reader() {
        ask();
        await answers;
        return [stored];
      },
    });
    const snapshots = createSnapshots({
      async readTask() {
        const seen = stored;
        await answers;
        return { task: seen, keep: false };
      },
      live: () => undefined,
      waiting: () => undefined,
      hasLease: () => true,
      feed,
      clock: { now: () => START_OF_TIME },
      links: LINKS,
      givesUrl: () => false,
    });

    async function longPoll(): Promise<[answered: number | undefined, heard: number]> {
      const snapshot = await snapshots.read(task.id);
      // A few microtasks pass between a read and the subscription that follows it.
      for (let steps = 0; steps < 10; steps++) await undefined;
      const heard = await new Promise<number>((resolve, reject) => {
        feed.onTask(task.id, (change) => resolve(change.task.version));
        AbortSignal.timeout(5000).addEventListener('abort', () => reject(new Error('nothing was heard')));
      });
      return [snapshot?.task.version, heard];
    }
    const polling = longPoll();
    stored = { ...task, version: 2 };
    feed.changedRemotely([task.id]);
    await asked;
    // Both reads end in the same turn, which is the worst case.
    answer();
    expect(await polling).toEqual([1, 2]);
  });
});
