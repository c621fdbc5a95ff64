import { spawn } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it, onTestFinished } from 'vitest';
import { newSecret, publicKeyOf, signedHeaders, validSecrets } from '../../src/webhooks/sign.ts';
import { tempFolder } from '../support/tempFolder.ts';

const SECRET = { projectId: 'p', endpointId: '' };
/** The package refuses what is older than five minutes. */
const at = Math.floor(Date.now() / 1000);
const message = { id: 'evt_1', at, body: '{"type":"video.succeeded","data":{"prompt":"ü 🚤"}}' };

describe('a signature by HMAC', () => {
  it('is that of Standard Webhooks', () => {
    // The example of the specification's own libraries.
    expect(
      signedHeaders({ id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', at: 1614265330, body: '{"test": 2432232314}' }, [
        'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      ]),
    ).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it('is verified by the package of Standard Webhooks, with either secret during a rotation', () => {
    const [present, former] = [newSecret('hmac'), newSecret('hmac')];
    expect(present).not.toBe(former);
    const headers = signedHeaders(message, [present, former]);
    for (const secret of [present, former])
      expect(new Webhook(secret).verify(message.body, headers)).toEqual(JSON.parse(message.body));
    expect(() => new Webhook(newSecret('hmac')).verify(message.body, headers)).toThrow();
    expect(() => new Webhook(present).verify(`${message.body} `, headers)).toThrow();
  });
});

describe('a damaged secret', () => {
  it.each(['whsec_!!', 'whsec_', 'whsk_AAAA', 'whsec_aaaa', ''])('%j signs nothing', (damaged) => {
    expect(() => signedHeaders(message, [damaged])).toThrow('damaged');
  });

  it('that was replaced does not keep the present one from signing', () => {
    const secret = newSecret('hmac');
    const rotated = { ...SECRET, secret, formerSecret: 'whsec_!!', formerUntil: 2 };
    expect(validSecrets(rotated, 1)).toEqual([secret]);
  });
});

describe('a signature by Ed25519', () => {
  it('is verified with the public key', () => {
    const secret = newSecret('ed25519');
    expect(Buffer.from(secret.replace('whsk_', ''), 'base64')).toHaveLength(64);
    const { 'webhook-signature': signature = '' } = signedHeaders(message, [secret]);
    const isValid = (publicKey: string, body = message.body) => {
      const x = Buffer.from(publicKey.replace('whpk_', ''), 'base64').toString('base64url');
      const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
      const [version, bytes = ''] = signature.split(',');
      expect(version).toBe('v1a');
      return verify(null, Buffer.from(`evt_1.${at}.${body}`), key, Buffer.from(bytes, 'base64'));
    };
    expect(publicKeyOf(secret)).toMatch(/^whpk_/);
    expect(isValid(publicKeyOf(secret))).toBe(true);
    expect(isValid(publicKeyOf(secret), 'another')).toBe(false);
    expect(isValid(publicKeyOf(newSecret('ed25519')))).toBe(false);
  });
});

it('the code for Ed25519 in the documentation verifies a message', async () => {
  const page = await readFile(new URL('../../../../docs/webhooks.md', import.meta.url), 'utf8');
  const [code] = /(?<=```js\n)import \{ createPublicKey[^`]+`[^`]+`[^`]+/.exec(page) ?? [];
  const file = join(await tempFolder(), 'verify.mjs');
  await writeFile(file, String(code));
  const { verifyEd25519 } = await import(file);
  const [secret, former] = [newSecret('ed25519'), newSecret('ed25519')];
  const headers = signedHeaders(message, [secret, former]);
  for (const one of [secret, former])
    expect(verifyEd25519(message.body, headers, publicKeyOf(one))).toEqual(JSON.parse(message.body));
  expect(() => verifyEd25519(message.body, headers, publicKeyOf(newSecret('ed25519')))).toThrow();
  expect(() => verifyEd25519('{}', headers, publicKeyOf(secret))).toThrow();
  const old = signedHeaders({ ...message, at: at - 600 }, [secret]);
  expect(() => verifyEd25519(message.body, old, publicKeyOf(secret))).toThrow();
});

it('the receiver in the documentation takes every event', async () => {
  const page = await readFile(new URL('../../../../docs/webhooks.md', import.meta.url), 'utf8');
  const [code = ''] = /(?<=```js\n)\/\/ npm install standardwebhooks\n[\s\S]+?(?=```)/.exec(page) ?? [];
  const told = ".listen(0, '127.0.0.1', function () { console.log(this.address().port); });";
  const runnable = code.replace('.listen(8080);', told);
  expect(runnable).toContain(told);
  const secret = newSecret('hmac');
  // Resolves the package from here.
  const receiver = spawn(process.execPath, ['--input-type=module', '--eval', runnable], {
    cwd: new URL('.', import.meta.url),
    env: { PATH: process.env.PATH, WEBHOOK_SECRET: secret },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void receiver.kill());
  const lines = createInterface({ input: receiver.stdout })[Symbol.asyncIterator]();
  const nextLine = async () => (await lines.next()).value;
  const url = `http://127.0.0.1:${await nextLine()}`;
  const post = async (body: string, signed = body) => {
    const headers = signedHeaders({ id: 'evt_1', at, body: signed }, [secret]);
    return (await fetch(url, { method: 'POST', body, headers })).status;
  };
  for (const [body, printed] of [
    ['{"type":"video.succeeded","data":{"task_id":"video_1"}}', 'video.succeeded video_1'],
    ['{"object":"event","type":"video.completed","data":{"id":"video_2"}}', 'video.completed video_2'],
    ['{"type":"webhook.test","data":{"endpoint_id":"whep_1"}}', 'the endpoint works'],
  ] as const) {
    expect(await post('{}', body)).toBe(400);
    expect(await post(body)).toBe(204);
    expect(await nextLine()).toBe(printed);
  }
});

describe('a former secret', () => {
  it('signs until its time is over', () => {
    const [a, b] = [newSecret('hmac'), newSecret('ed25519')];
    const rotated = { ...SECRET, secret: b, formerSecret: a, formerUntil: 100 };
    expect(validSecrets(rotated, 99)).toEqual([b, a]);
    expect(validSecrets(rotated, 100)).toEqual([b]);
    expect(validSecrets({ ...SECRET, secret: b }, 0)).toEqual([b]);
  });
});
