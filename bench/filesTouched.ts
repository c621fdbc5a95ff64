import { mkdtemp, rm } from 'node:fs/promises';
import { type Profiler, Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog, readConfig, startGateway } from '@onetake/gateway';
import { startSimulators } from '@onetake/simulators';
import { optionsOf } from '../chaos/shared/optionsOf.ts';

/**
 * How many source files of the gateway run for one Sora task: until its 200, and until its video is stored. A file counts if one of
 * its functions runs in that time, as counted by V8; the evaluation of modules does not count. What child processes run for the task
 * (the inspection of the video) is not seen.
 *
 *   npm run bench:files
 */
optionsOf({}, 'npm run bench:files');
const KEY = 'sk-bench-0123456789abcdef0123';
/** Seconds per second of the upstream. */
const SCALE = 0.005;
/** Without this the first poll is sent after half a minute. */
const QUICK = 'models:\n  sora-2: { typical: { medianSeconds: 1, p90Seconds: 2 } }\n';
/** Whether a step still runs before the 200 is read is a race, so that a file must run for most tasks. An odd number. */
const TASKS = 5;
const SOURCE = new URL('../packages/gateway/src/', import.meta.url).href;

const inspector = new Session();
inspector.connect();
await inspector.post('Profiler.enable');
await inspector.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

const ends = new Map<string, PromiseWithResolvers<void>>();
const dataDir = await mkdtemp(join(tmpdir(), 'onetake-bench-'));
const simulators = await startSimulators({ only: ['openai'], scale: SCALE, limits: false });
const gateway = await startGateway(
  readConfig(
    {
      ...simulators.environment,
      ONETAKE_CONFIG: 'bench.yaml',
      ONETAKE_PORT: '0',
      ONETAKE_DATA_DIR: dataDir,
      ONETAKE_BOOTSTRAP_KEY: KEY,
    },
    () => QUICK,
  ),
  createLog('info', { write: readLine }),
);
try {
  await ending(await submit()).promise;
  const [untilAnswer, untilVideo] = [new Map<string, number>(), new Map<string, number>()];
  for (let task = 0; task < TASKS; task++) {
    await filesRun();
    const id = await submit();
    const first = await filesRun();
    await ending(id).promise;
    const rest = await filesRun();
    for (const file of first) untilAnswer.set(file, (untilAnswer.get(file) ?? 0) + 1);
    for (const file of first.union(rest)) untilVideo.set(file, (untilVideo.get(file) ?? 0) + 1);
  }
  const accepted = usual(untilAnswer);
  const whole = usual(untilVideo);
  const later = [...whole].filter((file) => !accepted.has(file));
  console.log(`until the 200:\n  ${[...accepted].join('\n  ')}\nlater:\n  ${later.join('\n  ')}`);
  console.log(`files until the 200: ${accepted.size}\nfiles until the video is stored: ${whole.size}`);
} finally {
  await gateway.close();
  await simulators.close();
  await rm(dataDir, { recursive: true, force: true });
}

async function submit(): Promise<string> {
  const response = await fetch(new URL('/v1/video/generations', gateway.address), {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'sora-2', prompt: 'a paper boat on a lake', duration: 4 }),
  });
  const body = await response.text();
  if (response.status !== 200) throw new Error(body);
  return JSON.parse(body).task_id;
}

/** The end of a task is read from the log, because a query would run files of its own. */
function readLine(line: string): void {
  const { task, phase } = JSON.parse(line);
  if (phase === 'succeeded') ending(task).resolve();
  if (phase === 'failed') ending(task).reject(new Error(line));
}

function ending(id: string): PromiseWithResolvers<void> {
  const end = ends.get(id) ?? Promise.withResolvers<void>();
  ends.set(id, end);
  return end;
}

/** The files with a function that ran since the last call: V8 starts counting again. */
async function filesRun(): Promise<Set<string>> {
  const { result } = await inspector.post('Profiler.takePreciseCoverage');
  return new Set(
    result
      .filter(({ url, functions }) => url.startsWith(SOURCE) && functions.some(ran))
      .map(({ url }) => url.slice(SOURCE.length)),
  );
}

/** A function that was called before and goes on was not called again, but has ranges that ran. */
function ran({ functionName, ranges }: Profiler.FunctionCoverage): boolean {
  const isModule = functionName === '' && ranges[0]?.startOffset === 0;
  return !isModule && ranges.some(({ count }) => count > 0);
}

/** The files that ran for most tasks, in alphabetical order. */
function usual(counts: ReadonlyMap<string, number>): Set<string> {
  return new Set([...counts].flatMap(([file, count]) => (count > TASKS / 2 ? file : [])).sort());
}
