import type { EstimateStore, StoredEstimate } from '../../store/store.ts';
import { LONG_AGO, type Moment, msBetween } from '../../time/clock.ts';
import { createEstimator, type Estimator } from '../../tracking/estimator.ts';
import { type Kind, keyOf, kindOfKey } from '../../tracking/kind.ts';
import type { EngineParts } from '../parts.ts';

/** The estimator, and its share in what all nodes have learnt: it is stored, so that a restart and a takeover know it. */
export interface Learning {
  readonly estimator: Estimator;
  /** Resolves once what other nodes have stored by now is known, for tasks that this node takes over. Never rejects. */
  current(): Promise<void>;
  /** An estimate is used: from time to time, what other nodes have learnt is read. */
  used(): void;
  /** Something was learnt, which is stored within a few seconds. */
  learnt(): void;
  /** Reads what is stored. If that fails, the catalogue's times are used until it works. */
  start(): Promise<void>;
  /** Stores the rest. Never rejects. */
  stop(): Promise<void>;
}

type LearningParts = Pick<EngineParts, 'cluster' | 'timers' | 'log'> & { readonly store: EstimateStore };

const SAVE_MS = 10_000;
/** How old the knowledge of what other nodes have learnt may be. */
const READ_MS = 60_000;
/** A write that began before a read may become visible after it: times are read again from so long before. */
const OVERLAP_MS = 60_000;
/** Kinds that are kept: each has some kilobytes. */
const MOST_KINDS = 1000;
/** How often a kind is tried to be stored while other nodes store it too. */
const TRIES = 5;

export function createLearning({ store, cluster, timers, log }: LearningParts): Learning {
  const estimator = createEstimator({ maxKinds: MOST_KINDS });
  let readUntil = 0;
  let readAt: Moment = LONG_AGO;
  let hasRead = false;
  let toRead: Promise<void> | undefined;
  let cancelSave: (() => void) | undefined;
  let working: Promise<void> | undefined;

  function takeOver({ kind: key, data, version, updatedAt }: StoredEstimate): void {
    readUntil = Math.max(readUntil, updatedAt);
    const kind = kindOfKey(key);
    if (kind) estimator.restore(kind, { json: data, version });
  }

  async function read(): Promise<void> {
    readAt = timers.monotonic();
    for (const stored of await store.estimates(Math.max(0, readUntil - OVERLAP_MS))) takeOver(stored);
    hasRead = true;
  }

  /** Joins a read that has not begun yet. */
  function readSoon(): Promise<void> {
    toRead ??= work(() => {
      toRead = undefined;
      return read();
    });
    return toRead;
  }

  const mayBeNews = () => cluster.shared || !hasRead;

  async function save(kind: Kind): Promise<void> {
    const key = keyOf(kind);
    for (let tries = 0; tries < TRIES; tries += 1) {
      const { json, version, saved } = estimator.save(kind);
      if (await store.putEstimate({ kind: key, data: json, version }, MOST_KINDS)) return saved();
      const stored = await store.estimate(key);
      if (stored) takeOver(stored);
      // It was removed, because many other kinds were stored since.
      else estimator.restore(kind, undefined);
    }
  }

  async function saveAll(): Promise<void> {
    for (const kind of estimator.unsaved()) await save(kind);
  }

  /** One piece of work at a time. */
  function work(what: () => Promise<void>): Promise<void> {
    working = (working ?? Promise.resolve())
      .then(what)
      .catch((err) =>
        log.warn(
          { event: 'tracking.store_failed', err },
          'cannot store or read how long jobs take; retrying',
        ),
      );
    return working;
  }

  function learnt(): void {
    cancelSave ??= timers.after(SAVE_MS, () => {
      cancelSave = undefined;
      void work(saveAll).then(() => {
        if (estimator.unsaved().length > 0) learnt();
      });
    });
  }

  return {
    estimator,
    learnt,
    current: () => (mayBeNews() ? readSoon() : Promise.resolve()),
    used() {
      if (mayBeNews() && msBetween(readAt, timers.monotonic()) >= READ_MS) void readSoon();
    },
    start: readSoon,
    stop() {
      cancelSave?.();
      return work(saveAll);
    },
  };
}
