import { isatty } from 'node:tty';
import { type Config, checkConfig } from '../config/config.ts';
import { startGateway } from '../gateway.ts';
import { createLog } from '../observability/log.ts';
import { createLogOutput, type LogOutput, neverBlock, standardOutput } from '../observability/logOutput.ts';
import { prettyLine } from '../observability/prettyLog.ts';
import { commandLine } from './arguments.ts';

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
/** A second signal within this time counts as the first. Milliseconds. */
const SECOND_SIGNAL_MS = 1000;

/** How long writing the last log lines may take. Milliseconds. */
const LOG_FLUSH_MS = 1000;

/** `onetake serve`: runs until SIGTERM or SIGINT, then drains. */
export async function serve(): Promise<never> {
  const config = await checkConfig(process.env);
  const pretty = config.logFormat === 'pretty' || (config.logFormat === 'auto' && isatty(1));
  const output = createLogOutput({
    sink: standardOutput(),
    // https://no-color.org
    ...(pretty ? { format: prettyLine(isatty(1) && !process.env.NO_COLOR) } : {}),
  });
  neverBlock(process.stderr);
  process.once('exit', () => output.writeRest());
  try {
    await serveUntilSignal(config, output);
  } finally {
    await output.flush(LOG_FLUSH_MS);
  }
  // Keep-alive sockets, timers of libraries and unread output must not keep the process alive.
  process.exit(0);
}

async function serveUntilSignal(config: Config, output: LogOutput): Promise<void> {
  const gateway = await startGateway(config, createLog(config.logLevel, output), { logOutput: output });
  process.stderr.write(greeting(gateway.publicUrl, gateway.firstKey));

  await firstSignal();
  // Ctrl-C arrives twice, from the terminal and from npm. Only a later signal means "stop immediately".
  setTimeout(() => {
    for (const signal of SIGNALS) process.once(signal, () => process.exit(1));
  }, SECOND_SIGNAL_MS);
  process.stderr.write('\nStopping: finishing work in progress. Press Ctrl-C again to stop immediately.\n');
  await gateway.close();
}

function firstSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of SIGNALS) process.on(signal, () => resolve());
  });
}

function greeting(url: string, firstKey: string | undefined): string {
  const lines = ['', `  Onetake is listening on ${url}`, `  API reference:         ${url}/docs`, ''];
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
