import { execFile } from 'node:child_process';
import { request } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { npmPackages } from '../../../../scripts/packages.ts';
import { KEY, startTestGateway } from '../support/gateway.ts';
import { serve } from '../support/servers/httpServer.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { available } from './environments.ts';

const run = promisify(execFile);

/**
 * The scenarios of the protocol's own conformance tests that hold for any server. The others call tools, resources and prompts of a model server
 * that is made for them.
 */
const SCENARIOS = [
  'server-initialize',
  'ping',
  'tools-list',
  'server-sse-polling',
  'server-sse-multiple-streams',
  'dns-rebinding-protection',
];

/** The conformance tests send no key, so it is added on the way. */
async function withKey(address: string): Promise<string> {
  const { origin } = await serve((incoming, response) => {
    const { method, url = '/', headers } = incoming;
    const target = request(
      new URL(url, address),
      { method, headers: { ...headers, authorization: `Bearer ${KEY}` } },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        pipeline(answer, response).catch(() => undefined);
      },
    );
    pipeline(incoming, target).catch(() => response.destroy());
  });
  return origin;
}

it('/mcp passes the conformance tests of the protocol', { timeout: 300_000 }, async ({ skip }) => {
  const here = fileURLToPath(new URL('mcp', import.meta.url));
  const packages = available(await npmPackages(here).catch((error: Error) => error), skip);
  const t = await startTestGateway();
  onTestFinished(() => t.end());
  const url = `${await withKey(t.gateway.address)}/mcp`;
  const cli = join(packages, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');
  const cwd = await tempFolder();
  for (const scenario of SCENARIOS) {
    const args = [cli, 'server', '--url', url, '--scenario', scenario];
    const { stdout } = await run(process.execPath, args, { cwd }).catch((error) => error);
    expect(stdout, scenario).toMatch(/Passed: (\d+)\/\1, 0 failed/);
  }
});
