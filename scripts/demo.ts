import {
  asksFor,
  DEMO_OPTIONS,
  endWith,
  promptOf,
  readWords,
  showOne,
  VERSION,
  withoutNpm,
} from '@onetake/gateway';
import { showAll } from './demo/all.ts';

/** `onetake demo`, and one video of each family, which needs the simulators of this repository. */
const USAGE = `npm run demo -- ["a prompt"] [--duration 4] [--resolution 720p] [--ratio 16:9] [--seed 7] [--audio]
npm run demo -- --all ["a prompt"]     one video of each family; simulators on this machine play the providers
`;

const OPTIONS = { ...DEMO_OPTIONS, all: { type: 'boolean' } } as const;

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
const prompt = promptOf(words);
await endWith(() => (values.all ? showAll(prompt) : showOne(prompt, values)));

function understood() {
  try {
    return readWords(withoutNpm(typed, { options: OPTIONS, words: 1, env: process.env }), OPTIONS);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}
