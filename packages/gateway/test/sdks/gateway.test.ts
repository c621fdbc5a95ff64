import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createCanvas } from '@napi-rs/canvas';
import { type Simulators, startSimulators } from '@onetake/simulators';
import { probe } from '@onetake/video';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { KEY, startTestGateway, type TestGateway } from '../support/gateway.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { available, type Environments, installed, languageOf, runScript } from './environments.ts';

/** What the scripts make: a video of the built-in model, and one of a provider. */
const TARGETS = [
  { simulator: 'preview', model: 'onetake-preview', options: { seconds: '1', size: '854x480' } },
  { simulator: 'sora', model: 'sora-2', options: { seconds: '4', size: '1280x720' } },
];

let environments: Environments;
let simulators: Simulators;
let t: TestGateway;

beforeAll(async () => {
  environments = await installed();
}, 600_000);
beforeAll(async () => {
  simulators = await startSimulators({ only: ['openai'], scale: 0.005, limits: false });
  t = await startTestGateway(
    { OPENAI_API_KEY: simulators.keys.openai ?? '', OPENAI_BASE_URL: `${simulators.urls.openai}/v1` },
    { file: 'models:\n  sora-2: { typical: { medianSeconds: 1, p90Seconds: 2 } }\n' },
  );
});
afterAll(async () => {
  await t.end();
  await simulators.close();
});

it.for(['openai_gateway.py', 'openai-gateway.mjs', 'litellm_gateway.py'])(
  'makes videos through the gateway: %s',
  { timeout: 300_000 },
  async (script, { skip }) => {
    const environment = available(environments[languageOf(script)], skip);
    const folder = await tempFolder();
    const videoOf = (name: string) => join(folder, `${name}.mp4`);
    const targets = TARGETS.map(async ({ simulator, options, ...target }) => {
      const [width = 0, height = 0] = options.size.split('x').map(Number);
      const image = join(folder, `${simulator}.png`);
      await writeFile(image, createCanvas(width, height).toBuffer('image/png'));
      const at = { url: `${t.gateway.address}/v1`, key: KEY, video: videoOf(simulator) };
      return { simulator, options, image, ...target, ...at };
    });
    const variables = {
      TARGETS: JSON.stringify(await Promise.all(targets)),
      // The scripts share what drives the simulators, which needs one image for all.
      IMAGE: join(folder, 'sora.png'),
      // Otherwise LiteLLM fetches its list of prices from the internet.
      LITELLM_LOCAL_MODEL_COST_MAP: 'True',
    };
    const reported = await runScript(script, { environment, folder, variables });
    for (const { simulator, options } of TARGETS) {
      const calls = reported.flatMap((line) =>
        line.simulator === simulator && line.call ? [line.call] : [],
      );
      const files = script.startsWith('openai') ? ['files'] : [];
      expect(calls).toEqual(
        expect.arrayContaining(['create', 'poll', 'list', 'download', 'refusals', ...files]),
      );
      const [width, height] = options.size.split('x').map(Number);
      const video = await probe(await readFile(videoOf(simulator)));
      expect(video).toMatchObject({ width, height, seconds: Number(options.seconds) });
    }
  },
);
