import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog, readConfig, startGateway } from '@onetake/gateway';
import { type Simulators, startSimulators } from '@onetake/simulators';
import { startProxy, type TestProxy } from './proxy.ts';

export const KEY = 'sk-test-0123456789abcdefghij';

/** The fastest video of the built-in model. */
export const QUICK = {
  model: 'onetake-preview',
  prompt: 'a paper boat',
  duration: 1,
  resolution: '480p',
  seed: 1,
} as const;

/** A video of the simulated OpenAI, which is made until `finish`. */
export const HELD = { model: 'sora-2', prompt: 'a paper boat [hold]', duration: 4 } as const;

/** A gateway behind a proxy, with a simulated OpenAI. */
export interface TestGateway {
  readonly proxy: TestProxy;
  readonly simulators: Simulators;
  /** Lets the held videos be finished. */
  finish(): void;
  stop(): Promise<void>;
  /** Starts it again with the same data. */
  start(): Promise<void>;
  /** Ends everything and removes its data. */
  end(): Promise<void>;
}

export async function startTestGateway(settings: NodeJS.ProcessEnv = {}): Promise<TestGateway> {
  const dataDir = await mkdtemp(join(tmpdir(), 'onetake-'));
  const simulators = await startSimulators({ only: ['openai'], scale: 0.005, limits: false });
  const env = {
    ...simulators.environment,
    ONETAKE_PORT: '0',
    ONETAKE_DATA_DIR: dataDir,
    ONETAKE_BOOTSTRAP_KEY: KEY,
    ...settings,
  };
  const config = readConfig(env, (path) => (path === 'onetake.yaml' ? POLLED_OFTEN : undefined));
  const proxy = await startProxy();
  let gateway: Awaited<ReturnType<typeof startGateway>> | undefined;
  const start = async () => {
    gateway = await startGateway(config, createLog('silent'));
    proxy.target = gateway.address;
  };
  const stop = async () => {
    await gateway?.close();
    gateway = undefined;
  };
  const end = async () => {
    await proxy.close();
    await stop();
    await simulators.close();
    await rm(dataDir, { recursive: true, force: true });
  };
  await start();
  return { proxy, simulators, finish: () => void simulators.finishAll('openai'), start, stop, end };
}

const POLLED_OFTEN = 'models:\n  sora-2: { typical: { medianSeconds: 1, p90Seconds: 2 } }';
