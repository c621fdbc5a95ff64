import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { soloCluster } from '../../src/cluster/cluster.ts';
import type { NewTask } from '../../src/engine/acceptance.ts';
import { createEngine, type Engine } from '../../src/engine/engine.ts';
import { createFeed, type Feed } from '../../src/engine/events/feed.ts';
import type { EngineParts, EngineSettings } from '../../src/engine/parts.ts';
import { createFileStorage } from '../../src/media/files/storage.ts';
import type { MediaStorage } from '../../src/media/media.ts';
import type { AccountLimits } from '../../src/providers/account.ts';
import type { Provider } from '../../src/providers/provider.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { Store } from '../../src/store/store.ts';
import { isTerminal, type Phase, type Task } from '../../src/tasks/task.ts';
import { aNewTask } from './builders.ts';
import { anAccount, engineParts, SETTINGS } from './engineParts.ts';
import { fakeInspector } from './fakeVideo.ts';
import { ledgerInFolder, sums } from './ledger.ts';
import { createManualTimers, type ManualTimers } from './manualTimers.ts';
import { createRecordingProvider, type RecordingProvider } from './recordingProvider.ts';
import {
  type Behaviour,
  createRecordingUpstream,
  type RecordingUpstream,
} from './servers/recordingUpstream.ts';
import { tempFolder } from './tempFolder.ts';

export interface WorldOptions {
  /** How the upstream treats a task, by its prompt. */
  readonly behaviour?: (prompt: string, taskId: string) => Behaviour;
  readonly abilities?: Parameters<typeof createRecordingProvider>[0]['abilities'];
  readonly settings?: Partial<EngineSettings>;
  readonly limits?: Partial<AccountLimits>;
  /** Names of the accounts; one by default. */
  readonly accounts?: readonly string[];
  /** Replaces parts before the engine is created. */
  readonly parts?: (parts: EngineParts) => Partial<EngineParts>;
  readonly provider?: (provider: RecordingProvider, account: string) => Provider;
  /** How long no engine runs before a restart. */
  readonly downMs?: number;
}

/** The upstream continues as it is: its behaviour is set once. */
type NextLife = Omit<WorldOptions, 'behaviour'>;

/** An engine over a real store and real files, with a scripted upstream, whose time the test controls. */
export interface World {
  readonly engine: Engine;
  readonly store: Store;
  readonly storage: MediaStorage;
  readonly upstream: RecordingUpstream;
  readonly provider: RecordingProvider;
  readonly timers: ManualTimers;
  readonly feed: Feed;
  submit(prompt?: string, changes?: Partial<NewTask>): Promise<Task>;
  task(id: string): Promise<Task>;
  ledger(id: string): Promise<Record<string, number>>;
  /** Resolves when nothing is in progress: everything waits for time to pass, or for the test. */
  idle(): Promise<void>;
  /** Advances time, timer by timer; everything settles in between. */
  advance(ms: number): Promise<void>;
  /** Advances time from timer to timer until the task is in the phase. */
  reaches(id: string, ...phases: Phase[]): Promise<Task>;
  /** Advances time until the task has ended. */
  ends(id: string): Promise<Task>;
  /** Stops this engine as SIGTERM does, and starts another on the same store, storage and upstream. */
  restart(options?: NextLife): Promise<World>;
  /** Drops this engine as `kill -9` does: nothing it does after that is written. Then as `restart`. */
  crash(options?: NextLife): Promise<World>;
}

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const dir = await tempFolder();
  const upstream = createRecordingUpstream(options);
  return openWorld(dir, upstream, createManualTimers(), options, 1);
}

