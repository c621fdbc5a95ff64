import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { pythonWith } from '../../../../scripts/packages.ts';
import { startTestGateway } from '../support/gateway.ts';
import { makeVideo } from '../support/makeVideo.ts';
import { accountAt, serveVideo } from '../support/servers/oneVideoServer.ts';
import { tempFolder } from '../support/tempFolder.ts';

const run = promisify(execFile);
const here = (path: string) => fileURLToPath(new URL(`c2pa/${path}`, import.meta.url));

/** Makes a root certificate and one that it signed, because C2PA accepts no self-signed one. Resolves with the files of both and of the key. */
async function certificates(folder: string): Promise<{ chain: string; key: string }> {
  const at = (name: string) => join(folder, name);
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  await run('openssl', [
    ...['req', '-x509', ...ec, '-subj', '/O=Test/CN=Root', '-keyout', at('root.key'), '-out', at('root.pem')],
    ...['-addext', 'keyUsage=critical,keyCertSign'],
  ]);
  await run('openssl', [
    ...['req', '-x509', ...ec, '-subj', '/O=Test/CN=Signer', '-keyout', at('signer.key')],
    ...['-CA', at('root.pem'), '-CAkey', at('root.key'), '-out', at('signer.pem')],
    ...['-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'keyUsage=critical,digitalSignature'],
    ...['-addext', 'extendedKeyUsage=emailProtection'],
  ]);
  await writeFile(
    at('chain.pem'),
    Buffer.concat([await readFile(at('signer.pem')), await readFile(at('root.pem'))]),
  );
  return { chain: at('chain.pem'), key: at('signer.key') };
}

it('content credentials are as valid behind the gateway as before it', { timeout: 600_000 }, async ({
  skip,
}) => {
  const python = await pythonWith(here('requirements.txt')).catch((error: Error) => error);
  if (python instanceof Error) {
    if (process.env.CI === 'true') throw python;
    return skip(`needs python3 with venv, and its package index: ${python.message}`);
  }
  const folder = await tempFolder();
  const at = (name: string) => join(folder, name);
  const { chain, key } = await certificates(folder);
  await makeVideo(at('plain.mp4'), { audioSeconds: 1 });
  await run(python, [here('sign.py'), at('plain.mp4'), at('signed.mp4'), chain, key]);

  const { origin } = await serveVideo(await readFile(at('signed.mp4')));
  const t = await startTestGateway(
    { ONE_KEY: 'sk-one', ONETAKE_ALLOW_PRIVATE_HOSTS: '127.0.0.1' },
    { file: accountAt(origin) },
  );
  onTestFinished(() => t.end());
  const task = await t.finished({ model: 'sora-2', duration: 4, resolution: '720p', seed: undefined });
  expect(task).toMatchObject({ content_credentials: 'present' });
  await writeFile(at('served.mp4'), Buffer.from(await (await t.call(task.url)).arrayBuffer()));
  const { stdout } = await run(python, [here('verify.py'), at('served.mp4')]);
  // The signer is a stranger: not "Trusted", which says who it is.
  expect(stdout.trim()).toBe('Valid');
});
