import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { onetake } from '../support/processes/commandLine.ts';
import { serve } from '../support/servers/httpServer.ts';
import { tempFolder } from '../support/tempFolder.ts';

/** A service that refuses every key, and settings of a gateway with an account there. */
async function refusing() {
  const service = await serve((request, response) => {
    request.resume();
    response.writeHead(401, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({ error: { message: 'Incorrect API key provided: sk-wrong', code: 'invalid_api_key' } }),
    );
  });
  const file = `
accounts:
  shop:
    provider: openai
    flavour: compatible
    base_url: ${service.origin}/v1
    api_key: { env: SHOP_KEY }
    models: [sora-2]
`;
  const dataDir = await tempFolder();
  const env = { ONETAKE_DATA_DIR: dataDir, SHOP_KEY: 'sk-wrong' };
  const submits = () => service.requests.filter(({ method }) => method === 'POST').length;
  return { service, file, dataDir, env, submits };
}

async function submitted(t: TestGateway): Promise<string> {
  const { status, body } = await t.submit({ model: 'sora-2', prompt: 'a paper boat', duration: 4 });
  expect(status).toBe(200);
  return body.task_id;
}

const waits = (t: TestGateway, id: string) =>
  eventually(async () => {
    const { body } = await t.json(`/v1/video/generations/${id}`);
    expect(body).toMatchObject({ status: 'queued', waiting_for: 'account_blocked' });
    return body;
  });

it('commands that call no provider need no secrets of providers', async () => {
  const dataDir = await tempFolder();
  const file = join(dataDir, 'settings.yaml');
  await writeFile(file, 'accounts: { shop: { provider: openai, api_key: { env: SHOP_KEY } } }');
  const env = { ONETAKE_DATA_DIR: join(dataDir, 'data'), ONETAKE_CONFIG: file };
  const made = await onetake(env, 'keys', 'create', '--name', 'mine');
  expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/^sk-/) });
  expect(await onetake(env, 'accounts', 'list')).toMatchObject({
    code: 0,
    stdout: 'shop  openai  0 in flight  works\n',
  });
});

describe('an account whose key is refused', () => {
  it('is reported beside a running gateway, is tried again on demand, and once after a restart', async () => {
    const { file, dataDir, env, submits } = await refusing();
    const first = await startTestGateway(env, { dataDir, file });
    let running = first;
    onTestFinished(() => running.end());
    const one = await submitted(first);
    const answer = await waits(first, one);
    expect(answer.waiting_reason).toMatch(/credentials/);
    expect(answer.retry_at).toBeGreaterThan(Date.now() / 1000 + 60);
    expect(JSON.stringify(answer)).not.toContain('sk-wrong');
    const other = await submitted(first);
    await waits(first, other);
    expect(submits()).toBe(1);

    const line = await eventually(async () => {
      const { stdout } = await onetake(env, 'accounts', 'list');
      expect(stdout).toMatch(/^shop {2}/m);
      expect(stdout).toContain('blocked since');
      return stdout;
    });
    expect(line).toMatch(/auth_failed {2}next try \d{4}-/);

    expect(await onetake(env, 'accounts', 'retry', 'shop')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^shop is tried/),
    });
    await eventually(() => expect(submits()).toBe(2));
    expect(await onetake(env, 'accounts', 'retry', 'nobody')).toMatchObject({ code: 2 });

    await eventually(async () =>
      expect((await onetake(env, 'accounts', 'list')).stdout).toContain('next try'),
    );
    await first.gateway.close();
    running = await startTestGateway(env, { dataDir, file });
    await eventually(() => expect(submits()).toBe(3));
    await waits(running, one);
    await waits(running, other);
    expect(submits()).toBe(3);
  });
});
