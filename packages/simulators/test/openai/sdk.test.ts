import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { probe } from '@onetake/video';
import OpenAI from 'openai';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Simulators, startSimulators } from '../../src/index.ts';
import { png } from '../support/png.ts';

let simulators: Simulators;
let client: OpenAI;

beforeEach(async () => {
  simulators = await startSimulators({ only: ['openai'], scale: 0.001 });
  client = new OpenAI({
    baseURL: simulators.environment.OPENAI_BASE_URL,
    apiKey: simulators.environment.OPENAI_API_KEY,
    maxRetries: 0,
  });
});

afterEach(() => simulators.close());

async function finished(id: string): Promise<OpenAI.Video> {
  simulators.finishAll();
  return client.videos.retrieve(id);
}

describe('the openai SDK against the simulator', () => {
  it('creates, polls until completed, and downloads an MP4 of the requested size and length', async () => {
    const created = await client.videos.create({
      prompt: 'a paper boat [quick]',
      model: 'sora-2',
      seconds: '4',
      size: '1280x720',
    });
    expect(created).toMatchObject({ object: 'video', status: 'queued', progress: 0, seconds: '4' });
    expect(created.id).toMatch(/^video_[0-9a-f]{48}$/);
    let video = created;
    while (video.status === 'queued' || video.status === 'in_progress') {
      video = await client.videos.retrieve(created.id);
    }
    expect(video).toMatchObject({ status: 'completed', progress: 100, error: null });
    expect(video.expires_at).toBeGreaterThanOrEqual(video.completed_at ?? Number.POSITIVE_INFINITY);
    const response = await client.videos.downloadContent(video.id);
    expect(response.headers.get('content-type')).toBe('video/mp4');
    expect(await probe(Buffer.from(await response.arrayBuffer()))).toEqual({
      width: 1280,
      height: 720,
      seconds: 4,
      fps: 24,
      codecs: ['h264', 'aac'],
    });
    expect(simulators.ledger.count({ upstream: 'openai', operation: 'submit' })).toBe(1);
    expect(simulators.ledger.job('openai', video.id)).toMatchObject({
      prompt: 'a paper boat [quick]',
      operations: { submit: 1, download: 1 },
      bills: [{ quantity: 4, unit: 'seconds', usd: 0.4 }],
    });
  });

  it('accepts an uploaded reference of the right size and refuses another', async () => {
    const upload = (width: number, height: number) =>
      client.videos.create({
        prompt: 'a boat',
        size: '1280x720',
        input_reference: new File([new Uint8Array(png(width, height))], 'first.png', { type: 'image/png' }),
      });
    expect((await upload(1280, 720)).status).toBe('queued');
    await expect(upload(640, 480)).rejects.toMatchObject({
      status: 400,
      error: { message: 'Inpaint image must match the requested width and height' },
    });
  });

  it('returns thumbnails and spritesheets', async () => {
    const { id } = await finished((await client.videos.create({ prompt: 'a boat' })).id);
    const thumbnail = await client.videos.downloadContent(id, { variant: 'thumbnail' });
    expect(thumbnail.headers.get('content-type')).toBe('image/webp');
    expect(Buffer.from(await thumbnail.arrayBuffer()).toString('latin1', 8, 12)).toBe('WEBP');
    const sheet = await client.videos.downloadContent(id, { variant: 'spritesheet' });
    expect(Buffer.from(await sheet.arrayBuffer()).readUInt16BE(0)).toBe(0xffd8);
  });

  it('follows a redirect of the content to storage', async () => {
    simulators.upstream('openai').configure({ redirectContent: true });
    const { id } = await finished((await client.videos.create({ prompt: 'a boat' })).id);
    const response = await client.videos.downloadContent(id);
    expect(response.url).toContain(simulators.upstream('openai').storageUrl);
    expect((await probe(Buffer.from(await response.arrayBuffer()))).width).toBe(720);
  });

  it('pages through the list, in either order', async () => {
    const ids: string[] = [];
    for (const prompt of ['one', 'two', 'three']) ids.push((await client.videos.create({ prompt })).id);
    const listed: string[] = [];
    for await (const video of client.videos.list({ limit: 2 })) listed.push(video.id);
    expect(listed).toEqual(ids.toReversed());
    const ascending = await client.videos.list({ limit: 2, order: 'asc' });
    expect(ascending.data.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    expect(ascending.has_more).toBe(true);
  });

  it('deletes only jobs that are over', async () => {
    const { id } = await client.videos.create({ prompt: 'a boat [hold]' });
    await expect(client.videos.delete(id)).rejects.toMatchObject({ status: 400 });
    await finished(id);
    expect(await client.videos.delete(id)).toEqual({ id, object: 'video.deleted', deleted: true });
    await expect(client.videos.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  it('remixes, edits and extends a completed video', async () => {
    const source = await client.videos.create({ prompt: 'a boat', seconds: '8', size: '1280x720' });
    await expect(client.videos.remix(source.id, { prompt: 'at night' })).rejects.toMatchObject({
      status: 400,
    });
    await finished(source.id);
    const remixed = await client.videos.remix(source.id, { prompt: 'at night' });
    expect(remixed).toMatchObject({ remixed_from_video_id: source.id, seconds: '8', size: '1280x720' });
    const edited = await client.videos.edit({ prompt: 'in snow', video: { id: source.id } });
    expect(edited).toMatchObject({ status: 'queued', seconds: '8' });
    const extended = await client.videos.extend({ prompt: 'on', seconds: '4', video: { id: source.id } });
    expect(extended.seconds).toBe('12');
  });

  it('ends moderated and failed jobs with their codes, unbilled', async () => {
    const moderated = await client.videos.create({ prompt: 'a boat [moderation]' });
    const failed = await client.videos.create({ prompt: 'a boat [fail]' });
    expect(await finished(moderated.id)).toMatchObject({
      status: 'failed',
      error: { code: 'moderation_blocked' },
    });
    expect(await finished(failed.id)).toMatchObject({ error: { code: 'video_generation_failed' } });
    expect(simulators.ledger.bills()).toBe(0);
  });

  it('raises the error classes of the SDK', async () => {
    const create = (prompt: string, extra: object = {}) => client.videos.create({ prompt, ...extra });
    await expect(create('a boat [moderation-input]')).rejects.toMatchObject({ code: 'moderation_blocked' });
    await expect(create('a boat', { seconds: '5' })).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(create('a boat', { model: 'sora-9' })).rejects.toMatchObject({ code: 'model_not_found' });
    const accounts = simulators.upstream('openai').accounts;
    accounts.set('default', 'quota_exhausted');
    await expect(create('a boat')).rejects.toMatchObject({ status: 429, code: 'insufficient_quota' });
    accounts.set('default', 'forbidden');
    await expect(create('a boat')).rejects.toBeInstanceOf(OpenAI.PermissionDeniedError);
    accounts.set('default', 'revoked');
    await expect(create('a boat')).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    accounts.set('default');
    simulators.upstream('openai').configure({ retired: true });
    await expect(create('a boat')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });

  it('limits requests a minute by tier and says when to retry', async () => {
    await simulators.close();
    simulators = await startSimulators({ only: ['openai'], settings: { openai: { tier: 1 } } });
    client = client.withOptions({ baseURL: simulators.environment.OPENAI_BASE_URL });
    for (let i = 0; i < 25; i++) await client.videos.create({ prompt: `boat ${i}` });
    const refused = await client.videos.create({ prompt: 'one more' }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(OpenAI.RateLimitError);
    expect(refused).toMatchObject({ code: 'rate_limit_exceeded' });
    expect(Number((refused as InstanceType<typeof OpenAI.RateLimitError>).headers.get('retry-after'))).toBe(
      3,
    );
  });

  it('loses the content at expires_at', async () => {
    const { id } = await finished((await client.videos.create({ prompt: 'a boat' })).id);
    simulators.advance(3_600_000);
    await expect(client.videos.downloadContent(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    expect((await client.videos.retrieve(id)).status).toBe('completed');
  });

  it('sends signed webhooks that the SDK unwraps, and repeats them until they are accepted', async () => {
    const received: { body: string; headers: Record<string, string> }[] = [];
    const receiver = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += chunk;
      received.push({ body, headers: request.headers as Record<string, string> });
      response.writeHead(received.length === 1 ? 500 : 200).end();
      receiver.emit('received');
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    simulators.upstream('openai').configure({
      webhookUrl: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`,
    });
    const { id } = await client.videos.create({ prompt: 'a boat [instant]' });
    while (received.length < 2) await once(receiver, 'received');
    receiver.close();
    receiver.closeAllConnections();
    const [first, second] = received;
    const secret = simulators.environment.OPENAI_WEBHOOK_SECRET;
    const event = await client.webhooks.unwrap(second?.body ?? '', second?.headers, secret);
    expect(event).toMatchObject({ type: 'video.completed', data: { id } });
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
  });
});
