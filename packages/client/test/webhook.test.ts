import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { verifyWebhook, WebhookError } from '../src/index.ts';

const secretOf = (text: string) => `whsec_${Buffer.from(text).toString('base64')}`;
const SECRET = secretOf('a secret of twenty-four bytes');
const OTHER = secretOf('another of twenty-four bytes.');
const BODY =
  '{"type":"video.succeeded","timestamp":"2026-11-29T12:00:00Z","data":{"task_id":"video_1","prompt":"雨"}}';
const AT = new Date('2026-11-29T12:00:00Z');
const now = AT.getTime();

/** Headers as the reference library of Standard Webhooks signs them. */
const sign = (body = BODY, secret = SECRET, at = AT) => ({
  'webhook-id': 'evt_1',
  'webhook-timestamp': String(at.getTime() / 1000),
  'webhook-signature': new Webhook(secret).sign('evt_1', at, body),
});

describe('a webhook is taken for genuine', () => {
  it.each([
    ['with headers of a Request', BODY, new Headers(sign()), SECRET],
    ["with Node's headers and the bytes of the body", Buffer.from(BODY), sign(), SECRET],
    ['with a secret without its prefix', BODY, sign(), SECRET.slice('whsec_'.length)],
    ['with one of two secrets, while they are rotated', BODY, sign(BODY, OTHER), [SECRET, OTHER]],
    [
      'with one of several signatures, also of unknown kinds',
      BODY,
      {
        ...sign(),
        'webhook-signature': `v1a,AAAA v1,!! v1 ${sign(BODY, OTHER)['webhook-signature']} ${sign()['webhook-signature']}`,
      },
      SECRET,
    ],
  ] as const)('%s', async (_, body, headers, secrets) => {
    expect(await verifyWebhook(body, headers, secrets, { now })).toEqual(JSON.parse(BODY));
  });

  it('with the vector that the reference libraries share', async () => {
    // https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/javascript/src/webhook.test.ts
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
    const body = '{"test": 2432232314}';
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    };
    const event = await verifyWebhook(body, headers, secret, { now: 1614265330_000 });
    expect(event).toEqual({ test: 2432232314 });
  });
});

it.each([
  [BODY, 'task video_1'],
  ['{"object":"event","type":"video.completed","data":{"id":"video_2"}}', 'video video_2'],
  ['{"object":"event","type":"video.failed","data":{"id":"video_3"}}', 'video video_3'],
  ['{"type":"webhook.test","data":{"endpoint_id":"whep_1"}}', 'test whep_1'],
])('the fields of its data tell what a webhook is about: %s', async (body, about) => {
  const { data } = await verifyWebhook(body, sign(body), SECRET, { now });
  // The types narrow.
  if ('endpoint_id' in data) expect(`test ${data.endpoint_id}`).toBe(about);
  else if ('task_id' in data) expect(`task ${data.task_id}`).toBe(about);
  else expect(`video ${data.id}`).toBe(about);
});

describe('a webhook is refused', () => {
  const later = (seconds: number) => now + seconds * 1000;
  const forged = createHmac('sha256', 'guessed')
    .update(`evt_1.${now / 1000}.${BODY}`)
    .digest('base64');

  it.each([
    ['if a byte of it differs', BODY.replace('succeeded', 'succeedeD'), sign(), now, 'No signature'],
    ['if it was signed with another secret', BODY, sign(BODY, OTHER), now, 'No signature'],
    [
      'if its signature is guessed',
      BODY,
      { ...sign(), 'webhook-signature': `v1,${forged}` },
      now,
      'No signature',
    ],
    ['if its id differs', BODY, { ...sign(), 'webhook-id': 'evt_2' }, now, 'No signature'],
    ['if it is too old', BODY, sign(), later(301), 'more than 300 s'],
    ['if it is of the future', BODY, sign(), later(-301), 'more than 300 s'],
    ['if its time is none', BODY, { ...sign(), 'webhook-timestamp': 'today' }, now, 'no number'],
    ['without a signature', BODY, { ...sign(), 'webhook-signature': undefined }, now, 'no webhook-signature'],
    ['if it is no JSON', 'text', sign('text'), now, 'not JSON'],
  ] as const)('%s', async (_, body, headers, at, message) => {
    const error = await verifyWebhook(body, headers, SECRET, { now: at }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(WebhookError);
    expect(error).toMatchObject({ message: expect.stringContaining(message) });
  });

  it('within the tolerance it is not, to the second', async () => {
    await verifyWebhook(BODY, sign(), SECRET, { now: later(300) });
    await verifyWebhook(BODY, sign(), SECRET, { now: later(3600), tolerance: 3600 });
  });

  it('and a secret that is none is told from a forgery', async () => {
    await expect(verifyWebhook(BODY, sign(), 'whsec_%', { now })).rejects.toBeInstanceOf(TypeError);
  });
});
