import { closeSync, openSync } from 'node:fs';
import { createNativePool } from '../../src/native/pool.ts';

// A process that runs out of file descriptors: says what its pool answers, then and once there are some again.
const pool = createNativePool({ concurrency: 1 });
const job = new URL('./jobs/tell.ts', import.meta.url);
const taken: number[] = [];
try {
  for (;;) taken.push(openSync('/dev/null', 'r'));
} catch {
  // None are left.
}
const without = await pool.run(job, {}).then(
  () => 'done',
  (error: unknown) => (error instanceof Error && 'code' in error ? error.code : String(error)),
);
for (const descriptor of taken) closeSync(descriptor);
const withSome = await pool.run(job, {}).then(() => 'done', String);
await pool.close();
console.log(JSON.stringify([without, withSome]));
