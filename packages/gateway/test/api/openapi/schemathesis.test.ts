import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { pythonWith } from '../../../../../scripts/packages.ts';
import { KEY, startTestGateway } from '../../support/gateway.ts';
import { tempFolder } from '../../support/tempFolder.ts';

const run = promisify(execFile);
const REQUIREMENTS = fileURLToPath(new URL('schemathesis/requirements.txt', import.meta.url));
/** Random cases per operation; the cases of the other phases come from the document. */
const CASES = 100;

/** Statuses that Schemathesis accepts by default. */
const ACCEPTED = ['2xx', '3xx', 401, 403, 404, 409, 429, '5xx'];

/** What Schemathesis cannot know: a task with a video, and a key and a project that may be changed. */
function config(known: {
  task: string;
  link: URL;
  spareTask: string;
  spareKey: string;
  spareProject: string;
}): string {
  const [text, statuses] = [
    JSON.stringify,
    (...more: number[]) => `[${[...ACCEPTED, ...more].map((one) => JSON.stringify(one)).join(', ')}]`,
  ];
  const mayBeWrong = `checks.positive_data_acceptance.expected-statuses = ${statuses(400)}`;
  const operation = (id: string, lines: readonly string[]) =>
    ['[[operations]]', `include-operation-id = ${text(id)}`, ...lines].join('\n');
  return [
    'max-stream-events = 5',
    operation('downloadVideo', [`parameters.id = ${text(known.task)}`]),
    // Responses for an unfinished task would be held, and its stream would not end.
    ...['getVideoContent', 'watchVideoTask'].map((id) =>
      operation(id, [`parameters.task_id = ${text(known.task)}`]),
    ),
    // The document cannot say that `wait_for` needs `wait`.
    operation('getVideoTask', [`parameters.task_id = ${text(known.task)}`, 'parameters.wait = 1']),
    // Its stream has no end.
    operation('watchEvents', ['enabled = false']),
    operation('deleteVideoTask', [
      `parameters.task_id = ${text(known.spareTask)}`,
      // From the second time on.
      `checks.positive_data_acceptance.expected-statuses = ${statuses(410)}`,
    ]),
    // Otherwise it deletes the tasks of other cases.
    operation('deleteVideo', [`parameters.video_id = ${text(known.spareTask)}`]),
    operation('getMedia', [
      `parameters.file = ${text(known.link.pathname.replace('/media/', ''))}`,
      `parameters.expires = ${text(known.link.searchParams.get('expires'))}`,
      `parameters.signature = ${text(known.link.searchParams.get('signature'))}`,
    ]),
    // The test's own key and project are listed, and would be revoked, changed or limited.
    ...['revokeKey', 'rotateKey'].map((id) => operation(id, [`parameters.id = ${text(known.spareKey)}`])),
    operation('updateKey', [`parameters.id = ${text(known.spareKey)}`, mayBeWrong]),
    operation('updateProject', [`parameters.id = ${text(known.spareProject)}`, mayBeWrong]),
    // Names of models and metadata are checked by their own rules.
    ...['createKey', 'createProject'].map((id) => operation(id, [mayBeWrong])),
    // Only the model decides whether a field and its value are valid, and whether it has ended, so a request that the document allows may get 400 or 410.
    operation('submitVideo', [
      'parameters.wait = 0.1',
      `checks.positive_data_acceptance.expected-statuses = ${statuses(400, 410)}`,
    ]),
    operation('quoteVideo', [`checks.positive_data_acceptance.expected-statuses = ${statuses(400, 410)}`]),
    // Most bytes are no file that a model takes.
    operation('createFile', [mayBeWrong]),
    // Only the gateway knows its models.
    ...['createWebhookEndpoint', 'updateWebhookEndpoint'].map((id) => operation(id, [mayBeWrong])),
    // It answers when the receiver has, or has not within 15 seconds.
    operation('testWebhookEndpoint', ['checks.max_response_time = 20.0']),
    ...['createVideo', 'remixVideo', 'editVideo', 'extendVideo'].map((id) =>
      operation(id, [`checks.positive_data_acceptance.expected-statuses = ${statuses(400, 410)}`]),
    ),
    ...['retrieveVideo', 'downloadVideoContent'].map((id) =>
      operation(id, [`parameters.video_id = ${text(known.task)}`]),
    ),
  ].join('\n\n');
}

it('the gateway does what its OpenAPI document says, in some thousand generated cases', async ({ skip }) => {
  const python = await pythonWith(REQUIREMENTS).catch((error: unknown) => {
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
    body: '{"name": "spare", "project": "spare"}',
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
      spareProject: spare.body.project,
    }),
  );

  const { stdout } = await run(
    python,
    [
      ...['-m', 'schemathesis.cli', '--config-file', file, 'run', `${t.gateway.address}/openapi.json`],
      ...['--header', `Authorization: Bearer ${KEY}`],
      ...['--checks', 'all', '--mode', 'all', '--max-examples', String(CASES)],
      // Cases run beside each other in one project, so what one has created another may have deleted.
      ...['--exclude-checks', 'ensure_resource_availability'],
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
}, 900_000);