async function openWorld(
  dir: string,
  upstream: RecordingUpstream,
  timers: ManualTimers,
  options: NextLife,
  life: number,
): Promise<World> {
  const work = createWorkCounter();
  const opened = await openSqliteStore({ dir, exclusive: true });
  let dead = false;
  const store = work.watch(opened);
  const files = createFileStorage({ root: join(dir, 'media') });
  const watched = (media: MediaStorage): MediaStorage =>
    work.watch({ ...media, write: async (key) => work.watch(await media.write(key)) });
  const storage = watched(files);
  const feed = createFeed();
  const providers = (options.accounts ?? ['one']).map((account) =>
    createRecordingProvider({
      upstream,
      account,
      ...(options.abilities ? { abilities: options.abilities } : {}),
    }),
  );
  const [provider] = providers;
  if (!provider) throw new Error('a world needs an account');

  const parts = engineParts({
    store,
    cluster: soloCluster(`node-${life}`),
    storage,
    inspector: work.watch(fakeInspector),
    accounts: providers.map((recording, index) => {
      const id = options.accounts?.[index] ?? 'one';
      return anAccount(options.provider?.(recording, id) ?? recording, { id, limits: options.limits });
    }),
    clock: timers,
    timers,
    feed,
    settings: { ...SETTINGS, ...options.settings },
  });
  const changed = { ...parts, ...options.parts?.(parts) };
  const engine = createEngine({
    ...changed,
    storage: watched(changed.storage),
    inspector: work.watch(changed.inspector),
  });
  await engine.start();

  async function close(timeoutMs: number): Promise<void> {
    if (dead) return;
    dead = true;
    await engine.drain(timeoutMs);
    await opened.close();
  }
  onTestFinished(() => close(1000));

  const world: World = {
    engine,
    store,
    storage,
    upstream,
    provider,
    timers,
    feed,
    async submit(prompt = 'a paper boat', changes = {}) {
      const given = aNewTask(changes);
      const { task } = await engine.submit({ ...given, request: { ...given.request, prompt } });
      return task;
    },
    async task(id) {
      const task = await opened.task(id);
      if (!task) throw new Error(`no task ${id}`);
      return task;
    },
    async ledger(id) {
      return sums(ledgerInFolder(dir, id));
    },
    idle: work.idle,
    async advance(ms) {
      const until = timers.trueTime() + ms;
      await work.idle();
      for (let next = timers.nextAt(); next !== undefined && next <= until; next = timers.nextAt()) {
        timers.moveTo(next);
        await work.idle();
      }
      timers.moveTo(until);
      await work.idle();
    },
    async reaches(id, ...phases) {
      for (let moves = 0; moves < 10_000; moves++) {
        await work.idle();
        const task = await world.task(id);
        if (phases.includes(task.phase)) return task;
        const next = timers.nextAt();
        if (isTerminal(task.phase) || next === undefined) {
          throw new Error(`${id} stays ${task.phase}: ${JSON.stringify(task.error ?? task.attempt)}`);
        }
        timers.moveTo(next);
      }
      throw new Error(`${id} never becomes ${phases}`);
    },
    ends: (id) => world.reaches(id, 'succeeded', 'failed'),
    async restart(next = options) {
      await close(10_000);
      return openWorld(
        dir,
        upstream,
        createManualTimers(timers.trueTime() + (next.downMs ?? 0)),
        next,
        life + 1,
      );
    },
    async crash(next = options) {
      dead = true;
      timers.close();
      await opened.close();
      // Its store is gone, so this only ends its attempts to write.
      await engine.drain(50);
      return openWorld(
        dir,
        upstream,
        createManualTimers(timers.trueTime() + (next.downMs ?? 0)),
        next,
        life + 1,
      );
    },
  };
  return world;
}

/** Turns of the event loop without work in progress after which nothing is about to begin. */
const QUIET_TURNS = 4;

/** Counts calls in progress, so that a test can wait until there are none instead of sleeping. */
function createWorkCounter() {
  let underWay = 0;
  const watch = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(from, name, receiver) {
        const member: unknown = Reflect.get(from, name, receiver);
        if (typeof member !== 'function') return member;
        return (...given: unknown[]) => {
          const value: unknown = Reflect.apply(member, from, given);
          if (!(value instanceof Promise)) return value;
          underWay += 1;
          const done = () => {
            underWay -= 1;
          };
          value.then(done, done);
          return value;
        };
      },
    });

  async function idle(): Promise<void> {
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      await turn();
      if (underWay > 0) quiet = -1;
    }
  }
  return { watch, idle };
}
