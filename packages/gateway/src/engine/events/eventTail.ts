import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../../cluster/cluster.ts';
import type { Log } from '../../observability/log.ts';
import type { EventStore, LoggedEvent } from '../../store/store.ts';
import type { Feed } from './feed.ts';

/**
 * Reads the end of the event log, once for all subscribers of this node, and only while there are some. It reads when a transition was
 * stored, by whatever node, and not by the clock.
 */
export interface EventTail<T> {
  /**
   * Calls `listener` with the events of a project that are committed from now on. An event may be committed after others that began
   * later. `listener` must not throw. Returns a function that unsubscribes.
   */
  subscribe(projectId: string, listener: (event: T) => void): () => void;
  /** For a subscriber: resolves once `cursor` is known. Throws if the store is away. */
  begun(): Promise<void>;
  /** The cursor behind everything that subscribers were given; undefined while that is not known. */
  cursor(): string | undefined;
}

interface EventTailParts<T> {
  readonly store: Pick<EventStore, 'newEvents'>;
  readonly cluster: Pick<Cluster, 'onMessage' | 'onLease'>;
  readonly feed: Pick<Feed, 'onChange'>;
  readonly log: Log;
  /** What subscribers get of an event: made once for all of them. */
  readonly render: (event: LoggedEvent) => Promise<T>;
}

/** Events in one read. */
const BATCH = 500;
/** Events that subscribers are given in one turn of the event loop: sockets take only so much in a turn, however fast the clients are. */
const PORTION = 50;
/** Reads are at least this far apart, milliseconds: transitions that come close together are read together. */
const APART_MS = 20;
/** How often the log is read although nothing was heard, in case a message was lost. Milliseconds. */
const FALLBACK_MS = 5000;
/** Delay after a failed read, milliseconds. */
const RETRY_MS = 250;

export function createEventTail<T>({ store, cluster, feed, log, render }: EventTailParts<T>): EventTail<T> {
  const listeners = new Map<string, Set<(event: T) => void>>();
  /** How far was read; undefined before the first read, and while nobody is subscribed. */
  let read: { view: string; end: string } | undefined;
  let beginning: Promise<void> | undefined;
  let wake: (() => void) | undefined;
  let woken = false;
  let run = 0;

  function begin(): Promise<void> {
    beginning ??= store
      .newEvents(undefined, 1)
      .then(({ view, end }) => {
        if (listeners.size > 0) read = { view, end };
      })
      .finally(() => {
        beginning = undefined;
      });
    return beginning;
  }

  async function readNew({ view: since }: { readonly view: string }, isOver: () => boolean): Promise<void> {
    let page = await store.newEvents(since, BATCH);
    for (;;) {
      const wanted = page.events.filter(({ event }) => listeners.has(event.projectId));
      // Rendered before any is given, so that a failure repeats all of them or none.
      const rendered = await Promise.all(wanted.map(render));
      if (isOver()) return;
      for (const [at, { event }] of wanted.entries()) {
        if (at > 0 && at % PORTION === 0) {
          await nextTurn();
          if (isOver()) return;
        }
        for (const listener of [...(listeners.get(event.projectId) ?? [])]) listener(rendered[at] as T);
      }
      if (!page.next) break;
      await nextTurn();
      page = await store.newEvents(since, BATCH, page.next);
    }
    if (!isOver()) read = { view: page.view, end: page.end };
  }

  async function follow(mine: number): Promise<void> {
    const isOver = () => mine !== run;
    while (!isOver()) {
      woken = false;
      try {
        if (!read) await begin();
        if (isOver()) return;
        if (read) await readNew(read, isOver);
        await sleep(APART_MS);
      } catch (err) {
        log.debug({ event: 'events.read_failed', err }, 'cannot read the event log; retrying');
        await sleep(RETRY_MS);
        continue;
      }
      if (!woken && !isOver()) await untilWoken();
    }
  }

  function untilWoken(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, FALLBACK_MS);
      function done() {
        clearTimeout(timer);
        wake = undefined;
        resolve();
      }
      wake = done;
    });
  }

  function look(): void {
    woken = true;
    wake?.();
  }

  feed.onChange(({ transition }) => {
    if (transition) look();
  });
  cluster.onMessage((message) => {
    if (message.kind === 'moved' && message.tasks.length > 0) look();
  });
  cluster.onLease(look);

  return {
    subscribe(projectId, listener) {
      const idle = listeners.size === 0;
      const ofProject = listeners.get(projectId) ?? new Set();
      listeners.set(projectId, ofProject.add(listener));
      if (idle) void follow(++run);
      return () => {
        ofProject.delete(listener);
        if (ofProject.size > 0 || listeners.get(projectId) !== ofProject) return;
        listeners.delete(projectId);
        if (listeners.size > 0) return;
        run += 1;
        read = undefined;
        wake?.();
      };
    },
    async begun() {
      if (!read) await begin();
    },
    cursor: () => read?.end,
  };
}
