import cluster, { type Worker } from 'node:cluster';
import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import type { ReadFiles } from '../../config/files.ts';
import type { Log } from '../../observability/log.ts';
import type { LogOutput } from '../../observability/logOutput.ts';
import { invalidSettings } from '../../tasks/errors.ts';
import { createGathering } from './gathering.ts';
import { createHeartbeat, type Heartbeat } from './heartbeat.ts';
import { forwardLines } from './lines.ts';
import type { FromWorker, ToWorker } from './messages.ts';
import { pauseBefore, STEADY_MS } from './restarts.ts';
import { PORT_VARIABLE, WORKER_VARIABLE } from './worker.ts';

/** What the first worker to serve has told. */
type Listening = Extract<FromWorker, { type: 'listening' }>;

export interface SupervisorParts {
  readonly config: Config;
  /** What `config` was read from. */
  readonly files: ReadFiles;
  readonly count: number;
  readonly log: Log;
  readonly output: LogOutput;
  /** Called once, when the first worker serves. */
  readonly onListening: (listening: Listening) => void;
}

export interface Supervisor {
  /** Ends every worker gracefully. */
  stop(): void;
  /** Ends every worker at once. */
  kill(): void;
  /** Resolves with the exit code of the gateway once all workers have ended. */
  readonly ended: Promise<number>;
}

/** The process of a worker. */
interface Run {
  readonly worker: Worker;
  readonly heartbeat: Heartbeat;
  /** On a monotonic clock, once it serves. */
  servesSince: number | undefined;
}

/** The place of a worker, in which one process follows another. */
interface Slot {
  readonly number: number;
  run: Run | undefined;
  restart: NodeJS.Timeout | undefined;
  restarts: number;
  shortRuns: number;
  hasServed: boolean;
}

/**
 * Serves with several processes on one port, each of which is a node of its own. The first one starts alone: it applies migrations and makes
 * the first key.
 */
