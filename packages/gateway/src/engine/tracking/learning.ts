import { z } from 'zod';
import type { EstimateStore, StoredEstimate } from '../../store/store.ts';
import { type Moment, msBetween } from '../../time/clock.ts';
import { createEstimator, type Estimator, type Kind } from '../../tracking/estimator.ts';
import type { EngineParts } from '../parts.ts';

/** The estimator, and its share in what all nodes have learnt: it is stored, so that a restart and a takeover know it. */
export interface Learning {
  readonly estimator: Estimator;
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

const StoredKind = z.tuple([z.string(), z.string(), z.string(), z.number()]);

export function createLearning({ store, cluster, timers, log }: LearningParts): Learning {
  const estimator = createEstimator({ maxKinds: MOST_KINDS });
  const versions = new Map<string, number>();
  let readUntil = 0;
  let readAt: Moment | undefined;
  let cancelSave: (() => void) | undefined;
  let working: Promise<void> | undefined;

  function takeOver({ kind: key, data, version, updatedAt }: StoredEstimate): void {
    readUntil = Math.max(readUntil, updatedAt);
    if (version <= (versions.get(key) ?? 0)) return;
    const kind = kindOf(key);
    if (!kind) return;
    versions.set(key, version);
    estimator.restore(kind, data);
  }

  async function read(): Promise<void> {
    readAt = timers.monotonic();
    for (const stored of await store.estimates(Math.max(0, readUntil - OVERLAP_MS))) takeOver(stored);
  }

  async function save(kind: Kind): Promise<void> {
    const key = keyOf(kind);
    for (let tries = 0; tries < TRIES; tries += 1) {
      const { json, saved } = estimator.save(kind);
      const version = versions.get(key) ?? 0;
      if (await store.putEstimate({ kind: key, data: json, version }, MOST_KINDS)) {
        versions.set(key, version + 1);
        saved();
        return;
      }
      const stored = await store.estimate(key);
      if (stored) takeOver(stored);
      // It was removed, because many other kinds were stored since.
      else versions.delete(key);
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
    used() {
      if (!cluster.shared || (readAt && msBetween(readAt, timers.monotonic()) < READ_MS)) return;
      readAt = timers.monotonic();
      void work(read);
    },
    start: () => work(read),
    stop() {
      cancelSave?.();
      return work(saveAll);
    },
  };
}

const keyOf = ({ account, model, resolution = '', durationSeconds = 0 }: Kind): string =>
  JSON.stringify([account, model, resolution, durationSeconds]);

function kindOf(key: string): Kind | undefined {
  try {
    const [account, model, resolution, durationSeconds] = StoredKind.parse(JSON.parse(key));
    return { account, model, resolution, durationSeconds };
  } catch {
    return undefined;
  }
}
