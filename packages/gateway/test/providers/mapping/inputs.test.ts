import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { onlyImages, readDataUrl, readInput } from '../../../src/providers/mapping/inputs.ts';
import { InputGone } from '../../../src/providers/provider.ts';

describe('an input image', () => {
  const input = { mediaId: 'a', contentType: 'image/png', bytes: 3, width: 1, height: 1 } as const;
  const opening = (openInput: () => Promise<Readable>) => ({ openInput });

  it('is read whole and returned as a data URL', async () => {
    const job = opening(async () => Readable.from([Buffer.from('ab'), Buffer.from('c')]));
    expect(String(await readInput(job, input))).toBe('abc');
    expect(await readDataUrl(job, input)).toBe('data:image/png;base64,YWJj');
  });

  it('that cannot be read is the gateway’s own failure, unless it was deleted', async () => {
    const cause = new Error('the disk is away');
    const away = readInput(
      opening(() => Promise.reject(cause)),
      input,
    );
    await expect(away).rejects.toMatchObject({
      reason: 'internal_error',
      created: 'no',
      ours: 'inputs',
      detail: 'Error: the disk is away',
      cause,
    });
    const gone = readInput(
      opening(() => Promise.reject(new InputGone('gone'))),
      input,
    );
    await expect(gone).rejects.toMatchObject({ created: 'no', ours: undefined });
  });
});

describe('references for an upstream that takes images alone', () => {
  const image = { mediaId: 'a', contentType: 'image/png', bytes: 3, width: 1, height: 1 };
  const video = { ...image, contentType: 'video/mp4', duration: 2, fps: 24 };

  it('are the images, and anything else is refused before it would be paid for', () => {
    expect(onlyImages({})).toEqual([]);
    expect(onlyImages({ references: [{ type: 'image', input: image }] })).toEqual([image]);
    for (const other of [
      { type: 'image', role: 'style', input: image },
      { type: 'video', input: video },
    ] as const)
      expect(() => onlyImages({ references: [{ type: 'image', input: image }, other] })).toThrow(
        expect.objectContaining({ reason: 'invalid_request', created: 'no' }),
      );
  });
});
