import { join } from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { Cluster } from '../../../src/cluster/cluster.ts';
import { joinCluster } from '../../../src/cluster/postgres/cluster.ts';
import type { NewTask } from '../../../src/engine/acceptance.ts';
import { createEngine, type Engine } from '../../../src/engine/engine.ts';
import { createFeed, type Feed } from '../../../src/engine/events/feed.ts';
import { connectRemoteEvents } from '../../../src/engine/events/remoteEvents.ts';
import type { EngineParts, EngineSettings } from '../../../src/engine/parts.ts';
import { createFileStorage } from '../../../src/media/files/storage.ts';
import type { AccountLimits } from '../../../src/providers/account.ts';
import { openPostgresStore } from '../../../src/store/postgres/store.ts';
import type { Store } from '../../../src/store/store.ts';
import { isTerminal, type Task } from '../../../src/tasks/task.ts';
import { systemClock } from '../../../src/time/clock.ts';
import { createTimers } from '../../../src/time/timers.ts';
import { aNewTask } from '../builders.ts';
import { anAccount, engineParts, fixedInterval, SETTINGS } from '../engineParts.ts';
import { eventually } from '../eventually.ts';
import { createRecordingProvider, type RecordingProvider } from '../recordingProvider.ts';
import { connect, freshDatabase } from '../servers/database.ts';
import {
  type Behaviour,
  createRecordingUpstream,
  type RecordingUpstream,
} from '../servers/recordingUpstream.ts';
import { tempFolder } from '../tempFolder.ts';
import { STEADY } from './clusters.ts';

interface NodesOptions {
  readonly behaviour?: (prompt: string, taskId: string) => Behaviour;
  readonly abilities?: Parameters<typeof createRecordingProvider>[0]['abilities'];
  readonly limits?: Partial<AccountLimits>;
  readonly settings?: Partial<EngineSettings>;
  /** A database with tasks, and the upstream that knows them. New ones by default. */
  readonly url?: string;
  readonly upstream?: RecordingUpstream;
  /** Polls as it is learnt, and not at a fixed interval, which saves real time. */
  readonly learns?: boolean;
}

/** One engine of several, over the same PostgreSQL, the same files and the same upstream, in real time. */
export interface Node {
  readonly engine: Engine;
  readonly store: Store;
  readonly cluster: Cluster;
  readonly feed: Feed;
  readonly provider: RecordingProvider;
  submit(prompt?: string, changes?: Partial<NewTask>): Promise<Task>;
  /** Ends as `kill -9` does: nothing it does after that is written, and nobody is informed. */
  kill(): Promise<void>;
  /** Ends as SIGTERM does. */
  drain(): Promise<void>;
}

/** Parts that replace the real ones. */
type Change = (parts: EngineParts) => Partial<EngineParts> | Promise<Partial<EngineParts>>;

export interface NodesWorld {
  readonly url: string;
  readonly upstream: RecordingUpstream;
  /** `change` is called once the node is a member, and before it drives anything. */
  join(change?: Change): Promise<Node>;
  /** The task once `is` is true, as any node can read it. */
  until(id: string, is: (task: Task) => boolean): Promise<Task>;
  ends(id: string): Promise<Task>;
  /** Ends a node's session at the database, as an administrator or a network would; the node itself lives on. */
  cut(node: Node): Promise<void>;
}

export async function createNodes(options: NodesOptions = {}): Promise<NodesWorld> {
  const url = options.url ?? (await freshDatabase());
  const dir = await tempFolder();
  const upstream = options.upstream ?? createRecordingUpstream(options);
  const log = pino({ level: process.env.LOG ?? 'silent' });
  const reader = await openPostgresStore({
    url,
    cluster: { node: 'reader' },
    poolSize: 2,
    namedStatements: true,
    log,
  });
  onTestFinished(() => reader.close());

  const until = async (id: string, is: (task: Task) => boolean): Promise<Task> =>
    eventually(async () => {
      const task = await reader.task(id);
      if (task && is(task)) return task;
      throw new Error(`${id} is ${JSON.stringify(task)}`);
    });

  return {
    url,
    upstream,
    until,
    ends: (id) => until(id, ({ phase }) => isTerminal(phase)),
    cut: (node) => terminate(url, node.cluster.node),
    async join(change = () => ({})) {
      const cluster = await joinCluster({ ...STEADY, url, log });
      const opened = await openPostgresStore({ url, cluster, poolSize: 4, namedStatements: true, log });
      const life = mortal(opened);
      const feed = createFeed({ reader: (ids) => opened.tasks(ids), log });
      connectRemoteEvents(cluster, feed, { forgetKeys: () => undefined });
      const provider = createRecordingProvider({
        upstream,
        ...(options.abilities ? { abilities: options.abilities } : {}),
      });
      const timers = createTimers(systemClock);
      const parts = engineParts({
        store: life.store,
        cluster,
        storage: createFileStorage({ root: join(dir, 'media') }),
        accounts: [anAccount(provider, { limits: { minPollIntervalMs: 250, ...options.limits } })],
        clock: systemClock,
        timers,
        feed,
        ...(options.learns ? {} : { tracker: fixedInterval(250) }),
        log,
        settings: { ...SETTINGS, callTimeoutMs: 10_000, ...options.settings },
      });
      const engine = createEngine({ ...parts, ...(await change(parts)) });
      await engine.start();
      let over = false;
      const end = async (work: () => Promise<void>) => {
        if (over) return;
        over = true;
        await work();
      };
      const drain = () =>
        end(async () => {
          await engine.drain(5000);
          await cluster.close();
          await opened.close();
        });
      onTestFinished(drain);
      return {
        engine,
        store: opened,
        cluster,
        feed,
        provider,
        drain,
        async submit(prompt = 'a paper boat', changes = {}) {
          const given = aNewTask(changes);
          const { task } = await engine.submit({ ...given, request: { ...given.request, prompt } });
          return task;
        },
        kill: () =>
          end(async () => {
            life.end();
            timers.close();
            await cluster.close();
            await engine.drain(50);
            await opened.close();
          }),
      };
    },
  };
}

/** A store that never answers once its process is dead. */
function mortal(store: Store): { store: Store; end(): void } {
  let dead = false;
  const guarded = new Proxy(store, {
    get(from, name, receiver) {
      const member: unknown = Reflect.get(from, name, receiver);
      if (typeof member !== 'function') return member;
      return (...given: unknown[]) => (dead ? new Promise(() => undefined) : member.apply(from, given));
    },
  });
  return {
    store: guarded,
    end() {
      dead = true;
    },
  };
}

async function terminate(url: string, node: string): Promise<void> {
  const client = await connect(url);
  // Only in this database: other tests have nodes of the same number on the same server.
  await client.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and datname = current_database()',
    [`onetake ${node}`],
  );
}
