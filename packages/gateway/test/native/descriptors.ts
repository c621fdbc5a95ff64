import { closeSync, openSync } from 'node:fs';
import { createNativePool } from '../../src/native/pool.ts';

// A process without free file descriptors: prints what its pool answers, then and when there are some again.
const pool = createNativePool({ concurrency: 1 });
const job = new URL('./jobs/tell.ts', import.meta.url);
const taken: number[] = [];
try {
  for (;;) taken.push(openSync('/dev/null', 'r'));
} catch {
  // No descriptor is left.
}
const without = await pool.run(job, {}).then(
  () => 'done',
  (error: unknown) => (error instanceof Error && 'code' in error ? error.code : String(error)),
);
for (const descriptor of taken) closeSync(descriptor);
const withSome = await pool.run(job, {}).then(() => 'done', String);
await pool.close();
console.log(JSON.stringify([without, withSome]));
