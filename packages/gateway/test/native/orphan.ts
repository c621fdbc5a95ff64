import { createNativePool } from '../../src/native/pool.ts';

// A process whose pool has a job: with an address the job waits for a response from there, without one it ends at once.
const [url] = process.argv.slice(2);
const pool = createNativePool({ concurrency: 1 });
const job = new URL(url === undefined ? './jobs/tell.ts' : './jobs/hold.ts', import.meta.url);
await pool.run(job, { url, name: 'orphan' });
