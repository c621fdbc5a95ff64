import { expect, it } from 'vitest';
import type { ClientLog } from '../clients/client.ts';
import type { Fault } from '../faults/fault.ts';
import { FAULT_KINDS, LONG, planFaults, SHORT } from '../plan.ts';
import { FAMILIES } from '../shared/families.ts';
import type { TaskRecord } from '../verdict/records.ts';
import { type Evidence, judge, VIOLATION_KINDS } from '../verdict/verdict.ts';

const [openai, gemini] = FAMILIES.filter(({ upstream }) => upstream === 'openai' || upstream === 'gemini');
const KILLED: Fault = {
  kind: 'kill',
  slot: 'a',
  from: 10_000,
  until: 12_000,

  hits: undefined,
  disturbed: [],
};

const TASK: TaskRecord = {
  id: 'video_1',
  prompt: 'boat 1',
  phase: 'succeeded',
  owner: 'node-1',
  reason: undefined,
  result: { videoId: 'v', bytes: 9, sha256: 'ab', costMicros: 300 },
  holdMicros: 400,
  intendedAt: 9_000,
  endedAt: 60_000,
  attempts: 1,
  ledger: { hold: 400, capture: 300, release: 100 },
  storageKey: 'video/v.mp4',
  keys: ['key'],
};
const FAILED: Partial<TaskRecord> = {
  phase: 'failed',
  reason: 'submission_unknown',
  result: undefined,
  ledger: { hold: 400, release: 400 },
  storageKey: undefined,
};
const JOB = { upstream: 'openai', id: 'job', prompt: 'boat 1', bills: 1 };
const OBJECT = { key: 'video/v.mp4', bytes: 9, sha256: 'ab' };

interface Change {
  readonly client?: Partial<ClientLog>;
  readonly task?: Partial<TaskRecord>;
  readonly evidence?: Partial<Evidence>;
  readonly family?: (typeof FAMILIES)[number] | undefined;
  readonly short?: boolean;
}

function violationsOf({ client, task, evidence, family = openai, short = false }: Change) {
  if (!family) throw new Error('the family is not there any more');
  const one: ClientLog = {
    planned: { family, prompt: 'boat 1', body: {}, ending: undefined },
    key: 'key',
    submitAt: 0,
    ids: new Set(['video_1']),
    refused: undefined,
    missing: 0,
    seen: [],
    backwards: [],
    end: 'succeeded',
    reason: undefined,
    video: { bytes: 9, sha256: 'ab' },
    ...client,
  };
  const { violations, lookedFor } = judge(
    {
      clients: [one],
      tasks: [{ ...TASK, ...task }],
      jobs: [JOB],
      objects: [OBJECT],
      faults: [KILLED],
      ...evidence,
    },
    { short },
  );
  const kinds = VIOLATION_KINDS.filter((violation) => violations[violation].length > 0).join(' ');
  return lookedFor > 0 ? `${kinds} looked for`.trim() : kinds;
}

it('finds no violation if there is none', () => {
  expect(violationsOf({})).toBe('');
});

it.each<[string, Change, string]>([
  ['an accepted task that is not stored', { evidence: { tasks: [] } }, 'lost'],
  ['a task that never ended', { client: { end: undefined }, task: { phase: 'running' } }, 'lost'],
  ['an end that the client was never told', { client: { end: undefined } }, 'lost'],
  [
    'a failure that nobody asked for',
    { client: { end: 'failed' }, task: { ...FAILED, reason: 'upstream_failed' } },
    'lost',
  ],
  ['a request that was never accepted', { client: { ids: new Set() } }, 'lost'],
  ['a 404 for an accepted task', { client: { missing: 1 } }, 'lost'],
  ['two jobs of one task', { evidence: { jobs: [JOB, { ...JOB, id: 'other', bills: 0 }] } }, 'duplicate'],
  ['two bills of one job', { evidence: { jobs: [{ ...JOB, bills: 2 }] } }, 'lost duplicate'],
  ['two tasks of one key', { client: { ids: new Set(['video_1', 'video_2']) } }, 'duplicate'],
  [
    'two stored tasks of one prompt',
    { evidence: { tasks: [TASK, { ...TASK, id: 'video_2' }] } },
    'duplicate',
  ],
  ['a hold that was never given back', { task: { ledger: { hold: 400, capture: 300 } } }, 'imbalance'],
  ['a charge beside the cost', { task: { ledger: { hold: 400, capture: 400 } } }, 'imbalance'],
  ['a video that is not in the storage', { evidence: { objects: [] } }, 'unreadable'],
  ['a stored video of other bytes', { evidence: { objects: [{ ...OBJECT, sha256: 'cd' }] } }, 'unreadable'],
  ['a short stored video', { evidence: { objects: [{ ...OBJECT, bytes: 8 }] } }, 'unreadable'],
  ['another download than was stored', { client: { video: { bytes: 9, sha256: 'cd' } } }, 'unreadable'],
  ['a download that never came', { client: { video: undefined } }, 'unreadable'],
  ['a status that went back', { client: { backwards: ['succeeded, then queued'] } }, 'backwards'],
  ['an end that is told otherwise than stored', { client: { end: 'failed' } }, 'backwards'],
])('finds %s', (_, change, violation) => {
  expect(violationsOf(change)).toBe(violation);
});

it('excuses a lost submission only if a fault hit it and the upstream cannot tell', () => {
  const lost = { client: { end: 'failed' as const }, task: FAILED, evidence: { jobs: [] } };
  expect(violationsOf({ ...lost, family: gemini })).toBe('');
  expect(violationsOf({ ...lost, family: openai }), 'OpenAI can tell').toBe('lost');
  const later = { ...lost, task: { ...FAILED, intendedAt: 30_000 } };
  expect(violationsOf({ ...later, family: gemini }), 'no fault met it').toBe('lost');
});

it('excuses a lost result only if its node may have lost the task while the upstream deleted it', () => {
  const lost = {
    client: { end: 'failed' as const },
    task: { ...FAILED, reason: 'result_lost' },
  };
  const expired: Fault = { ...KILLED, kind: 'results_expired' };
  expect(violationsOf({ ...lost, evidence: { faults: [expired] } })).toBe('lost');
  const disturbed = { ...expired, disturbed: ['boat 1'] };
  expect(violationsOf({ ...lost, evidence: { faults: [disturbed] } })).toBe('');
  const trying = { client: { end: undefined }, task: { ...FAILED, phase: 'storing', reason: undefined } };
  expect(violationsOf({ ...trying, evidence: { faults: [expired] } })).toBe('lost');
  expect(violationsOf({ ...trying, evidence: { faults: [disturbed] } })).toBe('');
});

it('lets a short run end during the search for a lost submission, and reports it', () => {
  const searching = {
    client: { end: undefined },
    task: { ...FAILED, phase: 'submitting', reason: undefined },
  };
  expect(violationsOf({ ...searching, short: true })).toBe('looked for');
  expect(violationsOf({ ...searching, short: false })).toBe('lost');
});

it.each([SHORT, LONG])('plans every kind of fault, deterministically for a seed', (pace) => {
  const faults = planFaults(pace, 3, 'seed');
  expect(pace.migrationKills).toBeGreaterThan(0);
  expect(new Set(faults.map(({ kind }) => kind)).add('migration_killed')).toEqual(new Set(FAULT_KINDS));
  expect(planFaults(pace, 3, 'seed')).toEqual(faults);
  expect(planFaults(pace, 3, 'another')).not.toEqual(faults);
});
