import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createCanvas } from '@napi-rs/canvas';
import { type Operation, type Simulators, startSimulators } from '@onetake/simulators';
import { probe } from '@onetake/video';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { serve } from '../support/servers/httpServer.ts';
import { tempFolder } from '../support/tempFolder.ts';
import { CLIENTS, type Client } from './clients.ts';
import { available, type Environments, installed, languageOf, runScript } from './environments.ts';
import { CALLS, type Call, compatibilityPage, type Row } from './page.ts';

const run = promisify(execFile);
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

let environments: Environments;
beforeAll(async () => {
  environments = await installed();
}, 600_000);

/** What worked, for the page. */
const rows: Row[] = [];

describe.each(CLIENTS)('$package ($script)', (client) => {
  it('makes a video, and does what else it can do', { timeout: 300_000 }, async ({ skip }) => {
    const environment = available(environments[languageOf(client.script)], skip);
    const folder = await tempFolder();
    const simulators = await startSimulators({
      only: client.targets.map(({ simulator }) => simulator),
      scale: 0.001,
      tls: await certificateIn(folder),
    });
    onTestFinished(() => simulators.close());
    const { version, callsAt } = await drive(client, { environment, folder, simulators });
    for (const { simulator, model, video } of client.targets) {
      expect(await probe(await readFile(videoIn(folder, simulator)))).toMatchObject(video);
      const calls = callsAt(simulator);
      expect(unseen(calls, simulator, simulators)).toEqual([]);
      const { title } = simulators.upstream(simulator);
      rows.push({
        title,
        model,
        package: client.package,
        version,
        language: languageOf(client.script),
        calls,
      });
    }
  });
});

it('docs/compatibility.md says what worked', async ({ skip }) => {
  const expected = CLIENTS.flatMap(({ targets }) => targets);
  if (rows.length < expected.length) return skip('needs the results of all clients');
  await expect(compatibilityPage(rows)).toMatchFileSnapshot(here('../../../../docs/compatibility.md'));
});

/** Makes a key and a certificate for 127.0.0.1, because some clients use only HTTPS. */
async function certificateIn(folder: string): Promise<{ key: string; cert: string }> {
  const [key, cert] = [join(folder, 'key.pem'), certificateOf(folder)];
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'],
    ...['-keyout', key, '-out', cert],
  ]);
  return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
}

const certificateOf = (folder: string) => join(folder, 'cert.pem');
const videoIn = (folder: string, simulator: string) => join(folder, `${simulator}.mp4`);

/** Runs the client's script, and returns what it reports. */
async function drive(
  client: Client,
  at: { environment: string; folder: string; simulators: Simulators },
): Promise<{ version: string; callsAt: (simulator: string) => ReadonlySet<Call> }> {
  const { script, args = [] } = client;
  const reported = await runScript(script, {
    ...at,
    args,
    variables: await variables(client, at),
    started: (stdin) => passWebhooksTo(stdin, at.simulators),
  });
  return {
    version: reported[0]?.version ?? '',
    callsAt: (name) => {
      const lines = reported.filter(({ simulator }) => simulator === name);
      return new Set(lines.flatMap(({ call }) => (call === undefined ? [] : [call as Call])));
    },
  };
}

async function variables(
  { targets }: Client,
  { folder, simulators }: Parameters<typeof drive>[1],
): Promise<NodeJS.ProcessEnv> {
  const image = join(folder, 'image.png');
  await writeFile(image, createCanvas(1280, 720).toBuffer('image/png'));
  const cert = certificateOf(folder);
  const { fal = 'https://none' } = simulators.urls;
  return {
    ...simulators.environment,
    TARGETS: JSON.stringify(
      targets.map(({ simulator, model, path = '' }) => ({
        simulator,
        model,
        url: `${simulators.urls[simulator]}${path}`,
        key: simulators.keys[simulator],
        video: videoIn(folder, simulator),
      })),
    ),
    IMAGE: image,
    // One more certificate to trust, as OpenSSL, requests and Node read it.
    SSL_CERT_FILE: cert,
    REQUESTS_CA_BUNDLE: cert,
    NODE_EXTRA_CA_CERTS: cert,
    // fal-client's own variable.
    FAL_QUEUE_RUN_HOST: new URL(fal).host,
    // Otherwise LiteLLM fetches its list of prices from the internet.
    LITELLM_LOCAL_MODEL_COST_MAP: 'True',
  };
}

/** Has the simulators of OpenAI and Azure announce finished jobs, and writes each announcement to the script as a line. */
async function passWebhooksTo(script: NodeJS.WritableStream, simulators: Simulators): Promise<void> {
  const announcing = simulators.upstreams.filter(({ name }) => name === 'openai' || name === 'azure');
  if (announcing.length === 0) return;
  const receiver = await serve(async (request, response) => {
    const body = await text(request);
    script.write(`${JSON.stringify({ body, headers: request.headers })}\n`);
    response.end();
  });
  for (const upstream of announcing) upstream.configure({ webhookUrl: receiver.origin });
}

/** The requests of a call. A webhook is none of the client's, and a refusal may be one of any kind. */
const OPERATIONS: Readonly<Record<Call, readonly Operation[] | undefined>> = {
  create: ['submit'],
  poll: ['poll'],
  list: ['list'],
  download: ['download'],
  link: ['download'],
  // Some services have one call for both: it cancels a job that is not over, and deletes one that is.
  cancel: ['cancel', 'delete'],
  delete: ['delete', 'cancel'],
  webhook: undefined,
  refusals: undefined,
};

/** The reported calls that the simulator saw nothing of, and those that must be reported but are not. */
function unseen(calls: ReadonlySet<Call>, upstream: string, { ledger }: Simulators): readonly string[] {
  const missing = ['create', 'poll', 'refusals'].filter((call) => !calls.has(call as Call));
  const uncounted = [...calls].filter((call) =>
    OPERATIONS[call]?.every((operation) => ledger.count({ upstream, operation }) === 0),
  );
  return [...missing, ...uncounted, ...[...calls].filter((call) => !CALLS.includes(call))];
}
