import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

describe('the program', () => {
  it('prints the variables of every upstream, serves them and the admin port, and ends on SIGTERM', async () => {
    const child = spawn(process.execPath, [MAIN, '--scale', '0.01', '--only', 'openai'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      const environment: Record<string, string> = {};
      const wanted = ['SIMULATORS_ADMIN_URL', 'OPENAI_BASE_URL', 'OPENAI_API_KEY', 'OPENAI_WEBHOOK_SECRET'];
      for await (const line of createInterface({ input: child.stdout })) {
        const [name = '', value = ''] = line.split(/=(.*)/s);
        environment[name] = value;
        if (wanted.every((one) => one in environment)) break;
      }
      const admin = environment.SIMULATORS_ADMIN_URL ?? '';
      const create = () =>
        fetch(`${environment.OPENAI_BASE_URL}/videos`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${environment.OPENAI_API_KEY}`,
            'content-type': 'application/json',
          },
          body: JSON.stringify({ prompt: 'a boat [hold]' }),
        });
      const call = async (method: string, path: string, body: unknown = undefined) => {
        const response = await fetch(`${admin}${path}`, {
          method,
          ...(body === undefined
            ? {}
            : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
        });
        return response.status === 204 ? 204 : response.json();
      };
      expect((await create()).status).toBe(200);
      expect(await call('POST', '/finish?upstream=openai')).toEqual({ finished: 1 });
      expect(await call('GET', '/ledger?upstream=openai')).toMatchObject({ requests: 1, bills: 1 });
      await call('POST', '/faults', { kind: 'server_error', operation: 'submit', count: 1, status: 500 });
      expect((await create()).status).toBe(500);
      expect(await call('POST', '/faults', { kind: 'gremlin' })).toMatchObject({
        error: expect.stringContaining('unknown fault gremlin'),
      });
      for (const [path, body] of [
        ['/faults', { kind: 'reset', upstream: 'opnai' }],
        ['/faults', { kind: 'reset', probabilty: 1 }],
        ['/faults', undefined],
        ['/advance', {}],
      ] as const) {
        expect(await call('POST', path, body)).toEqual({ error: expect.any(String) });
      }
      expect(await call('GET', '/')).toMatchObject({ faults: [{ hits: 1 }] });
      expect(await call('PUT', '/upstreams/openai/accounts/second')).toMatchObject({ state: 'active' });
      await call('PUT', '/upstreams/openai/accounts/default', { state: 'revoked' });
      expect((await create()).status).toBe(401);
      await call('PUT', '/upstreams/openai/accounts/default', {});
      expect(await call('PATCH', '/upstreams/openai/settings', { retired: true })).toMatchObject({
        retired: true,
      });
      expect((await create()).status).toBe(404);
      expect(await call('DELETE', '/ledger')).toBe(204);
    } finally {
      child.kill('SIGTERM');
      const [code] = await once(child, 'exit');
      expect(code).toBe(0);
    }
  });

  it('removes its credentials file on SIGTERM, also if the signal arrives more than once', async () => {
    const child = spawn(process.execPath, [MAIN, '--only', 'vertex'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    let file = '';
    for await (const line of createInterface({ input: child.stdout })) {
      file = /^GOOGLE_APPLICATION_CREDENTIALS=(.*)/.exec(line)?.[1] ?? '';
      if (file) break;
    }
    expect(existsSync(file)).toBe(true);
    const signals = setInterval(() => child.kill('SIGTERM'), 1);
    await exited;
    clearInterval(signals);
    expect(existsSync(file)).toBe(false);
  });
});
