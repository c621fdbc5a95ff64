import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { KEY, startTestGateway } from '../../support/gateway.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const run = promisify(execFile);
const REQUIREMENTS = fileURLToPath(new URL('schemathesis/requirements.txt', import.meta.url));
const TEMPORARY = fileURLToPath(new URL('../../../../../.tmp', import.meta.url));
/** Random cases per operation; the cases of the other phases come from the document. */
const CASES = 100;

/** Schemathesis in a Python environment of its own, created the first time. Throws without Python or without a package index. */
async function schemathesis(): Promise<string> {
  const version = createHash('sha256')
    .update(await readFile(REQUIREMENTS))
    .digest('hex')
    .slice(0, 12);
  const folder = join(TEMPORARY, `schemathesis-${version}`);
  if (!existsSync(folder)) {
    await mkdir(TEMPORARY, { recursive: true });
    // Renamed when it is complete; it is run by `python -m`, which allows that.
    const unfinished = `${folder}.${process.pid}`;
    try {
      await run('python3', ['-m', 'venv', unfinished]);
      await run(join(unfinished, 'bin/python'), [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--no-deps',
        '-r',
        REQUIREMENTS,
      ]);
      await rename(unfinished, folder);
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  }
  return join(folder, 'bin/python');
}

/** What Schemathesis cannot know: a task with a video, and a key that may be revoked. */
function config(known: { task: string; link: URL; spareTask: string; spareKey: string }): string {
  const [text, statuses] = [
    JSON.stringify,
    (...more: number[]) => `[${[...ACCEPTED, ...more].map((one) => JSON.stringify(one)).join(', ')}]`,
  ];
  const operation = (id: string, lines: readonly string[]) =>
    ['[[operations]]', `include-operation-id = ${text(id)}`, ...lines].join('\n');
  return [
    'max-stream-events = 5',
    operation('downloadVideo', [`parameters.id = ${text(known.task)}`]),
    // Responses for an unfinished task would be held, and its stream would not end.
    ...['getVideoTask', 'getVideoContent', 'watchVideoTask'].map((id) =>
      operation(id, [`parameters.task_id = ${text(known.task)}`]),
    ),
    operation('deleteVideoTask', [
      `parameters.task_id = ${text(known.spareTask)}`,
      // From the second time on.
      `checks.positive_data_acceptance.expected-statuses = ${statuses(410)}`,
    ]),
    operation('getMedia', [
      `parameters.file = ${text(known.link.pathname.replace('/media/', ''))}`,
      `parameters.expires = ${text(known.link.searchParams.get('expires'))}`,
      `parameters.signature = ${text(known.link.searchParams.get('signature'))}`,
    ]),
    // The test's own key is listed and would be revoked.
    operation('revokeKey', [`parameters.id = ${text(known.spareKey)}`]),
    // Only the model decides whether a field and its value are valid, so a request that the document allows may get 400.
    operation('submitVideo', [`checks.positive_data_acceptance.expected-statuses = ${statuses(400)}`]),
  ].join('\n\n');
}

/** Statuses that Schemathesis accepts by default. */
const ACCEPTED = ['2xx', '3xx', 401, 403, 404, 409, 429, '5xx'];

it('the gateway does what its OpenAPI document says, in some thousand generated cases', async ({ skip }) => {
  const python = await schemathesis().catch((error: unknown) => {
    if (process.env.CI === 'true') throw error;
    return skip(
      `needs python3 with venv, and a package index: ${error instanceof Error ? error.message : error}`,
    );
  });
  const t = await startTestGateway({ ONETAKE_LOG_LEVEL: 'info', ONETAKE_DRAIN_TIMEOUT_SECONDS: '1' });
  onTestFinished(() => t.end());
  const task = await t.finished();
  const spare = await t.json('/v1/admin/keys', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name": "spare"}',
  });
  const folder = await tempFolder();
  const file = join(folder, 'schemathesis.toml');
  await writeFile(
    file,
    config({
      task: task.task_id,
      link: new URL(task.url),
      spareTask: (await t.finished()).task_id,
      spareKey: spare.body.id,
    }),
  );

  const { stdout } = await run(
    python,
    [
      ...['-m', 'schemathesis.cli', '--config-file', file, 'run', `${t.gateway.address}/openapi.json`],
      ...['--header', `Authorization: Bearer ${KEY}`],
      ...['--checks', 'all', '--mode', 'all', '--max-examples', String(CASES)],
      ...['--generation-deterministic'],
      ...['--request-timeout', '30', '--continue-on-failure', '--no-shrink', '--no-color', '--workers', '2'],
    ],
    { cwd: folder, env: { ...process.env, PYTHONUTF8: '1' }, maxBuffer: 2 ** 26 },
  ).catch((error: { stdout?: string; stderr?: string }) => {
    throw new Error(`${error.stdout ?? ''}\n${error.stderr ?? ''}`, { cause: error });
  });
  expect(Number(/(\d+) generated/.exec(stdout)?.[1])).toBeGreaterThan(2000);
  expect(stdout).not.toMatch(/\d+ failed/);
  expect(t.log.filter((line) => line.includes('"request failed"'))).toEqual([]);
}, 300_000);
