import { createCanvas } from '@napi-rs/canvas';
import { type Simulators, startSimulators } from '@onetake/simulators';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Json, startTestGateway, type TestGateway } from '../../support/gateway.ts';

const SORA = { model: 'sora-2', prompt: 'a paper boat', duration: 4 };
const SQUARE = `data:image/png;base64,${createCanvas(720, 720).toBuffer('image/png').toString('base64')}`;

let simulators: Simulators;
let t: TestGateway;
beforeAll(async () => {
  simulators = await startSimulators({ only: ['openai'], scale: 0.02, limits: false });
  t = await startTestGateway(
    { SIMULATOR_KEY: simulators.keys.openai ?? '' },
    {
      file: `
models:
  sora-2: { typical: { medianSeconds: 1, p90Seconds: 2 } }
accounts:
  one:
    provider: openai
    base_url: ${simulators.urls.openai}/v1
    api_key: { env: SIMULATOR_KEY }
    models: [sora-2]
    limits: { min_poll_interval_ms: 100 }
`,
    },
  );
}, 60_000);
afterAll(async () => {
  await t.end();
  await simulators.close();
});

async function over(id: string): Promise<Json> {
  for (;;) {
    const { body: task } = await t.json(`/v1/video/generations/${id}?wait=30`);
    if (task.status === 'failed' || task.status === 'succeeded') return task;
  }
}

describe('an image of another size than the video of Sora', () => {
  it('is refused before anything is submitted', async () => {
    const { status, body } = await t.submit({ ...SORA, image: SQUARE });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({
      param: 'image',
      message: expect.stringMatching(
        /needs exactly 1280x720 pixels, and this is a transparent PNG of 720x720 .*image_fit/,
      ),
    });
    expect(simulators.ledger.jobs()).toEqual([]);
  });

  it('is fitted if the caller wants that, which the answer says, and the upstream takes it', async () => {
    const { status, body } = await t.submit({ ...SORA, image: SQUARE, image_fit: 'cover' });
    expect(status).toBe(200);
    expect(body.notes).toEqual([expect.stringMatching(/^image was fitted by cover: /)]);
    expect((await over(body.task_id)).error).toBeUndefined();
    expect(simulators.ledger.jobs()).toHaveLength(1);
  });
});

describe('image_fit', () => {
  it.each([
    [{ image_fit: 'fill' }, 'image_fit must be error, cover or contain; got "fill".'],
    [{ image_fit: 'cover' }, 'image_fit needs an image to fit, and the request has none; leave it out.'],
    [
      { imageFit: 'cover', image_fit: 'contain' },
      'imageFit and image_fit mean the same but differ; send one of them.',
    ],
  ])('%j is refused', async (more, message) => {
    const { status, body } = await t.submit({ ...SORA, ...more });
    expect(status).toBe(400);
    expect(body.error.message).toBe(message);
  });

  it('is answered with a note if no limits of the model are known', async () => {
    const { body } = await t.submit({
      model: 'onetake-preview',
      prompt: 'a boat',
      duration: 1,
      image: SQUARE,
      image_fit: 'contain',
    });
    expect(body.notes).toEqual([
      'image is sent as given: no limits are known for such an image of onetake-preview.',
    ]);
  });

  it('`error` is the default, and needs no image', async () => {
    const { body } = await t.submit({
      model: 'onetake-preview',
      prompt: 'a boat',
      duration: 1,
      image_fit: 'error',
    });
    expect(body).not.toHaveProperty('notes');
  });
});

it('the limits of a model are listed, with their source', async () => {
  const { body } = await t.json('/v1/models/seedance-2.0');
  const limits = {
    min_side: 300,
    max_side: 6000,
    min_ratio: 0.4,
    max_ratio: 2.5,
    max_bytes: 29_999_999,
    source: expect.stringMatching(/^https:/),
    checked: '2026-11-29',
  };
  expect(body.parameters.image).toEqual({ type: 'image', aliases: expect.any(Array), limits });
  expect(body.parameters.references.takes).toContainEqual(
    expect.objectContaining({ type: 'image', limits: expect.stringContaining('300 to 6000 pixels a side') }),
  );
  expect((await t.json('/v1/models/sora-2')).body.parameters.image.limits).toMatchObject({ size: 'video' });
});
