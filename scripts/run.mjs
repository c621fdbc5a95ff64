// Runs a task of this repository: `node scripts/run.mjs <task> [arguments]`.
// Plain JavaScript without dependencies, so that any Node from 18 on can start it on a fresh machine; the task itself
// runs under the Node that package.json pins.
import { readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureInstalled, InstallError } from './install.mjs';
import { exitCode, pathVariable, run } from './spawn.mjs';

/** What each task runs: a script, then its leading arguments. */
const TASKS = {
  start: ['packages/gateway/src/cli/main.ts', 'serve'],
  onetake: ['packages/gateway/src/cli/main.ts'],
  demo: ['scripts/demo.ts'],
  test: ['scripts/test.ts'],
  bench: ['bench/main.ts'],
  'bench:query': ['bench/query.ts'],
  'bench:peers': ['bench/query/peers.ts'],
  'bench:cluster': ['bench/cluster.ts'],
  'bench:costs': ['bench/costs.ts'],
  'bench:fsyncs': ['bench/fsyncs.ts'],
  'bench:submits': ['bench/submits.ts'],
  'bench:adoption': ['bench/adoption.ts'],
  'bench:memory': ['bench/memory.ts'],
  'bench:account': ['bench/hotAccount.ts'],
  'bench:limits': ['bench/limits.ts'],
  'bench:tracking': ['bench/tracking.ts'],
  'bench:polling': ['bench/polling.ts'],
  'bench:delivery': ['bench/delivery.ts'],
  'bench:webhooks': ['bench/webhooks.ts'],
  'bench:lists': ['bench/lists.ts'],
  'bench:start': ['bench/start.ts'],
  'bench:renderer': ['bench/renderer.ts'],
  'bench:bytes': ['bench/bytes.ts'],
  'bench:growth': ['bench/growth.ts'],
  'bench:workers': ['bench/scale/workers.ts'],
  'bench:notify': ['bench/scale/notify.ts'],
  'bench:cells': ['bench/scale/cells.ts'],
  'bench:files': ['bench/filesTouched.ts'],
  soak: ['chaos/soak/main.ts'],
  chaos: ['chaos/main.ts'],
  'chaos:clients': ['chaos/published/main.ts'],
  mutants: ['scripts/mutants.ts'],
  client: ['scripts/client.ts'],
  pack: ['scripts/pack.ts'],
  docs: ['scripts/docs.ts'],
  release: ['scripts/release.ts'],
  simulators: ['packages/simulators/src/main.ts'],
};

