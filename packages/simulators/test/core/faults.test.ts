import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type RunningToy, startToy } from '../support/runningToy.ts';

let running: RunningToy;

beforeEach(async () => {
  running = await startToy();
});
afterEach(() => running.close());

const errorCode = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } };
    return cause?.code ?? String(error);
  }
};

const prompts = () => running.shared.ledger.jobs().map(({ prompt }) => prompt);

describe('a fault', () => {
  it('resets the connection before the request is handled', async () => {
    running.shared.faults.add({ kind: 'reset', operation: 'submit', count: 1 });
    expect(await errorCode(running.submit('lost'))).toBe('ECONNRESET');
    await running.submit('made');
    expect(prompts()).toEqual(['made']);
    expect(running.shared.ledger.count({ operation: 'submit' })).toBe(2);
    expect(running.shared.ledger.requests()[0]).toMatchObject({ fault: 'reset', status: undefined });
  });

  it('loses an answer after the job was created, and the job is billed once', async () => {
    running.shared.faults.add({ kind: 'lost_answer', operation: 'submit', count: 1 });
    expect(await errorCode(running.submit('a boat'))).toMatch(/ECONNRESET|UND_ERR_SOCKET/);
    running.advance(3_600_000);
    const [job] = running.shared.ledger.jobs({ prompt: 'a boat' });
    expect(job).toMatchObject({ operations: { submit: 1 }, bills: [{ quantity: 2 }] });
    expect(running.shared.ledger.bills()).toBe(1);
  });

  it('leaves a request unanswered, handled or not', async () => {
    for (const kind of ['hang', 'silence'] as const) {
      running.shared.faults.add({ kind, operation: 'submit', count: 1 });
      const unanswered = fetch(`${running.toy.url}/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ prompt: kind }),
        signal: AbortSignal.timeout(200),
      });
      await expect(unanswered).rejects.toMatchObject({ name: 'TimeoutError' });
    }
    expect(prompts()).toEqual(['silence']);
  });

  it('answers a burst of 5xx, with the upstream’s body or a load balancer’s page', async () => {
    const id = await running.submit('a boat');
    running.shared.faults.add({ kind: 'server_error', operation: 'poll', count: 2 });
    running.shared.faults.add({ kind: 'server_error', operation: 'poll', count: 1, status: 502, html: true });
    const poll = () => fetch(`${running.toy.url}/jobs/${id}`);
    const first = await poll();
    expect([first.status, await first.json()]).toEqual([503, { error: 'unavailable' }]);
    expect((await poll()).status).toBe(503);
    const page = await poll();
    expect([page.status, page.headers.get('content-type')]).toEqual([502, 'text/html']);
    expect((await poll()).status).toBe(200);
  });

  it('limits the rate, with and without Retry-After', async () => {
    running.shared.faults.add({ kind: 'rate_limited', count: 1, retryAfter: 7 });
    running.shared.faults.add({ kind: 'rate_limited', count: 1 });
    const answers = [await fetch(`${running.toy.url}/jobs/x`), await fetch(`${running.toy.url}/jobs/x`)];
    expect(answers.map(({ status }) => status)).toEqual([429, 429]);
    expect(answers.map(({ headers }) => headers.get('retry-after'))).toEqual(['7', null]);
  });

  it('breaks off the JSON, or leaves the body empty', async () => {
    const id = await running.submit('a boat');
    running.shared.faults.add({ kind: 'malformed_json', operation: 'poll', count: 1 });
    running.shared.faults.add({ kind: 'empty_body', operation: 'poll', count: 1 });
    const broken = await fetch(`${running.toy.url}/jobs/${id}`);
    expect(broken.status).toBe(200);
    await expect(broken.json()).rejects.toBeInstanceOf(SyntaxError);
    const empty = await fetch(`${running.toy.url}/jobs/${id}`);
    expect([empty.status, await empty.text()]).toEqual([200, '']);
  });

  it('cuts a download short of its Content-Length', async () => {
    const id = await running.submit('a boat');
    running.advance(3_600_000);
    const { url } = await running.poll(id);
    const whole = (await (await fetch(url ?? '')).arrayBuffer()).byteLength;
    running.shared.faults.add({ kind: 'truncated_body', operation: 'download', count: 1 });
    const response = await fetch(url ?? '');
    expect(Number(response.headers.get('content-length'))).toBe(whole);
    let received = 0;
    const reading = (async () => {
      for await (const chunk of response.body ?? []) received += chunk.length;
    })();
    await expect(reading).rejects.toThrow();
    expect(received).toBeLessThanOrEqual(whole / 2);
  });

  it('slows down a body', async () => {
    const id = await running.submit('a boat');
    running.advance(3_600_000);
    const { url } = await running.poll(id);
    const whole = Buffer.from(await (await fetch(url ?? '')).arrayBuffer());
    running.shared.faults.add({ kind: 'slow_body', operation: 'download', bytesPerSecond: whole.length * 4 });
    const started = performance.now();
    const slow = Buffer.from(await (await fetch(url ?? '')).arrayBuffer());
    expect(slow).toEqual(whole);
    expect(performance.now() - started).toBeGreaterThan(150);
  });

  it('shifts the upstream’s clock until it is removed', async () => {
    const id = await running.submit('a boat');
    const { created_at: told } = await running.poll(id);
    const skew = running.shared.faults.add({ kind: 'clock_skew', skewMs: 3_600_000 });
    const response = await fetch(`${running.toy.url}/jobs/${id}`);
    const ahead = Date.parse(response.headers.get('date') ?? '') - Date.now();
    expect(Math.round(ahead / 60_000)).toBe(60);
    expect(((await response.json()) as { created_at: number }).created_at).toBe(told + 3_600_000);
    skew.remove();
    expect((await running.poll(id)).created_at).toBe(told);
  });

  it('affects only matching requests: by operation, account, number and a seeded probability', async () => {
    const { faults } = running.shared;
    faults.add({ kind: 'server_error', account: 'someone else' });
    faults.add({ kind: 'server_error', upstream: 'another' });
    const third = faults.add({ kind: 'server_error', operation: 'poll', after: 2, count: 1 });
    const id = await running.submit('a boat');
    const status = async () => (await fetch(`${running.toy.url}/jobs/${id}`)).status;
    expect([await status(), await status(), await status(), await status()]).toEqual([200, 200, 503, 200]);
    expect(third.hits).toBe(1);
    const rolls = async (seed: string) => {
      const other = await startToy({ seed });
      other.shared.faults.add({ kind: 'server_error', probability: 0.5 });
      const seen: number[] = [];
      for (let i = 0; i < 12; i++) seen.push((await fetch(`${other.toy.url}/jobs/x`)).status);
      await other.close();
      return seen;
    };
    const first = await rolls('a');
    expect(new Set(first)).toEqual(new Set([200, 503]));
    expect(await rolls('a')).toEqual(first);
  });
});

describe('an outage', () => {
  it('refuses every connection, and ends on the same port', async () => {
    const id = await running.submit('a boat');
    await running.toy.outage();
    expect(await errorCode(running.poll(id))).toBe('ECONNREFUSED');
    const storage = connect(Number(new URL(running.toy.storageUrl ?? '').port), '127.0.0.1');
    const [error] = (await once(storage, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
    await running.toy.restore();
    expect((await running.poll(id)).id).toBe(id);
  });

  it('does not prevent closing, nor does a request that hangs', async () => {
    const other = await startToy();
    other.shared.faults.add({ kind: 'hang' });
    const hanging = errorCode(other.poll('x'));
    while (other.shared.ledger.count() === 0) await new Promise(setImmediate);
    await other.close();
    expect(await hanging).not.toBe('no error');
    const third = await startToy();
    await third.toy.outage();
    await third.close();
  });
});
