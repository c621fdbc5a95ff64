import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createReadiness } from '../../src/api/readiness.ts';
import { NotReadyAnswer, ReadyAnswer } from '../../src/api/schemas.ts';
import { OnetakeError } from '../../src/tasks/errors.ts';
import { startTestGateway } from '../support/gateway.ts';

const works = async () => undefined;

function world(
  checks: Partial<Record<'store' | 'feed' | 'storage', () => Promise<void>>>,
  { now, warning }: { now?: () => number; warning?: () => string | undefined } = {},
) {
  const failures: [string, unknown][] = [];
  const readiness = createReadiness({
    checks: [
      { part: 'store', name: 'The store', check: checks.store ?? works },
      { part: 'feed', name: 'The feed', check: checks.feed ?? works },
      { part: 'storage', name: 'The storage', check: checks.storage ?? works },
    ],
    warnings: warning ? [{ part: 'log', warning }] : [],
    onFailure: (part, cause) => void failures.push([part, cause]),
    timeoutMs: 20,
    ...(now ? { now } : {}),
  });
  return { readiness, failures };
}

it('reports our own message about a broken part, and leaves the driver’s message to the log', async () => {
  const cause = new Error('connect ECONNREFUSED db.internal:5432');
  const { readiness, failures } = world({
    store: async () => {
      throw cause;
    },
    storage: () => {
      throw new OnetakeError('storage_unavailable', 503, 'The disk is full; free some space.');
    },
  });
  expect((await readiness.check()).parts).toEqual({
    store: 'The store does not work; see the log.',
    feed: 'ok',
    storage: 'The disk is full; free some space.',
  });
  expect(failures).toContainEqual(['store', cause]);
});

it('a good result is cached for as long as the part allows, a bad one is not', async () => {
  let [time, asked, broken] = [0, 0, false];
  const readiness = createReadiness({
    checks: [
      {
        part: 'store',
        name: 'The store',
        keepMs: 1000,
        async check() {
          asked += 1;
          if (broken) throw new OnetakeError('store_unavailable', 503, 'No space left.');
        },
      },
    ],
    onFailure: () => undefined,
    now: () => time,
  });
  for (time of [0, 500, 999]) expect((await readiness.check()).ready).toBe(true);
  expect(asked).toBe(1);
  broken = true;
  for (time of [1000, 1001]) expect((await readiness.check()).ready).toBe(false);
  expect(asked).toBe(3);
});

it('a part that hangs is reported in time, and has only one check at a time', async () => {
  let asked = 0;
  let answer = () => {};
  const { readiness } = world({
    store: () => {
      asked += 1;
      return new Promise((resolve) => {
        answer = resolve;
      });
    },
  });
  const hung = { store: 'The store does not answer within 0.02 s.', feed: 'ok', storage: 'ok' };
  expect((await readiness.check()).parts).toEqual(hung);
  expect((await readiness.check()).parts).toEqual(hung);
  expect(asked).toBe(1);
  const last = readiness.check();
  answer();
  expect(await last).toEqual({
    ready: true,
    parts: { store: 'ok', feed: 'ok', storage: 'ok' },
    warnings: {},
  });
});

it('a check that never ends is given up after a while, and the part is checked again', async () => {
  let asked = 0;
  let now = 0;
  const store = () => {
    asked += 1;
    return asked === 1 ? new Promise<void>(() => {}) : Promise.resolve();
  };
  const { readiness } = world({ store }, { now: () => now });
  await readiness.check();
  now = 199;
  expect((await readiness.check()).parts.store).not.toBe('ok');
  now = 200;
  expect((await readiness.check()).parts.store).toBe('ok');
  expect(asked).toBe(2);
});

it('simultaneous probes share one check; a later one checks again', async () => {
  let asked = 0;
  const { readiness } = world({
    storage: async () => {
      asked += 1;
    },
  });
  await Promise.all([readiness.check(), readiness.check(), readiness.check()]);
  expect(asked).toBe(1);
  await readiness.check();
  expect(asked).toBe(2);
});

it('a warning is reported and does not make the node unready', async () => {
  let warning: string | undefined = 'Log lines are dropped: the disk is full.';
  const { readiness } = world({}, { warning: () => warning });
  expect(await readiness.check()).toMatchObject({ ready: true, warnings: { log: warning } });
  warning = undefined;
  expect(await readiness.check()).toMatchObject({ ready: true, warnings: {} });
});

it('/readyz names the broken part in the usual error format, and recovers', async () => {
  const t = await startTestGateway();
  onTestFinished(() => t.end());
  const media = join(t.dataDir, 'media');
  await rm(media, { recursive: true, force: true });
  await writeFile(media, 'a file where the folder should be');
  const broken = await t.json('/readyz', { key: null });
  expect(broken.status).toBe(503);
  expect(broken.headers.get('retry-after')).toBe('5');
  const { error, parts } = NotReadyAnswer.strict().parse(broken.body);
  expect(parts).toMatchObject({
    store: 'ok',
    feed: 'ok',
    storage: expect.stringMatching(/ONETAKE_DATA_DIR/),
  });
  expect(error).toMatchObject({ code: 503, reason: 'not_ready', message: parts?.storage });

  await rm(media);
  const repaired = await t.json('/readyz', { key: null });
  expect(repaired.status).toBe(200);
  ReadyAnswer.strict().parse(repaired.body);
});