export function supervise({ config, files, count, log, output, onListening }: SupervisorParts): Supervisor {
  if (!cluster.isPrimary) throw invalidSettings([NOT_IN_A_CLUSTER]);
  // Where the kernel does not share out the connections (`sharedListenOptions`), this process hands them to the workers in turn.
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({ serialization: 'advanced', stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  const { promise: ended, resolve: end } = Promise.withResolvers<number>();
  const slots = Array.from({ length: count }, (_, index) => newSlot(index + 1));
  const outputs = new Set<Promise<void>>();
  const anyHasServed = () => slots.some(({ hasServed }) => hasServed);
  let stopping = false;
  let exitCode = 0;
  let port = '';
  let deadline: NodeJS.Timeout | undefined;
  const gathering = createGathering(() =>
    slots.map(({ number, restarts, run }) => ({
      number,
      restarts,
      send: run?.servesSince === undefined ? undefined : (message) => sendTo(run.worker, message),
    })),
  );

  function start(slot: Slot): void {
    const worker = cluster.fork(environmentOf(slot.number, config, count, port));
    const run: Run = { worker, heartbeat: heartbeatOf(slot.number, worker, log), servesSince: undefined };
    slot.run = run;
    log.info({ event: 'worker.started', worker: slot.number, pid: worker.process.pid }, 'a worker starts');
    const { stdout } = worker.process;
    if (stdout) {
      const written = forwardLines(stdout, output).catch(() => undefined);
      outputs.add(written);
      void written.then(() => outputs.delete(written));
    }
    worker.on('message', (message: FromWorker) => received(slot, run, message));
    // A message to a worker that is just ending.
    worker.on('error', () => undefined);
    worker.once('exit', (code, signal) => exited(slot, run, code, signal));
  }

  function received(slot: Slot, run: Run, message: FromWorker): void {
    run.heartbeat.heard();
    if (message.type === 'alive') return;
    if (message.type === 'starting') {
      sendTo(run.worker, { type: 'settings', files });
      return;
    }
    if (message.type === 'gather') {
      gathering.gather(message.request, (answer) => sendTo(run.worker, answer));
      return;
    }
    if (message.type === 'metrics') {
      gathering.answered(slot.number, message);
      return;
    }
    const isFirst = !anyHasServed();
    run.servesSince = performance.now();
    slot.hasServed = true;
    if (!isFirst) return;
    // A URL leaves out the port of its scheme.
    port = new URL(message.address).port || '80';
    onListening(message);
    if (!stopping) for (const other of slots) if (!other.run && !other.restart) start(other);
  }

  function exited(slot: Slot, run: Run, code: number | null, signal: string | null): void {
    slot.run = undefined;
    run.heartbeat.end();
    if (stopping) {
      exitCode ||= code ?? 1;
      endIfEmpty();
      return;
    }
    const isSteady = run.servesSince !== undefined && performance.now() - run.servesSince >= STEADY_MS;
    slot.shortRuns = isSteady ? 0 : slot.shortRuns + 1;
    const othersServe = slots.some((other) => other.run?.servesSince !== undefined);
    const pause = pauseBefore({ ...slot, code, othersServe, anyHasServed: anyHasServed() });
    const about = { worker: slot.number, pid: run.worker.process.pid, code, signal };
    if (pause === undefined) {
      // A gateway that does not start ends with the words of its first worker.
      if (anyHasServed() || code === null)
        log.error(
          { event: 'worker.given_up', ...about },
          'a worker cannot be kept running; the gateway ends',
        );
      // A worker that somebody ended by a signal while nothing served has done as it was told.
      exitCode = code ?? 1;
      stop();
      return;
    }
    log.error(
      { event: 'worker.exited', ...about, restart_in_ms: pause },
      'a worker has ended; it is started again',
    );
    slot.restart = setTimeout(() => {
      slot.restart = undefined;
      slot.restarts += 1;
      start(slot);
    }, pause);
  }

  function stop(): void {
    stopping = true;
    deadline ??= setTimeout(() => killLate(slots, log), stopWithinMs(config));
    for (const slot of slots) {
      clearTimeout(slot.restart);
      slot.run?.worker.process.kill('SIGTERM');
    }
    endIfEmpty();
  }

  function endIfEmpty(): void {
    if (slots.some(({ run }) => run)) return;
    clearTimeout(deadline);
    void Promise.all(outputs).then(() => end(exitCode));
  }

  const [first] = slots;
  if (first) start(first);
  return {
    ended,
    stop,
    kill: () => {
      for (const { run } of slots) run?.worker.process.kill('SIGKILL');
    },
  };
}

const NOT_IN_A_CLUSTER =
  'ONETAKE_WORKERS: cannot be used below another program that runs it as a worker of node:cluster, such as the cluster mode of pm2; use its fork mode.';

const newSlot = (number: number): Slot => ({
  number,
  run: undefined,
  restart: undefined,
  restarts: 0,
  shortRuns: 0,
  hasServed: false,
});

/** What a worker may take to stop beyond its drain timeout, before it is killed. Milliseconds. */
const STOP_MARGIN_MS = 15_000;

const stopWithinMs = ({ drainDelaySeconds, drainTimeoutSeconds }: Config): number =>
  (drainDelaySeconds + drainTimeoutSeconds) * 1000 + STOP_MARGIN_MS;

/** Kills whatever has not stopped in time. */
function killLate(slots: readonly Slot[], log: Log): void {
  for (const { number, run } of slots) {
    if (!run) continue;
    const about = { worker: number, pid: run.worker.process.pid };
    log.error({ event: 'worker.late', ...about }, 'a worker has not stopped in time; it is killed');
    run.worker.process.kill('SIGKILL');
  }
}

/** Kills a worker that hangs. As one that has ended it is started again. */
function heartbeatOf(number: number, worker: Worker, log: Log): Heartbeat {
  const ping = () => sendTo(worker, { type: 'ping' });
  return createHeartbeat(ping, () => {
    const about = { worker: number, pid: worker.process.pid };
    log.error({ event: 'worker.silent', ...about }, 'a worker does not answer any more; it is killed');
    worker.process.kill('SIGKILL');
  });
}

function sendTo(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message);
}

/** The connections to the database that the workers of a machine share, unless a setting says how many each has. */
const CONNECTIONS = 64;
const [FEWEST, MOST] = [3, 10];

/** A worker is a gateway with one process, in a folder of its own. The first has that of the settings, as a gateway without workers has. */
function environmentOf(
  number: number,
  { dataDir, file }: Config,
  count: number,
  port: string,
): Record<string, string> {
  const each = Math.max(FEWEST, Math.min(MOST, Math.floor(CONNECTIONS / count)));
  const isSet = process.env.ONETAKE_DATABASE_POOL || (file.database_pool ?? undefined) !== undefined;
  return {
    [WORKER_VARIABLE]: String(number),
    [PORT_VARIABLE]: port,
    ONETAKE_WORKERS: '1',
    ONETAKE_DATA_DIR: number === 1 ? dataDir : join(dataDir, `worker-${number}`),
    ...(isSet ? {} : { ONETAKE_DATABASE_POOL: String(each) }),
  };
}