/** What tasks take that do not tell by themselves. */
const USAGES = {
  test: '[filter …]        everything that must hold; with a filter the test files whose path matches',
  bench: '[--only query,lists] [--write] [-- options of the one bench]     all benches, one after the other',
  'bench:query':
    '[--rounds 7] [--requests 8000] [--tasks 10000,100000] [--against checkout]     CPU time of status queries, beside bare node:http',
  'bench:peers':
    '[--peers bun,nginx,portkey,litellm] [--rounds 5] [--requests 3000]     CPU time and memory of a GET, beside other servers, which it installs for the time being',
  'bench:cluster':
    '[--levels 100,1000,10000,100000]      one node with PostgreSQL, and so many tasks in flight',
  'bench:costs':
    '[--tasks 4000] [--rounds 3] [--against checkout]     CPU time of a submit, a transition, a poll',
  'bench:fsyncs':
    '[--rounds 2] [--against checkout]     syncs of a task alone and of 20 together on the embedded store',
  'bench:submits':
    '[--submits 3000] [--rounds 3] [--against checkout]     durable submits beside bare group commit, and status queries beside a submitting client',
  'bench:adoption': "[--tasks 10000] [--rounds 3] [--against checkout]     takeover of a dead node's tasks",
  'bench:memory': '[--tasks 100000] [--rounds 3] [--against checkout]     memory of a task in flight',
  'bench:account':
    '[--tasks 20000] [--rounds 3] [--against checkout]     transitions of three nodes on one account',
  'bench:limits':
    '[--minutes 60] [--seed limits]     limits of accounts that three nodes share, in virtual time',
  'bench:tracking':
    "[--in-flight 1,25,1000] [--families sora,veo,wanxiang,seedance] [--tasks 75] [--speed 1] [--times catalogue] [--account '{}'] [--postgres] [--against checkout]     how late the end of a job is known",
  'bench:polling':
    '[--tasks 100000] [--only log-normal,account] [--plots folder]     delay and polls beside the optimum, in virtual time',
  'bench:delivery':
    '[--tasks 100] [--waits 10000] [--rounds 1] [--against checkout]     how long after the end of a task clients know of it, by the way they learn it',
  'bench:webhooks':
    '[--pending 100000] [--lanes 10000] [--rows 1000000] [--against checkout]     taking due webhooks and listing them, with many stored',
  'bench:lists': '[--rows 1000000] [--against checkout]     lists of tasks by every filter, with many stored',
  'bench:renderer':
    '[--rounds 3] [--seconds 1]     the built-in renderer beside ffmpeg, which encodes the same frames',
  'bench:start':
    '[--rounds 5]     start to first answer and memory of the packed gateway, of the sources and of a bare server',
  'bench:bytes':
    '[--rounds 5] [--at-once 20] [--against checkout]     sending and collecting videos: CPU and memory',
  'bench:growth':
    '[--rows 10000,100000] [--only SQLite] [--month]     what grows with the number of finished tasks, and what does not',
  'bench:workers':
    '[--workers 1,2] [--submits 1000] [--rounds 3]     queries and submits of several processes on one port',
  'bench:notify': '[--rounds 3] [--seconds 1]     what it costs PostgreSQL that commits notify',
  'bench:cells':
    '[--in-flight 100000] [--nodes 2] [--seconds 20] [--projects 20000]     how projects spread over cells, and what holds their tasks, in virtual time',
  'bench:files': 'source files that run for one task',
  soak: '[--tasks 2000] [--faults 0.1] [--seed soak]',
  chaos: '[--short] [--tasks 5000] [--nodes 3] [--cycles 9] [--seed chaos]',
  'chaos:clients':
    '[--rounds 50] [--seed clients] [--clients cli,mcp] [--only 7] [--folder folder]     packed clients, while they, the network and the gateway fail',
  mutants:
    '[path[:from-to] …] [--sample 300 --seed 7] [--tests filter] [--budget 60] [--minutes 30] [--lanes 1] [--fresh]',
  client: '[--check]       writes the types of the TypeScript client, or checks them and its package',
  pack: '[client …]         writes the tarballs of the packages into dist/',
  release: 'sets the next version of all packages, from the changesets, and dates the changelog',
  docs: '[--check]         writes the generated documents, or tells which are stale',
};

/** Tasks of people who use the gateway: relative paths in their arguments and settings are from the folder that they are in. */
const FROM_THE_CALLER = ['start', 'onetake', 'demo'];

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * V8 copies what survives in its youngest generation, and nothing else runs meanwhile: at 4 MiB instead of 16 a collection takes a few
 * milliseconds, also while thousands of tasks are adopted. The Dockerfile and the unit of systemd say the same.
 */
const NODE_FLAGS = JSON.parse(readFileSync(join(root, 'scripts/nodeFlags.json'), 'utf8'));

async function main([name, ...rest]) {
  const usage = `Usage: node scripts/run.mjs <task> [arguments]\nTasks: ${Object.keys(TASKS).join(', ')}`;
  const task = Object.hasOwn(TASKS, name ?? '') ? TASKS[name] : undefined;
  if (!task) {
    const asked = name === '--help' || name === '-h';
    console[asked ? 'log' : 'error'](usage);
    return asked ? 0 : 2;
  }
  // Told before anything is installed.
  if (rest.includes('--version')) {
    console.log(`onetake ${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}`);
    return 0;
  }
  if (name in USAGES && (rest.includes('--help') || rest.includes('-h'))) {
    console.log(`Usage: npm run ${name} -- ${USAGES[name]}`);
    return 0;
  }
  const node = await ensureInstalled(root);
  const [script, ...args] = task;
  const path = pathVariable(process.env);
  // npm runs its scripts in the folder of the repository. Under another task the variable tells of that one's caller.
  const caller =
    process.env.npm_lifecycle_event === name && process.env.INIT_CWD ? process.env.INIT_CWD : process.cwd();
  return exitCode(
    // Spawned by its path: a shell may still remember where the older `node` was.
    await run(node, [...NODE_FLAGS, join(root, script), ...args, ...rest], {
      cwd: FROM_THE_CALLER.includes(name) ? caller : root,
      env: {
        ...process.env,
        INIT_CWD: caller,
        [path]: [join(root, 'node_modules', '.bin'), process.env[path]].join(delimiter),
      },
    }),
  );
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof InstallError)) throw error;
  console.error(`\n${error.message}`);
  process.exitCode = error.exitCode;
}
