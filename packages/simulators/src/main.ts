import { parseArgs } from 'node:util';
import { serveAdmin } from './admin.ts';
import { startSimulators, upstreamsNamed } from './simulators.ts';

const USAGE = `npm run simulators -- [--scale 0.01] [--seed onetake] [--port-base 9100] [--only openai] [--no-limits]

Starts a simulator of each upstream on 127.0.0.1 and prints the variables that point a client at them.
`;

const OPTIONS = {
  scale: { type: 'string', default: '1' },
  seed: { type: 'string', default: 'onetake' },
  'port-base': { type: 'string' },
  only: { type: 'string', multiple: true },
  limits: { type: 'boolean', default: true },
  help: { type: 'boolean', short: 'h' },
} as const;

const values = understood();
if (values.help) process.stdout.write(USAGE);
else await run();

function understood() {
  try {
    const { values } = parseArgs({ allowNegative: true, options: OPTIONS });
    upstreamsNamed(values.only);
    for (const name of ['scale', 'port-base'] as const) {
      const text = values[name];
      if (text !== undefined && !(Number(text) > 0))
        throw new TypeError(`--${name} takes a positive number, not "${text}".`);
    }
    return values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}

async function run(): Promise<void> {
  // The signal arrives twice, from the terminal or `timeout` and from npm. The second one must not cut off the removal of files.
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => resolve());
  });
  const base = values['port-base'] === undefined ? undefined : Number(values['port-base']);
  const simulators = await startSimulators({
    scale: Number(values.scale),
    seed: values.seed,
    limits: values.limits,
    ...(base === undefined ? {} : { portBase: base }),
    ...(values.only ? { only: values.only } : {}),
  });
  const admin = await serveAdmin(simulators, base ?? 0);
  const lines = { SIMULATORS_ADMIN_URL: admin.url, ...simulators.environment };
  for (const [name, value] of Object.entries(lines)) process.stdout.write(`${name}=${value}\n`);
  await stopped;
  await Promise.all([admin.close(), simulators.close()]);
}
