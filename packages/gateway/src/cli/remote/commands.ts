import { type Command, Option } from '@commander-js/extra-typings';
import { explaining, withExamples } from '../usage.ts';

/** The commands for those who use a gateway, wherever it is. */
export function remoteCommands(program: Command): void {
  program.commandsGroup('Use a gateway:');
  generate(program);
  wait(program);
  get(program);
  download(program);
  list(program);
  cancel(program);
  remove(program);
  models(program);
  webhooks(program);
  login(program);
  mcp(program);
}

/** An option that may be given several times. */
const several = <const F extends string>(flags: F, description: string) =>
  new Option(flags, description).argParser<string[]>((value, before = []) => [...before, value]);

/** A command that calls a gateway. */
const remote = (program: Command, name: string, description: string) =>
  program
    .command(name)
    .description(description)
    .option('--url <url>', 'the gateway; by default ONETAKE_URL, or that of onetake login')
    .option('--api-key <key>', 'by default ONETAKE_API_KEY, or that of onetake login');

const ONE_ID = {
  missingArgument:
    'Say which task: its id is like video_01a2130d80eb77ebb27b30bd03aa33f1 (see onetake list).',
};
const ID = 'video_01a2130d80eb77ebb27b30bd03aa33f1';

function generate(program: Command): void {
  const command = remote(program, 'generate', 'make a video: submit it, wait for it and save it')
    .argument('<prompt>', 'what the video shows; - reads it from standard input')
    .option('-m, --model <model>', 'one of onetake models; required')
    .option(
      '-o, --output <file>',
      'where the video is saved, - for standard output; by default named after the prompt',
    )
    .option('-d, --duration <seconds>')
    .option('--resolution <resolution>', 'such as 720p')
    .option('--ratio <ratio>', 'aspect ratio, such as 16:9')
    .option('--size <size>', 'such as 1280x720, instead of resolution and ratio')
    .option('--image <source>', 'first frame: a file or URL')
    .option('--last-frame <source>', 'last frame: a file or URL')
    .addOption(
      several('--reference <source>', 'image, video or sound to follow: a file or URL; may be repeated'),
    )
    .option('--video <source>', 'video to edit or continue: the id of a task, or a URL')
    .option('--audio', 'with sound')
    .option('--no-audio', 'without sound')
    .option('--negative-prompt <text>', 'what to avoid')
    .option('--seed <seed>', 'the same seed and request give the same video, if the model supports it')
    .addOption(
      several('--set <key=value>', 'any other parameter of the API, as JSON or text; may be repeated'),
    )
    .addOption(several('--metadata <key=value>', 'a note of your own, to find the task by; may be repeated'))
    .option('--detach', 'only submit, and print the id of the task')
    .option('--timeout <seconds>', 'how long to wait; the task goes on')
    .option(
      '--idempotency-key <key>',
      'a repeated command with the same key and parameters finds the same task',
    )
    .option('--json', 'print the task as JSON')
    .exitOverride(
      explaining({
        missingArgument: 'Say what the video shows: onetake generate "a paper boat" -m MODEL.',
        excessArguments:
          'The prompt is one argument; put it in quotes: onetake generate "a paper boat" -m MODEL.',
      }),
    )
    .action(async (prompt, options) => (await import('./waiting.ts')).generateCommand(prompt, options));
  withExamples(
    command,
    'generate "a fox in the snow" -m onetake-preview -d 8 -o fox.mp4',
    'generate "the cat yawns" -m veo-3.1-generate-001 --image cat.png --set person_generation=allow_adult',
    'generate - -m onetake-preview --detach < prompt.txt',
  );
}

function wait(program: Command): void {
  const command = remote(program, 'wait', 'wait until a task has ended')
    .argument('<id>')
    .option('-o, --output <file>', 'save the video there, - for standard output')
    .option('--timeout <seconds>', 'how long to wait; the task goes on')
    .option('--json', 'print the task as JSON')
    .exitOverride(explaining(ONE_ID))
    .action(async (id, options) => (await import('./waiting.ts')).waitCommand(id, options));
  withExamples(command, `wait ${ID} -o fox.mp4`, `wait ${ID} --timeout 600 --json`);
}

