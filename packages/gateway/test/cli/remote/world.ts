import { join } from 'node:path';
import { startSimulators } from '@onetake/simulators';
import { probeVideo } from '../../../src/media/inspect/video.ts';
import { createNativePool } from '../../../src/native/pool.ts';
import { createLog } from '../../../src/observability/log.ts';
import { KEY, startTestGateway } from '../../support/gateway.ts';
import { runOnetake } from '../../support/processes/commandLine.ts';
import { tempFolder } from '../../support/tempFolder.ts';

/** The fastest video of the built-in model. */
export const QUICK = ['-m', 'onetake-preview', '-d', '1', '--resolution', '480p', '--seed', '1'];
/** A video of the simulated OpenAI; markers in the prompt decide what becomes of it. */
export const SIMULATED = ['-m', 'sora-2', '-d', '4'];

/** A gateway with the built-in model and a simulated OpenAI. */
export async function startWorld() {
  const simulators = await startSimulators({ only: ['openai'], scale: 0.005, limits: false });
  const t = await startTestGateway(simulators.environment, {
    file: 'models:\n  sora-2: { typical: { medianSeconds: 1, p90Seconds: 2 } }',
  });
  const native = createNativePool({ concurrency: 1, log: createLog('silent') });
  const env = { ONETAKE_URL: t.gateway.address, ONETAKE_API_KEY: KEY };
  return {
    ...t,
    env,
    /** Lets the held videos be finished. */
    finish: () => void simulators.finishAll('openai'),
    probe: (cwd: string, file: string) => probeVideo(native, join(cwd, file)),
    async end() {
      await native.close();
      await t.end();
      await simulators.close();
    },
  };
}

export type World = Awaited<ReturnType<typeof startWorld>>;

/** A folder in which commands are run to their end. */
export async function shellIn(env: Readonly<Record<string, string>>) {
  const cwd = await tempFolder();
  const begin = (args: readonly string[], input = '') =>
    runOnetake(args, { cwd, env: { HOME: cwd, NODE_DISABLE_COMPILE_CACHE: '1', ...env }, input });
  return { cwd, begin, run: (...args: readonly string[]) => begin(args).ended };
}
