import { once } from 'node:events';
import { request } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { startS3 } from '../../scripts/servers/s3.ts';

it('the bucket keeps an object as it is when the upload of its replacement is cut, as S3 does', async () => {
  const s3 = await startS3();
  onTestFinished(() => s3.close());
  const url = `${s3.endpoint}/${s3.bucket}/video/one.mp4`;
  expect((await fetch(url, { method: 'PUT', body: 'a whole video' })).status).toBe(200);

  const upload = request(url, { method: 'PUT', headers: { 'content-length': 1000 } });
  upload.on('error', () => undefined);
  upload.flushHeaders();
  const [socket] = await once(upload, 'socket');
  await new Promise<void>((resolve) => upload.write('part', () => resolve()));
  expect(await (await fetch(url)).text()).toBe('a whole video');
  const closed = new Promise((resolve) => upload.on('close', resolve));
  socket.destroy();
  await closed;
  expect(await (await fetch(url)).text()).toBe('a whole video');

  expect((await fetch(url, { method: 'PUT', body: 'another video' })).status).toBe(200);
  expect(await (await fetch(url)).text()).toBe('another video');
});