function get(program: Command): void {
  const command = remote(program, 'get', 'show a task as it is now')
    .argument('<id>')
    .option('--json', 'as JSON')
    .exitOverride(explaining(ONE_ID))
    .action(async (id, options) => (await import('./tasks.ts')).getCommand(id, options));
  withExamples(command, `get ${ID}`, `get ${ID} --json`);
}

function download(program: Command): void {
  const command = remote(program, 'download', 'save the video of a task that has succeeded')
    .argument('<id>')
    .option('-o, --output <file>', 'where, - for standard output; by default named after the id')
    .option('--thumbnail', 'its poster frame instead, a JPEG')
    .option('--json', 'print the name, size and SHA-256 of the file as JSON')
    .exitOverride(explaining(ONE_ID))
    .action(async (id, options) => (await import('./tasks.ts')).downloadCommand(id, options));
  withExamples(command, `download ${ID} -o fox.mp4`, `download ${ID} -o - | ffplay -`);
}

function list(program: Command): void {
  const command = remote(program, 'list', 'list tasks, the newest first')
    .addOption(
      new Option('--status <status>', 'only those').choices([
        'queued',
        'in_progress',
        'succeeded',
        'failed',
      ] as const),
    )
    .option('-m, --model <model>', 'only those of this model')
    .addOption(several('--metadata <key=value>', 'only those submitted with it; may be repeated'))
    .option('--limit <number>', 'how many', '20')
    .option('--json', 'as JSON')
    .action(async (options) => (await import('./tasks.ts')).listCommand(options));
  withExamples(command, 'list --status failed', 'list --metadata order=17 --json');
}

function cancel(program: Command): void {
  const command = remote(program, 'cancel', 'stop a task that has not ended')
    .argument('<id>')
    .option('--json', 'print the task as JSON')
    .exitOverride(explaining(ONE_ID))
    .action(async (id, options) => (await import('./tasks.ts')).cancelCommand(id, options));
  withExamples(command, `cancel ${ID}`);
}

function remove(program: Command): void {
  const command = remote(program, 'delete', 'erase a task that has ended, with its prompt, inputs and video')
    .argument('<id>')
    .exitOverride(explaining(ONE_ID))
    .action(async (id, options) => (await import('./tasks.ts')).deleteCommand(id, options));
  withExamples(command, `delete ${ID}`);
}

function models(program: Command): void {
  const command = remote(program, 'models', 'list the models that can be used, or show what one takes')
    .argument('[model]')
    .option('--all', 'also those that this gateway has no account for')
    .option('--json', 'as JSON')
    .action(async (model, options) => (await import('./models.ts')).modelsCommand(model, options));
  withExamples(command, 'models', 'models onetake-preview');
}

function webhooks(program: Command): void {
  const group = program.command('webhooks').description('try webhooks on this machine').helpCommand(false);
  const listen = remote(
    group,
    'listen',
    'send the events of the project to a server of this machine, signed as the gateway signs them',
  )
    .option('--forward <url>', 'where to, such as http://localhost:3000/hook; required')
    .option('--events <types>', 'only these, separated by commas, such as video.succeeded,video.failed')
    .option('-m, --model <model>', 'only those of tasks of this model')
    .addOption(several('--metadata <key=value>', 'only those of tasks submitted with it; may be repeated'))
    .option('--secret <secret>', 'sign with this one; by default the secret of the project')
    .action(async (options) => (await import('./listen.ts')).listenCommand(options));
  withExamples(
    listen,
    'webhooks listen --forward http://localhost:3000/hook',
    'webhooks listen --forward http://localhost:3000/hook --events video.succeeded,video.failed',
  );
  withExamples(group, 'webhooks listen --forward http://localhost:3000/hook');
}

function login(program: Command): void {
  const command = remote(
    program,
    'login',
    'save where the gateway is and the API key, for all commands of this user',
  ).action(async (options) => (await import('./login.ts')).loginCommand(options));
  withExamples(command, 'login', 'login --url https://video.example.com < key.txt');
}

function mcp(program: Command): void {
  const command = remote(
    program,
    'mcp',
    'tools for agents over standard input and output (Model Context Protocol); also served at /mcp by every gateway',
  ).action(async (options) => (await import('./mcp.ts')).mcpCommand(options));
  withExamples(command, 'mcp', 'mcp --url https://video.example.com');
}
