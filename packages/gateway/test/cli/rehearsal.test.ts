import { describe, expect, it } from 'vitest';
import { rehearse } from '../../src/cli/operator/rehearsal.ts';
import { createLog } from '../../src/observability/log.ts';
import { readProvider } from '../../src/providers/declared/load.ts';

const FILE = {
  provider: 'toy',
  title: 'Toy',
  base_url: 'https://toy.example',
  credentials: { api_key: {} },
  auth: { kind: 'bearer', token: 'api_key' },
  submit: { path: '/jobs', json: { prompt: '=prompt', tag: '=key' } },
  poll: { path: '/jobs/{id}' },
  many: { path: '/jobs', query: { ids: "=$join(ids, ',')" }, jobs: 'items', most: 10 },
  cancel: { method: 'DELETE', path: '/jobs/{id}', stops: 'any' },
  find: {
    list: {
      path: '/jobs',
      query: { page: '=page' },
      jobs: 'items',
      marker: '=tag',
      created_at: '=made',
      newest_first: true,
    },
  },
  job: {
    id: '=id',
    status: '=state',
    statuses: { working: 'in_progress', done: 'succeeded' },
    result: { url: '=video' },
  },
  limits: { in_flight: 1, submits_per_minute: 60, polls_per_second: 5, min_poll_interval_ms: 100 },
  models: {
    'toy-1': {
      title: 'Toy 1',
      family: 'toy',
      released: '2026-11-01',
      upstreamModel: 'toy-1',
      delivery: 'url',
      promptMaxLength: 100,
      parameters: {
        duration: { kind: 'numbers', allowed: [5], default: 5 },
        resolution: { kind: 'choice', allowed: ['720p'], default: '720p' },
        aspectRatio: { kind: 'choice', allowed: ['16:9'], default: '16:9' },
      },
      price: { currency: 'USD', rates: [{ microsPerSecond: 5 }], billing: 'Per second.' },
      typical: { medianSeconds: 60, p90Seconds: 180 },
      cancel: 'running',
    },
  },
};

const KEY = '0123456789abcdef0123456789abcdef';
const OTHER = 'fedcba9876543210fedcba9876543210';
const body = { model: 'toy-1', prompt: 'a paper boat' };
const working = { id: 7, state: 'working' };

async function problemsOf(...examples: object[]): Promise<readonly string[]> {
  const { files, problems } = readProvider(
    'toy.yaml',
    JSON.stringify({ ...FILE, examples: examples.map((one) => ({ name: 'one', ...one })) }),
  );
  if (!files[0]) return problems;
  const rehearsal = await rehearse(files[0], createLog('silent'));
  return rehearsal.examples.flatMap((one) => one.problems);
}

describe('an example', () => {
  it.each([
    [
      'a poll about many jobs',
      {
        many: [7, '8'],
        answer: { body: { items: [working, { id: '8', state: 'done', video: 'https://x.example/v' }] } },
        expect: {
          sends: { path: '/jobs?ids=7%2C8' },
          jobs: [
            { id: 7, state: 'in_progress' },
            { id: 8, state: 'succeeded' },
          ],
        },
      },
    ],
    [
      'a job that is stopped, by two requests',
      {
        cancel: 7,
        answers: [{ body: working }, {}],
        expect: { sends: [{ method: 'GET' }, { method: 'DELETE' }], state: 'cancelled' },
      },
    ],
    [
      'a job that is over',
      {
        cancel: 7,
        answer: { body: { ...working, state: 'done', video: 'https://x.example/v' } },
        expect: { sends: [{ method: 'GET' }], state: 'too_late' },
      },
    ],
    [
      'a lost job on the second page',
      {
        find: body,
        sent_at: '2025-06-01T12:00:00Z',
        answers: [
          { body: { items: [{ id: 9, tag: OTHER, made: '2025-06-01T12:05:00Z' }] } },
          { body: { items: [{ id: 7, tag: KEY, made: '2025-06-01T12:00:01Z' }] } },
        ],
        expect: { sends: [{ path: '/jobs?page=1' }, { path: '/jobs?page=2' }], state: 'found', id: 7 },
      },
    ],
    [
      'a lost job that was never made, long ago',
      {
        find: body,
        sent_at: '2025-06-01T12:00:00Z',
        answer: { body: { items: [{ id: 6, tag: OTHER, made: '2025-06-01T11:00:00Z' }] } },
        expect: { state: 'absent' },
      },
    ],
    [
      'a lost job of which the list tells nothing',
      {
        find: body,
        sent_at: '2025-06-01T12:00:00Z',
        answer: { body: { items: [{ id: 6, made: '2025-06-01T12:00:00Z' }] } },
        expect: { state: 'unknown' },
      },
    ],
  ])('shows %s', async (_what, example) => {
    expect(await problemsOf(example)).toEqual([]);
  });

  it.each([
    [
      { many: [7], answer: { body: { items: [working] } }, expect: { jobs: [{ id: 7, state: 'queued' }] } },
      ['jobs is [{"id":"7","state":"in_progress"}], expected [{"id":"7","state":"queued"}]'],
    ],
    [
      { cancel: 7, answer: { body: working }, expect: { sends: [{ method: 'GET' }], state: 'too_late' } },
      ['state is "cancelled", expected "too_late"', 'sends 2 requests, expected 1'],
    ],
  ])('of %j says what is not so', async (example, problems) => {
    expect(await problemsOf(example)).toEqual(problems);
  });

  it.each([
    [{ answer: {}, expect: { state: 'queued' } }, /must have one of submit, poll, many, cancel, find/],
    [{ poll: 7, cancel: 7, answer: {}, expect: { state: 'queued' } }, /must have one of/],
    [{ poll: 7, expect: { state: 'queued' } }, /must have answer, or answers/],
    [
      { many: [7], answer: {}, expect: { state: 'queued' } },
      /examples\.0\.expect: must expect a state, or jobs/,
    ],
  ])('%j is not valid', async (example, problem) => {
    expect(await problemsOf(example)).toEqual([expect.stringMatching(problem)]);
  });
});
