import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../config/config.ts';
import { startGateway } from '../../gateway.ts';
import { createLog } from '../../observability/log.ts';
import { catchInterruption } from '../interruption.ts';
import { createClient, type DemoClient } from './client.ts';

/**
 * Runs `work` against a gateway of its own on a free port, with new data that is removed afterwards, also if the process is asked to end. `settings`: the text
 * of its onetake.yaml.
 */
export async function withGateway<T>(
  environment: Readonly<Record<string, string>>,
  work: (client: DemoClient) => Promise<T>,
  settings?: string,
): Promise<T> {
  const { within } = catchInterruption();
  const dataDir = await mkdtemp(join(tmpdir(), 'onetake-demo-'));
  const key = `sk-${randomBytes(24).toString('base64url')}`;
  const config = readConfig(
    {
      ...environment,
      ONETAKE_PORT: '0',
      ONETAKE_DATA_DIR: dataDir,
      ONETAKE_BOOTSTRAP_KEY: key,
      ONETAKE_LOG_LEVEL: 'error',
    },
    // An onetake.yaml in this folder is the operator's, not the demo's.
    (path) => (path === 'onetake.yaml' ? settings : undefined),
  );
  try {
    const gateway = await startGateway(config, createLog(config.logLevel));
    try {
      return await within(work(createClient(gateway.address, key)));
    } finally {
      await gateway.close();
    }
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}
