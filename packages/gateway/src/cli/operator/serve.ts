import { type Stats, unwatchFile, watchFile } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { availableParallelism } from 'node:os';
import { isatty } from 'node:tty';
import { type Config, checkConfig, configFile, examineChangedConfig } from '../../config/config.ts';
import { filesAsRead, filesNow, keepingFiles, type ReadFiles } from '../../config/files.ts';
import type { Gateway } from '../../gateway.ts';
import { createLog, type Log } from '../../observability/log.ts';
import {
  createLogOutput,
  type LogOutput,
  neverBlock,
  standardOutput,
} from '../../observability/logOutput.ts';
import { prettyLine } from '../../observability/prettyLog.ts';
import { pruneCompiledCode } from '../compileCache.ts';
import { commandLine } from '../npm.ts';
import type { SupervisorParts } from '../workers/supervisor.ts';
import { type SupervisedWorker, supervisedWorker } from '../workers/worker.ts';

/** How often the settings file is looked at for changes. Milliseconds. */
const WATCH_MS = 2000;
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/** A second signal within this time counts as the first. Milliseconds. */
const SECOND_SIGNAL_MS = 1000;

/** How long writing the last log lines may take. Milliseconds. */
const LOG_FLUSH_MS = 1000;

/** `onetake serve`: runs until SIGTERM or SIGINT, then drains. */
export async function serve(): Promise<never> {
  const worker = supervisedWorker(process.env);
  const files = keepingFiles(worker ? filesAsRead(await worker.settings()) : filesNow);
  const config = await checkConfig(process.env, files);
  const pretty = !worker && (config.logFormat === 'pretty' || (config.logFormat === 'auto' && isatty(1)));
  const output = createLogOutput({
    sink: standardOutput(),
    // https://no-color.org
    ...(pretty ? { format: prettyLine(isatty(1) && !process.env.NO_COLOR) } : {}),
  });
  neverBlock(process.stderr);
  process.once('exit', () => output.writeRest());
  let exitCode = 0;
  try {
    const count = workersOf(config);
    if (count > 1) exitCode = await serveWithWorkers({ config, files: files.kept, count, output });
    else await serveUntilSignal(config, output, worker && { worker, read: files.kept });
  } finally {
    await output.flush(LOG_FLUSH_MS);
  }
  // Keep-alive sockets, timers of libraries and unread output must not keep the process alive.
  process.exit(exitCode);
}

async function serveUntilSignal(
  config: Config,
  output: LogOutput,
  supervised: { readonly worker: SupervisedWorker; readonly read: ReadFiles } | undefined,
): Promise<void> {
  const worker = supervised?.worker;
  const { startGateway } = await import('../../gateway.ts');
  const log = createLog(config.logLevel, output, worker ? { worker: worker.number } : null);
  let signalled = Promise.resolve();
  const gateway = await startGateway(config, log, {
    logOutput: output,
    processMetrics: true,
    // A signal that comes before ends the start at once. One of a client that has been answered already ends it gracefully.
    beforeListening: () => {
      signalled = firstSignal();
    },
    ...(worker && { sharedMetrics: worker.metrics, sharedPort: worker.port }),
  });
  // Otherwise Node writes it at the end, which a gateway that is killed does not have. Only after the first start it takes a moment.
  flushCompileCache();
  void pruneCompiledCode(process.env, Date.now());
  if (worker) worker.listening(gateway);
  else process.stderr.write(greeting(gateway));
  const stopWatching = watchConfig(gateway, log, supervised?.read);

  await signalled;
  stopWatching();
  // Ctrl-C arrives twice, from the terminal and from npm or the supervisor. Only a later signal means "stop immediately".
  setTimeout(() => {
    for (const signal of SIGNALS) process.once(signal, () => process.exit(1));
  }, SECOND_SIGNAL_MS);
  if (!worker) process.stderr.write(STOPPING);
  await gateway.close();
}

async function serveWithWorkers(
  parts: Pick<SupervisorParts, 'config' | 'files' | 'count' | 'output'>,
): Promise<number> {
  const { supervise } = await import('../workers/supervisor.ts');
  const signalled = firstSignal();
  const supervisor = supervise({
    ...parts,
    log: createLog(parts.config.logLevel, parts.output),
    onListening: (listening) => process.stderr.write(greeting(listening)),
  });
  void signalled.then(() => {
    process.stderr.write(STOPPING);
    supervisor.stop();
    setTimeout(() => {
      for (const signal of SIGNALS) process.once(signal, () => supervisor.kill());
    }, SECOND_SIGNAL_MS).unref();
  });
  return supervisor.ended;
}

const STOPPING = '\nStopping: finishing work in progress. Press Ctrl-C again to stop immediately.\n';

/** How many processes serve. */
const workersOf = ({ workers }: Pick<Config, 'workers'>): number =>
  workers === 'auto' ? availableParallelism() : workers;

/**
 * Reloads the settings file whenever it has changed: by an editor, or by the new version of a mounted volume; and at once if it is no longer what
 * was `read` for a start. Returns what ends that.
 */
function watchConfig(gateway: Pick<Gateway, 'reload'>, log: Log, read?: ReadFiles): () => void {
  const path = configFile(process.env);
  let last = Promise.resolve();
  const reload = async () => {
    const { config, problems } = await examineChangedConfig(process.env);
    if (config) await gateway.reload(config);
    else
      log.error(
        { event: 'config.reload_failed', problems },
        'the settings file is not valid any more, or is missing; the gateway goes on with what it has',
      );
  };
  const reloadInTurn = () => {
    last = last
      .then(reload)
      .catch((err) =>
        log.error({ event: 'config.reload_failed', err }, 'the changed settings file cannot be taken over'),
      );
  };
  const changed = (now: Stats, before: Stats) => {
    // The first look at a file that was never there.
    if (now.mtimeMs !== 0 || before.mtimeMs !== 0) reloadInTurn();
  };
  if (read && hasChanged(path, read)) reloadInTurn();
  watchFile(path, { interval: WATCH_MS, persistent: false }, changed);
  return () => unwatchFile(path, changed);
}

function hasChanged(path: string, { files }: ReadFiles): boolean {
  try {
    return filesNow.read(path) !== files.get(path);
  } catch {
    // The file is there and cannot be read, which the reload reports.
    return true;
  }
}

function firstSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of SIGNALS) process.on(signal, () => resolve());
  });
}

function greeting({
  address,
  publicUrl: url,
  firstKey,
}: Pick<Gateway, 'address' | 'publicUrl' | 'firstKey'>): string {
  const lines = ['', `  Onetake is listening on ${address}`];
  if (url !== address) lines.push(`  Its public URL is      ${url}`);
  lines.push(`  API reference:         ${url}/docs`, '');
  if (firstKey) {
    lines.push(
      '  Your first API key, shown only once:',
      '',
      `    ${firstKey}`,
      '',
      '  Create more with:',
      '',
      `    ${commandLine('keys create --name "my app"', process.env)}`,
      '',
      '  Try it:',
      '',
      `    curl ${url}/v1/video/generations \\`,
      `      -H 'Authorization: Bearer ${firstKey}' -H 'Content-Type: application/json' \\`,
      `      -d '{"model": "onetake-preview", "prompt": "a paper boat on a rainy street"}'`,
      '',
    );
  }
  return `${lines.join('\n')}\n`;
}
