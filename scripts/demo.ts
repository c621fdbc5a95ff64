import { endWith, newProgram, promptOf, runProgram, showOne, withDemoOptions } from '@onetake/gateway';
import { showAll } from './demo/all.ts';

// `onetake demo`, and one video of each family, which needs the simulators of this repository.
const demo = newProgram('npm run demo --');
withDemoOptions(demo)
  .description('Make a video with the built-in renderer, by a gateway of its own; needs no API key.')
  .option('--all', 'one video of each family instead; simulators on this machine play the providers')
  .action((words, { all, ...wishes }) =>
    endWith(() => (all ? showAll(promptOf(words)) : showOne(promptOf(words), wishes))),
  );
await runProgram(demo, process.argv.slice(2), process.env);
