import { asksFor, readWords, VERSION, withoutNpm } from '@onetake/gateway';
import { showAll } from './demo/all.ts';
import { showOne } from './demo/one.ts';
import { Interrupted } from './interruption.ts';

/**
 * The main use, end to end, as a client does it: a gateway on a free port, a submission through HTTP with a real key,
 * queries until the video is there, and the MP4 in the folder in which the command was started.
 */
const USAGE = `npm run demo -- ["a prompt"] [--duration 4] [--resolution 720p] [--ratio 16:9] [--seed 7] [--audio]
npm run demo -- --all ["a prompt"]     one video of each family; simulators on this machine play the providers
`;

const OPTIONS = {
  all: { type: 'boolean' },
  duration: { type: 'string' },
  resolution: { type: 'string' },
  ratio: { type: 'string' },
  seed: { type: 'string' },
  audio: { type: 'boolean' },
} as const;

const typed = process.argv.slice(2);
if (asksFor(typed, '--help', '-h')) {
  process.stdout.write(USAGE);
  process.exit(0);
}
if (asksFor(typed, '--version', '-V')) {
  process.stdout.write(`onetake ${VERSION}\n`);
  process.exit(0);
}
const { values, words } = understood();
const prompt = words.join(' ') || 'a paper boat on a rainy street';

const delivered = await run().catch((error: unknown) => {
  // An error of the gateway, or of a file that cannot be written; its message says what to do.
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return error;
});
process.exit(delivered === true ? 0 : delivered instanceof Interrupted ? delivered.exitCode : 1);

function understood() {
  try {
    return readWords(withoutNpm(typed, { options: OPTIONS, words: 1, env: process.env }), OPTIONS);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}

function run(): Promise<boolean> {
  if (values.all) return showAll(prompt);
  return showOne({
    model: 'onetake-preview',
    prompt,
    ...(values.duration ? { duration: values.duration } : {}),
    ...(values.resolution ? { resolution: values.resolution } : {}),
    ...(values.ratio ? { aspect_ratio: values.ratio } : {}),
    ...(values.seed ? { seed: Number(values.seed) } : {}),
    ...(values.audio ? { generate_audio: true } : {}),
  });
}
