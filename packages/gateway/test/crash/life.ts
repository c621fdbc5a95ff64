import { join } from 'node:path';
import { createLog } from '../../src/observability/log.ts';

// One run of a part of the gateway, to be killed: `node life.ts WHAT ARGS…`, with settings from the environment.

const log = createLog('silent');

/** Each loads only its own parts, because there are many of these processes. */
const LIVES: Readonly<Record<string, (args: readonly string[]) => Promise<unknown>>> = {
  async start() {
    const { readConfig } = await import('../../src/config/config.ts');
    const { startGateway } = await import('../../src/gateway.ts');
    await (await startGateway(readConfig(process.env), log)).close();
  },
  migrate: (args) => command('migrate', args),
  backup: (args) => command('backup', args),
  import: (args) => command('import', args),
  recover: (args) => command('recover', args),
  keys: (args) => command('keys', args),

  /** A sweep at a time when all leftovers are old. */
  async sweep([dir = '', now = '']) {
    const { openSqliteStore } = await import('../../src/store/sqlite/store.ts');
    const { createFileStorage } = await import('../../src/media/files/storage.ts');
    const { createRetention } = await import('../../src/engine/cleanup/retention.ts');
    const { createOrphans } = await import('../../src/engine/cleanup/orphans.ts');
    const { createFeed } = await import('../../src/engine/events/feed.ts');
    const { SETTINGS } = await import('../support/engineParts.ts');
    const { createManualTimers } = await import('../support/manualTimers.ts');
    const timers = createManualTimers(Number(now));
    const store = await openSqliteStore({ dir, exclusive: true });
    const storage = createFileStorage({ root: join(dir, 'media') });
    const parts = { store, storage, feed: createFeed(), clock: timers, timers, log };
    await createRetention({
      ...parts,
      settings: { ...SETTINGS, eventRetentionMs: 0 },
      leads: () => true,
      clockSteps: { warning: () => undefined },
    }).sweep();
    const orphans = createOrphans(parts);
    await orphans.sweep();
    await orphans.leftovers();
    await store.close();
  },
};

async function command(name: string, args: readonly string[]): Promise<void> {
  const { createProgram, runProgram } = await import('../../src/cli/program.ts');
  await runProgram(createProgram(), [name, ...args], process.env);
}

const [what = '', ...args] = process.argv.slice(2);
await LIVES[what]?.(args);
