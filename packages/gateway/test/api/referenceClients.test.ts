import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KEY, QUICK, startTestGateway, type TestGateway } from '../support/gateway.ts';

const run = promisify(execFile);
const client = (name: string) => fileURLToPath(new URL(`clients/${name}`, import.meta.url));
const hasPython = spawnSync('python3', ['-c', 'import requests']).status === 0;

let t: TestGateway;
beforeAll(async () => {
  t = await startTestGateway();
});
afterAll(() => t.end());

/** The clients sleep for five seconds between two queries, as on the reference page. */
describe.concurrent('a client written for the reference service gets the URL of the video', () => {
  async function poll(command: string, script: string): Promise<void> {
    const { body } = await t.submit({ ...QUICK, duration: 2 });
    const { stdout } = await run(command, [client(script), t.gateway.address, body.task_id, KEY]);
    const url = /Video URL: (\S+)/.exec(stdout)?.[1];
    expect(stdout.match(/Current status: \w+/g)?.at(-1)).toBe('Current status: succeeded');
    expect((await fetch(url ?? '')).headers.get('content-type')).toBe('video/mp4');
  }

  it('in JavaScript', () => poll(process.execPath, 'poll.mjs'));

  it.skipIf(!hasPython)('in Python (needs python3 with requests)', () => poll('python3', 'poll.py'));
});
