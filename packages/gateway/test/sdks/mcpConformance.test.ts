import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startSimulators } from '@onetake/simulators';
import { expect, it, onTestFinished } from 'vitest';
import { npmPackages } from '../../../../scripts/packages.ts';
import { KEY, QUICK, startTestGateway } from '../support/gateway.ts';
import { serve } from '../support/servers/httpServer.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { available } from './environments.ts';

const run = promisify(execFile);

/**
 * The scenarios of the protocol's own conformance tests that hold for any server, each with the checks that fail because they want a tool that
 * there is not here: one that breaks the protocol, one that greets, one that asks the user. All the other scenarios call tools,
 * resources and prompts of a model server that is made for them.
 */
const SCENARIOS: Readonly<Record<string, readonly string[]>> = {
  'server-initialize': [],
  ping: [],
  'tools-list': [],
  'server-sse-polling': [],
  'server-sse-multiple-streams': [],
  'dns-rebinding-protection': [],
  'http-header-validation': [],
  'tasks-lifecycle': ['sep-2663-tasks-get-status-failed'],
  'tasks-capability-negotiation': [],
  'tasks-wire-fields': [],
  'tasks-request-state-removal': [],
  'tasks-request-headers': ['tasks-headers-tolerate-mcp-method-on-tools-call'],
  'tasks-dispatch-and-envelope': ['tasks-result-type-complete-on-non-task-responses'],
};

/** As quick as the simulator, whose second lasts 5 ms. */
const QUICK_SORA = `
models:
  sora-2: { typical: { medianSeconds: 1, p90Seconds: 2 } }`;

const soon = (prompt: string) => ({
  name: 'generate_video',
  arguments: { model: 'sora-2', prompt, duration: 4 },
});
/** They are only ever cancelled, which the provider of the others cannot. */
const long = { name: 'generate_video', arguments: { ...QUICK, duration: 20, resolution: '1080p' } };

/** Our tools for those of the model server that the scenarios of the extension for tasks call. */
const TOOLS: Readonly<Record<string, (given: { seconds?: number }) => { name: string; arguments: object }>> =
  {
    greet: () => ({ name: 'list_models', arguments: {} }),
    slow_compute: ({ seconds = 0 }) => (seconds > 10 ? long : soon('a paper boat')),
    failing_job: () => soon('a paper boat [fail]'),
  };

/** The request that our server gets for one of the conformance tests, which send no key. */
async function translated(incoming: IncomingMessage) {
  const headers: NodeJS.Dict<string | string[]> = { ...incoming.headers, authorization: `Bearer ${KEY}` };
  let body = await buffer(incoming);
  const message = incoming.headers['content-type']?.includes('json') ? JSON.parse(body.toString()) : {};
  const tool = message.method === 'tools/call' ? TOOLS[message.params?.name] : undefined;
  if (tool) {
    const ours = tool(message.params.arguments ?? {});
    if (headers['mcp-name'] === message.params.name) headers['mcp-name'] = ours.name;
    body = Buffer.from(JSON.stringify({ ...message, params: { ...message.params, ...ours } }));
  }
  if (body.length > 0) headers['content-length'] = String(body.length);
  return { headers, body };
}

async function translator(address: string): Promise<string> {
  const forward = async (incoming: IncomingMessage, response: ServerResponse) => {
    const { method, url = '/' } = incoming;
    const { headers, body } = await translated(incoming);
    const target = request(new URL(url, address), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      pipeline(answer, response).catch(() => undefined);
    });
    target.on('error', () => response.destroy());
    response.on('close', () => target.destroy());
    target.end(body);
  };
  const { origin } = await serve((incoming, response) => {
    forward(incoming, response).catch(() => response.destroy());
  });
  return origin;
}

interface Check {
  readonly id: string;
  readonly status: string;
}

/** The checks of a run, which it writes into a folder of its own. */
async function checksIn(folder: string): Promise<readonly Check[]> {
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('checks.json'));
  const contents = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
  return contents.flatMap((text): Check[] => JSON.parse(text));
}

it('/mcp passes the conformance tests of the protocol', { timeout: 600_000 }, async ({ skip }) => {
  const here = fileURLToPath(new URL('mcp', import.meta.url));
  const packages = available(await npmPackages(here).catch((error: Error) => error), skip);
  const simulators = await startSimulators({ only: ['openai'], scale: 0.005, limits: false });
  onTestFinished(() => simulators.close());
  const t = await startTestGateway(simulators.environment, { file: QUICK_SORA });
  onTestFinished(() => t.end());
  const url = `${await translator(t.gateway.address)}/mcp`;
  const cli = join(packages, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');
  for (const [scenario, without] of Object.entries(SCENARIOS)) {
    const folder = await tempFolder();
    const args = [cli, 'server', '--url', url, '--scenario', scenario, '-o', folder, '--timeout', '120000'];
    // It ends with 1 if a check has failed, also one of those that cannot succeed here.
    const { stdout, stderr } = await run(process.execPath, args, { cwd: folder }).catch((error) => error);
    const checks = await checksIn(folder);
    expect(checks.length, `${scenario}: ${stdout}${stderr}`).toBeGreaterThan(0);
    const failed = checks.filter(({ status }) => status === 'FAILURE');
    expect(
      failed.map(({ id }) => id),
      JSON.stringify(failed, undefined, 2),
    ).toEqual(without);
  }
});
