import { createEstimate, type Estimate, type Prior } from './estimate.ts';
import {
  add,
  addSample,
  fromJson,
  type Learnt,
  merged,
  nothingLearnt,
  type Sample,
  toJson,
} from './learnt.ts';

/** Jobs that take about as long as each other. */
export interface Kind {
  readonly account: string;
  /** The upstream's name of the model. */
  readonly model: string;
  readonly resolution?: string | undefined;
  readonly durationSeconds?: number | undefined;
}

/** Learns from finished jobs how long jobs of each kind take. Keeps no clock: `atMs` is the wall clock in milliseconds UTC. */
export interface Estimator {
  /** `prior` is what the catalogue says, for as long as little has been learnt. The same object until more has been learnt. */
  estimate(kind: Kind, prior: Prior): Estimate;
  /** Where in its interval a job is likely to have ended is judged by what was known before, hence the prior. */
  learn(kind: Kind, prior: Prior, sample: Sample, atMs: number): void;
  /** Kinds with samples that have not been saved. */
  unsaved(): readonly Kind[];
  /**
   * What to store of a kind: what was restored, and all samples since. `saved` is called once it has been stored. Otherwise, because
   * another node stored its own first, restore that and save again.
   */
  save(kind: Kind): { readonly json: string; readonly saved: () => void };
  /** Takes over what is stored of a kind, and adds this node's unsaved samples to it. Ignores what it cannot read. */
  restore(kind: Kind, json: string): void;
}

/** What is known of a kind, in parts that are added up. */
interface Entry {
  readonly kind: Kind;
  /** As it is stored. */
  stored: Learnt | undefined;
  /** Samples that are being saved. */
  saving: Learnt | undefined;
  /** Samples since then. */
  fresh: Learnt | undefined;
  estimate?: { readonly estimate: Estimate; readonly prior: Prior; readonly untilLearnt: number };
}

/** The kinds of one model, of any account. */
interface Model {
  readonly entries: Map<string, Entry>;
  /** Number of samples so far: tells when an estimate is out of date. */
  learnt: number;
}

/** 5 kB each. */
const MAX_KINDS = 1000;
/** An estimate is computed anew once there are so many more samples, as a part of those that it is made of: it takes 50 µs. */
const STALE_PART = 0.02;

export function createEstimator({ maxKinds = MAX_KINDS }: { maxKinds?: number } = {}): Estimator {
  const models = new Map<string, Model>();
  /** In the order of their last use. */
  const recent = new Map<string, Entry>();

  function entryOf(kind: Kind): Entry {
    const key = keyOf(kind);
    const model = models.get(kind.model) ?? { entries: new Map(), learnt: 0 };
    models.set(kind.model, model);
    const entry = model.entries.get(key) ?? { kind, stored: undefined, saving: undefined, fresh: undefined };
    model.entries.set(key, entry);
    recent.delete(key);
    recent.set(key, entry);
    if (recent.size > maxKinds) forgetOldest();
    return entry;
  }

  function forgetOldest(): void {
    for (const [key, { kind }] of recent) {
      recent.delete(key);
      const model = models.get(kind.model);
      model?.entries.delete(key);
      if (model?.entries.size === 0) models.delete(kind.model);
      return;
    }
  }

  function estimateOf(entry: Entry, prior: Prior): Estimate {
    const model = models.get(entry.kind.model);
    const learnt = model?.learnt ?? 0;
    const known = entry.estimate;
    if (known && learnt < known.untilLearnt && samePrior(known.prior, prior)) return known.estimate;
    const estimate = createEstimate(levelsOf(entry, model), prior);
    const untilLearnt = learnt + Math.max(1, STALE_PART * estimate.samples);
    entry.estimate = { estimate, prior, untilLearnt };
    return estimate;
  }

  return {
    estimate: (kind, prior) => estimateOf(entryOf(kind), prior),
    learn(kind, prior, sample, atMs) {
      const entry = entryOf(kind);
      const expected = estimateOf(entry, prior).total[sample.outcome];
      entry.fresh ??= nothingLearnt(atMs);
      addSample(entry.fresh, sample, atMs, expected.mass);
      const model = models.get(kind.model);
      if (model) model.learnt++;
    },
    unsaved: () =>
      [...recent.values()].filter(({ saving, fresh }) => saving ?? fresh).map(({ kind }) => kind),
    save(kind) {
      const entry = entryOf(kind);
      entry.saving = together(entry.saving, entry.fresh);
      entry.fresh = undefined;
      const { saving } = entry;
      const all = together(entry.stored, saving) ?? nothingLearnt(0);
      return {
        json: toJson(all),
        saved: () => {
          if (entry.saving !== saving) return;
          entry.stored = all;
          entry.saving = undefined;
        },
      };
    },
    restore(kind, json) {
      const entry = entryOf(kind);
      entry.stored = fromJson(json) ?? entry.stored;
      for (const relative of models.get(kind.model)?.entries.values() ?? []) delete relative.estimate;
    },
  };
}

const keyOf = ({ account, model, resolution, durationSeconds }: Kind): string =>
  JSON.stringify([account, model, resolution, durationSeconds]);

const together = (earlier: Learnt | undefined, later: Learnt | undefined): Learnt | undefined =>
  earlier && later ? merged(earlier, later) : (later ?? earlier);

const samePrior = (one: Prior, other: Prior): boolean =>
  one.medianSeconds === other.medianSeconds && one.p90Seconds === other.p90Seconds;

/**
 * What is known of the kind, after what is known of others that have less and less in common with it: of the model at other accounts;
 * at this account; of the same duration; the kind itself. No sample is in two of them.
 */
function levelsOf({ kind }: Entry, model: Model | undefined): Learnt[] {
  const levels = Array.from({ length: 4 }, () => nothingLearnt(0));
  for (const { kind: other, stored, saving, fresh } of model?.entries.values() ?? []) {
    const learnt = together(stored, together(saving, fresh));
    const level = levels[inCommon(kind, other)];
    if (learnt && level) add(level, learnt);
  }
  return levels;
}

function inCommon(kind: Kind, other: Kind): number {
  if (kind.account !== other.account) return 0;
  if (kind.durationSeconds !== other.durationSeconds) return 1;
  return kind.resolution === other.resolution ? 3 : 2;
}
