import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLog, createNativePool, probeVideo, readConfig, startGateway } from '@onetake/gateway';
import { type Simulators, startSimulators } from '@onetake/simulators';

export const KEY = 'sk-test-0123456789abcdefghij';

/** A gateway with the built-in model and a simulated Ark. */
export interface TestGateway {
  readonly url: string;
  readonly simulators: Simulators;
  /** What the probe of the gateway says of these bytes. */
  probe(bytes: Uint8Array): ReturnType<typeof probeVideo>;
  end(): Promise<void>;
}

/** So that polls come as often as the quick simulator ends its jobs. */
const SETTINGS = `models:
  seedance-1.0-pro: { typical: { medianSeconds: 1, p90Seconds: 2 } }
  seedance-2.0: { typical: { medianSeconds: 1, p90Seconds: 2 } }`;

export async function startTestGateway(): Promise<TestGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'onetake-'));
  const simulators = await startSimulators({ only: ['ark'], scale: 0.001, limits: false });
  const log = createLog('silent');
  const environment = {
    ...simulators.environment,
    ONETAKE_PORT: '0',
    ONETAKE_DATA_DIR: join(folder, 'data'),
    ONETAKE_BOOTSTRAP_KEY: KEY,
  };
  const config = readConfig(environment, (path) => (path === 'onetake.yaml' ? SETTINGS : undefined));
  const gateway = await startGateway(config, log);
  const native = createNativePool({ concurrency: 1, log });
  return {
    url: gateway.address,
    simulators,
    async probe(bytes) {
      const file = join(folder, 'probed.mp4');
      await writeFile(file, bytes);
      return probeVideo(native, file);
    },
    async end() {
      await native.close();
      await gateway.close();
      await simulators.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
