import { parseArgs } from 'node:util';
import { showAll } from './demo/all.ts';
import { showOne } from './demo/one.ts';

/**
 * The main job, end to end, as a client does it: a gateway on a free port, a submit through HTTP with a real key,
 * queries until the video is there, and the MP4 in the folder the command was started from.
 */
const USAGE = `npm run demo -- ["a prompt"] [--duration 4] [--resolution 720p] [--ratio 16:9] [--seed 7] [--audio]
npm run demo -- --all ["a prompt"]     one video of each family, the providers' parts played by stand-ins on this machine
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: 'boolean' },
    duration: { type: 'string' },
    resolution: { type: 'string' },
    ratio: { type: 'string' },
    seed: { type: 'string' },
    audio: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
});
const prompt = positionals.join(' ') || 'a paper boat on a rainy street';

if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const delivered = values.all
  ? await showAll(prompt)
  : await showOne({
      model: 'onetake-preview',
      prompt,
      ...(values.duration ? { duration: values.duration } : {}),
      ...(values.resolution ? { resolution: values.resolution } : {}),
      ...(values.ratio ? { aspect_ratio: values.ratio } : {}),
      ...(values.seed ? { seed: Number(values.seed) } : {}),
      ...(values.audio ? { generate_audio: true } : {}),
    });
process.exit(delivered ? 0 : 1);
