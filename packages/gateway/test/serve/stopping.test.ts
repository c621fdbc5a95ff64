import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { QUICK } from '../support/gateway.ts';
import { serveProcess } from '../support/processes/process.ts';
import { freshDatabase, switchTo } from '../support/servers/database.ts';
import { tempFolder } from '../support/tempFolder.ts';

const KEY = 'sk-process-0123456789abcdef';

it.each(['cut'] as const)(
  'a node whose database is away (%s) stops with exit code 0: others take over what it had',
  async (mode) => {
    const database = await switchTo(await freshDatabase());
    const env = {
      ONETAKE_DATA_DIR: await tempFolder(),
      ONETAKE_DATABASE_URL: database.url,
      ONETAKE_BOOTSTRAP_KEY: KEY,
      ONETAKE_DRAIN_TIMEOUT_SECONDS: '2',
    };
    const { base, stop } = await serveProcess(env, (child) =>
      onTestFinished(async () => {
        child.kill('SIGKILL');
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      }),
    );
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ ...QUICK, duration: 20, resolution: '1080p' });
    for (let n = 0; n < 3; n++)
      await fetch(`${base}/v1/video/generations`, { method: 'POST', headers, body });
    await database.set(mode);
    expect(await stop()).toBe(0);
  },
);
