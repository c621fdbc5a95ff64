import { defineConfig } from 'vitest/config';

const CRASH = [
  'packages/*/test/crash/**/*.test.ts',
  'chaos/test/short.test.ts',
  'chaos/test/published.test.ts',
];
const BROWSER = 'packages/*/test/browser/**/*.test.ts';

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: 'packages/gateway/test/support/servers/globalSetup.ts',
    // As `eventually`: long enough for a busy machine; only a failure takes it all.
    expect: { poll: { timeout: 30_000, interval: 20 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [
            'packages/*/test/**/*.test.ts',
            'clients/*/tests/*.test.ts',
            'bench/test/*.test.ts',
            'chaos/test/*.test.ts',
            'scripts/test/**/*.test.{ts,mjs}',
          ],
          exclude: [...CRASH, BROWSER],
          // For what hangs. Renders run in children that give way to everything else, so they wait for the tests beside them.
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'browser',
          include: [BROWSER],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        // Each of these starts and kills many processes: one at a time, after all others, so that neither slows the other.
        extends: true,
        test: {
          name: 'crash',
          include: CRASH,
          testTimeout: 600_000,
          hookTimeout: 60_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
