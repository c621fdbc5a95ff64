import { createEstimate, type Estimate } from './estimate.ts';
import { type Kind, keyOf } from './kind.ts';
import {
  add,
  addOutlasted,
  addSample,
  fromJson,
  type Learnt,
  merged,
  nothingLearnt,
  type Outlasted,
  type Sample,
  toJson,
} from './learnt.ts';
import type { Prior } from './prior.ts';

/** Learns from finished jobs how long jobs of each kind take. Keeps no clock: `atMs` is the wall clock in milliseconds UTC. */
export interface Estimator {
  /** `prior` is what the catalogue says, for as long as little has been learnt. The same object until more has been learnt. */
  estimate(kind: Kind, prior: Prior): Estimate;
  /** Where in its interval a job is likely to have ended is judged by what was known before, hence the prior. */
  learn(kind: Kind, prior: Prior, sample: Sample, atMs: number): void;
  /** A job has lasted for a part of its life. To be told of each part once: see `countedMs` of a sample. */
  outlasted(kind: Kind, part: Outlasted, atMs: number): void;
  /** Kinds with samples that have not been saved. */
  unsaved(): readonly Kind[];
  /**
   * What to store of a kind: what was restored, and all samples since. `saved` is called once it has been stored. Otherwise, because
   * another node stored its own first, restore that and save again. `version` is that of what was restored, 0 for nothing.
   */
  save(kind: Kind): { readonly json: string; readonly version: number; readonly saved: () => void };
  /**
   * Takes over what is stored of a kind, and adds this node's unsaved samples to it. Ignores what is older than what it knows, and what it
   * cannot read. Undefined: nothing is stored of it any more.
   */
  restore(kind: Kind, stored: { readonly json: string; readonly version: number } | undefined): void;
}

/** What is known of a kind, in parts that are added up. */
interface Entry {
  readonly kind: Kind;
  /** As it is stored, in this version: 0 if nothing is. */
  stored: Learnt | undefined;
  version: number;
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

/** 7 kB each. */
const MAX_KINDS = 1000;
/** An estimate is computed anew once there are so many more samples, as a part of those that it is made of: it takes some 60 µs. */
const STALE_PART = 0.02;
/** That a job has not ended yet counts as such a part of a sample for that: there are dozens of polls for each end. */
const OUTLASTED_PART = 0.02;

export function createEstimator({ maxKinds = MAX_KINDS }: { maxKinds?: number } = {}): Estimator {
  const models = new Map<string, Model>();
  /** In the order of their last use. */
  const recent = new Map<string, Entry>();

  function entryOf(kind: Kind): Entry {
    const key = keyOf(kind);
    const model = models.get(kind.model) ?? { entries: new Map(), learnt: 0 };
    models.set(kind.model, model);
    const entry: Entry = model.entries.get(key) ?? {
      ...{ kind, version: 0 },
      ...{ stored: undefined, saving: undefined, fresh: undefined },
    };
    model.entries.set(key, entry);
    recent.delete(key);
    recent.set(key, entry);
    if (recent.size > maxKinds) forgetOldest(entry);
    return entry;
  }

  /** Samples that are not stored yet are kept. */
  function forgetOldest(used: Entry): void {
    for (const [key, entry] of recent) {
      if (entry === used || (entry.saving ?? entry.fresh)) continue;
      const { kind } = entry;
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
    outlasted(kind, part, atMs) {
      const entry = entryOf(kind);
      entry.fresh ??= nothingLearnt(atMs);
      addOutlasted(entry.fresh, part);
      const model = models.get(kind.model);
      if (model) model.learnt += OUTLASTED_PART;
    },
    unsaved: () =>
      [...recent.values()].filter(({ saving, fresh }) => saving ?? fresh).map(({ kind }) => kind),
    save(kind) {
      const entry = entryOf(kind);
      entry.saving = together(entry.saving, entry.fresh);
      entry.fresh = undefined;
      const { saving, version } = entry;
      const all = together(entry.stored, saving) ?? nothingLearnt(0);
      return {
        json: toJson(all),
        version,
        saved: () => {
          if (entry.saving !== saving) return;
          entry.stored = all;
          entry.version = version + 1;
          entry.saving = undefined;
        },
      };
    },
    restore(kind, stored) {
      const entry = entryOf(kind);
      if (stored && stored.version <= entry.version) return;
      entry.version = stored?.version ?? 0;
      entry.stored = (stored && fromJson(stored.json)) ?? entry.stored;
      for (const relative of models.get(kind.model)?.entries.values() ?? []) delete relative.estimate;
    },
  };
}

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
