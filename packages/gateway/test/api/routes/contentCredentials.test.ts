import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type Json, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { makeVideo } from '../../support/makeVideo.ts';
import { accountAt, serveVideo } from '../../support/servers/oneVideoServer.ts';
import { tempFolder } from '../../support/tempFolder.ts';

/** Signed by c2pa-python 0.38.1, with the scripts in test/sdks/c2pa. */
const SIGNED = new URL('../../support/signed.mp4', import.meta.url);

/** The task of a video with these bytes, and the gateway that has it. */
async function delivered(video: Buffer): Promise<{ t: TestGateway; task: Json }> {
  const { origin } = await serveVideo(video);
  const t = await startTestGateway(
    { ONE_KEY: 'sk-one', ONETAKE_ALLOW_PRIVATE_HOSTS: '127.0.0.1' },
    { file: accountAt(origin) },
  );
  onTestFinished(() => t.end());
  const task = await t.finished({ model: 'sora-2', duration: 4, resolution: '720p', seed: undefined });
  return { t, task };
}

async function bytesAt(t: TestGateway, path: string): Promise<Buffer> {
  return Buffer.from(await (await t.call(path)).arrayBuffer());
}

/** A video in another container, with the `uuid` box of content credentials at its end. */
async function signedMov(): Promise<Buffer> {
  const path = join(await tempFolder(), 'video.mov');
  await makeVideo(path, { container: 'mov' });
  const signed = await readFile(SIGNED);
  const at = signed.readUInt32BE(0);
  return Buffer.concat([await readFile(path), signed.subarray(at, at + signed.readUInt32BE(at))]);
}

it('a signed video is stored and served byte by byte, and the answer says that it has content credentials', async () => {
  const signed = await readFile(SIGNED);
  const { t, task } = await delivered(signed);
  expect(task).toMatchObject({ content_credentials: 'present', bytes: signed.length });
  expect(task.notes ?? []).not.toContainEqual(expect.stringContaining('C2PA'));
  expect((await bytesAt(t, `/v1/video/generations/${task.task_id}/content`)).equals(signed)).toBe(true);
  expect((await bytesAt(t, task.url)).equals(signed)).toBe(true);
  const { body } = await t.json(`/v1/video/generations/download?id=${task.task_id}`);
  expect(Buffer.from(body.base64, 'base64').equals(signed)).toBe(true);
}, 60_000);

it('a video without them is said to have none', async () => {
  const path = join(await tempFolder(), 'video.mp4');
  await makeVideo(path);
  const { task } = await delivered(await readFile(path));
  expect(task).toMatchObject({ content_credentials: 'absent' });
}, 60_000);

it('the answer says so if an MP4 had to be made of a signed file of another container', async () => {
  const { task } = await delivered(await signedMov());
  expect(task).toMatchObject({ content_credentials: 'absent' });
  expect(task.notes).toContainEqual(
    expect.stringMatching(/content credentials \(C2PA\) in another container/),
  );
}, 60_000);
