import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Simulators, startSimulators } from '@onetake/simulators';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse, stringify } from 'yaml';
import { type Json, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { serve } from '../../support/servers/httpServer.ts';

/** A second of the upstream's time lasts 5 ms. */
async function standIn(only: string): Promise<Simulators> {
  const simulators = await startSimulators({ only: [only], scale: 0.005, limits: false });
  onTestFinished(() => simulators.close());
  return simulators;
}

async function gateway(env: Record<string, string>, file?: string): Promise<TestGateway> {
  const t = await startTestGateway(env, file === undefined ? {} : { file });
  onTestFinished(() => t.end());
  return t;
}

async function over(t: TestGateway, submitted: Json): Promise<Json> {
  expect(submitted.task_id, JSON.stringify(submitted)).toBeDefined();
  for (;;) {
    const { body } = await t.json(`/v1/video/generations/${submitted.task_id}?wait=30`);
    if (body.status === 'succeeded' || body.status === 'failed') return body;
  }
}

const BOAT = { model: 'sora-2', prompt: 'a paper boat', duration: 4 };

/** sora-2 as quick as the simulator, for tests without webhooks. */
const QUICK_SORA = `
models:
  sora-2: { typical: { medianSeconds: 1, p90Seconds: 2 } }`;

/** The first example of the page about models of one's own, with a server that is there. */
function documentedModel(baseUrl: string): string {
  const page = new URL('../../../../../docs/models-of-your-own.md', import.meta.url);
  const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(readFileSync(page, 'utf8')) ?? [];
  const { accounts, models } = parse(yaml);
  Object.assign(accounts.workstation, { base_url: baseUrl, api_key: { env: 'WAN_KEY' } });
  // As quick as the simulator.
  models['wan2.2-local'].typical = { medianSeconds: 1, p90Seconds: 2 };
  return stringify({ accounts, models });
}

describe('through a whole gateway', () => {
  it('a sora-2 task is made and announced by the webhook, and its bytes are stored', async () => {
    const simulators = await standIn('openai');
    const t = await gateway(simulators.environment);
    simulators.upstream('openai').configure({ webhookUrl: `${t.gateway.address}/callbacks/openai` });
    const { body: submitted } = await t.submit(BOAT);
    const task = await over(t, submitted);
    expect(task).toMatchObject({ status: 'succeeded', size: '1280x720' });
    expect(task.url).toBeUndefined();
    const bytes = await t.call(`/v1/video/generations/${task.task_id}/content`);
    expect((await bytes.arrayBuffer()).byteLength).toBe(task.bytes);
    const { body: download } = await t.json(`/v1/video/generations/download?id=${task.task_id}`);
    expect(download).toMatchObject({ success: true, size: task.bytes });
    expect(simulators.deliveries().map(({ outcome }) => outcome)).toEqual([204]);
    expect([simulators.ledger.jobs().length, simulators.ledger.bills()]).toEqual([1, 1]);
    // The upstream's copy is kept unless the account says otherwise.
    expect(simulators.ledger.count({ operation: 'delete' })).toBe(0);
  });

  it('a webhook that OpenAI did not sign is refused, and so is one for an account without a secret', async () => {
    const simulators = await standIn('openai');
    const { OPENAI_WEBHOOK_SECRET: secret = '', ...env } = simulators.environment;
    const signed = await gateway({ ...env, OPENAI_WEBHOOK_SECRET: secret });
    const notice = (t: TestGateway, sign: (id: string, at: string, body: string) => string) => {
      const [id, at] = ['evt_1', String(Math.floor(Date.now() / 1000))];
      const body = JSON.stringify({ type: 'video.completed', data: { id: 'video_1' } });
      const headers = {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': at,
        'webhook-signature': `v1,${sign(id, at, body)}`,
      };
      return t.call('/callbacks/openai', { method: 'POST', body, headers, key: null });
    };
    // Standard Webhooks: HMAC-SHA256 over id, time and body, keyed with the secret after `whsec_`.
    const hmac = (key: Buffer) => (id: string, at: string, body: string) =>
      createHmac('sha256', key).update(`${id}.${at}.${body}`).digest('base64');
    const genuine = hmac(Buffer.from(secret.slice('whsec_'.length), 'base64'));
    expect((await notice(signed, genuine)).status).toBe(204);
    expect((await notice(signed, hmac(Buffer.from('guessed')))).status).toBe(401);
    expect((await signed.call('/callbacks/openai', { method: 'POST', body: '{}', key: null })).status).toBe(
      401,
    );
    expect((await notice(await gateway(env), genuine)).status).toBe(404);
  });

  it('a refused prompt fails with the message of the reference service and costs nothing', async () => {
    const simulators = await standIn('openai');
    const t = await gateway(simulators.environment);
    simulators.upstream('openai').configure({ webhookUrl: `${t.gateway.address}/callbacks/openai` });
    for (const marker of ['[moderation-input]', '[moderation]']) {
      const { body: submitted } = await t.submit({ ...BOAT, prompt: `a paper boat ${marker}` });
      const task = await over(t, submitted);
      expect(task.status).toBe('failed');
      expect(task.error).toEqual({
        code: 400,
        reason: 'content_rejected',
        message: 'Your request was blocked by our moderation system.',
      });
      expect(task.usage).toBeUndefined();
    }
    expect(simulators.ledger.bills()).toBe(0);
  });

  it('a lost submission is found, and the job is not made twice', async () => {
    const simulators = await standIn('openai');
    const t = await gateway(simulators.environment, QUICK_SORA);
    simulators.faults.add({ kind: 'lost_answer', operation: 'submit', count: 1 });
    const task = await over(t, (await t.submit(BOAT)).body);
    expect(task.status).toBe('succeeded');
    expect([simulators.ledger.jobs().length, simulators.ledger.bills()]).toEqual([1, 1]);
  });

  it('a wrong key is reported to the operator only, and the key is never shown', async () => {
    const simulators = await standIn('openai');
    const t = await gateway(simulators.environment);
    simulators.upstream('openai').accounts.set('default', 'revoked');
    const { body: submitted } = await t.submit(BOAT);
    const query = async () => (await t.json(`/v1/video/generations/${submitted.task_id}`)).body;
    await expect
      .poll(query, { timeout: 30_000 })
      .toMatchObject({ status: 'queued', waiting_for: 'account_blocked', retry_at: expect.any(Number) });
    const task = await query();
    const key = simulators.keys.openai ?? '';
    expect(key.length).toBeGreaterThan(10);
    // The upstream repeats the beginning of the key that it refuses.
    for (const text of [JSON.stringify(task), ...t.log]) expect(text).not.toContain(key.slice(0, 8));
    expect(t.log.join()).toContain('Incorrect API key');
  });

  it("a wrong base URL is a 502 and a line in the log that says so, and the other server's page reaches nobody", async () => {
    const elsewhere = await serve((request, response) => {
      request.resume();
      response.writeHead(404, { 'content-type': 'text/html' }).end('<html><h1>nginx</h1></html>');
    });
    const t = await gateway(
      // Otherwise it is tried again later, because a load balancer answers with pages while a service is down.
      { OPENAI_API_KEY: 'sk-a-key', OPENAI_BASE_URL: `${elsewhere.origin}/v1`, ONETAKE_MAX_ATTEMPTS: '1' },
      QUICK_SORA,
    );
    const task = await over(t, (await t.submit(BOAT)).body);
    expect(task.error).toMatchObject({ code: 502, reason: 'upstream_unavailable' });
    expect(JSON.stringify(task)).not.toMatch(/nginx|</);
    expect(t.log.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({
        event: 'upstream.submit_failed',
        account: 'openai',
        detail: expect.stringContaining('check base_url of the account'),
      }),
    );
    expect(elsewhere.requests.filter(({ method }) => method === 'POST')).toHaveLength(1);
  });

  it('the copy upstream is deleted once the video is stored, if the account says so', async () => {
    const simulators = await standIn('openai');
    const t = await gateway(
      simulators.environment,
      `${QUICK_SORA}
accounts:
  main:
    provider: openai
    base_url: ${simulators.urls.openai}/v1
    api_key: { env: OPENAI_API_KEY }
    delete_after_collect: true
`,
    );
    const task = await over(t, (await t.submit(BOAT)).body);
    expect(task.status).toBe('succeeded');
    await expect.poll(() => simulators.ledger.count({ operation: 'delete' })).toBe(1);
    expect((await t.call(`/v1/video/generations/${task.task_id}/content`)).status).toBe(200);
  });

  it('a job at a self-hosted server is stopped', async () => {
    const simulators = await standIn('vllm-omni');
    const t = await gateway({
      OPENAI_BASE_URL: `${simulators.urls['vllm-omni']}/v1`,
      OPENAI_API_KEY: simulators.keys['vllm-omni'] ?? '',
    });
    const { body: submitted } = await t.submit({ ...BOAT, prompt: 'a paper boat [hold]' });
    await expect.poll(() => simulators.ledger.jobs().length).toBe(1);
    const path = `/v1/video/generations/${submitted.task_id}/cancel`;
    await expect.poll(async () => (await t.json(path, { method: 'POST' })).status).toBe(200);
    const task = await over(t, submitted);
    expect(task.error).toMatchObject({ code: 499, reason: 'cancelled' });
    expect(simulators.upstream('vllm-omni').jobs.all()).toEqual([]);
  });
});

describe('since OpenAI ended its Videos API', () => {
  it('sora-2 is unavailable at OpenAI itself, and a 410 says since when and what to use instead', async () => {
    const t = await gateway({ OPENAI_API_KEY: 'sk-never-used' });
    const { status, body } = await t.submit(BOAT);
    expect(status).toBe(410);
    expect(body.error).toMatchObject({ reason: 'model_retired', param: 'model' });
    for (const word of [
      'sora-2',
      'OpenAI shut down its Videos API',
      '2026-09-24',
      'veo-3.1-generate-001',
      'wan3.0-video',
      'seedance-2.0',
    ]) {
      expect(body.error.message).toContain(word);
    }
    const { body: model } = await t.json('/v1/models/sora-2');
    expect(model).toMatchObject({
      available: false,
      services: [{ id: 'openai', until: '2026-09-24' }, { id: 'azure' }],
    });
  });

  it('an operator points sora-2 at a server of their own', async () => {
    const sora = await standIn('openai');
    const t = await gateway(
      { SORA_KEY: sora.keys.openai ?? '' },
      `${QUICK_SORA}
accounts:
  reseller:
    provider: openai
    base_url: ${sora.urls.openai}/v1
    api_key: { env: SORA_KEY }
    models: { sora-2: sora-2-2025-12-08 }
`,
    );
    expect((await t.json('/v1/models/sora-2')).body.available).toBe(true);
    expect((await t.json('/v1/models/sora-2-pro')).body.available).toBe(false);
    const boat = await over(t, (await t.submit(BOAT)).body);
    expect(boat.status).toBe('succeeded');
    expect(boat.url).toBeUndefined();
    expect(sora.ledger.jobs().map(({ model }) => model)).toEqual(['sora-2-2025-12-08']);
  });

  it('an operator adds the model of their own that the documentation has as an example', async () => {
    const wan = await standIn('vllm-omni');
    const t = await gateway(
      { WAN_KEY: wan.keys['vllm-omni'] ?? '' },
      documentedModel(`${wan.urls['vllm-omni']}/v1`),
    );
    expect((await t.json('/v1/models/wan2.2-local')).body).toMatchObject({
      available: true,
      price: { free: true },
    });
    const own = await over(t, (await t.submit({ model: 'wan2.2-local', prompt: 'a lake', seed: 7 })).body);
    expect(own).toMatchObject({ status: 'succeeded', size: '854x480' });
    expect((await fetch(own.url)).status).toBe(200);
    expect(wan.ledger.jobs().map(({ model }) => model)).toEqual(['Wan-AI/Wan2.2-T2V-A14B-Diffusers']);
  });
});
