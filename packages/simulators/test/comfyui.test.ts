import { probe } from '@onetake/video';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startSimulators } from '../src/index.ts';

const ID = '01234567-89ab-cdef-0123-456789abcdef';

async function started() {
  const simulators = await startSimulators({ only: ['comfyui'], scale: 0.001 });
  onTestFinished(() => simulators.close());
  const { COMFYUI_BASE_URL: origin = '', COMFYUI_API_KEY: key = '' } = simulators.environment;
  const headers = { authorization: `Bearer ${key}` };
  const raw = (path: string, init: RequestInit = {}) => fetch(`${origin}${path}`, { headers, ...init });
  async function call(path: string, body?: unknown) {
    const response = await raw(path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    // biome-ignore lint/suspicious/noExplicitAny: tests read any member of answers, and then assert it
    const answer: any = await response.json();
    return { status: response.status, body: answer };
  }
  return { simulators, call, raw };
}

/** The template for Wan 2.2 5B in API format. */
const workflow = (changes: Record<string, Record<string, unknown>> = {}) => {
  const inputs: Record<string, Record<string, unknown>> = {
    UNETLoader: { unet_name: 'wan2.2_ti2v_5B_fp16.safetensors', weight_dtype: 'default' },
    CLIPLoader: { clip_name: 'umt5_xxl_fp8_e4m3fn_scaled.safetensors', type: 'wan' },
    VAELoader: { vae_name: 'wan2.2_vae.safetensors' },
    CLIPTextEncode: { clip: ['CLIPLoader', 0], text: 'a paper boat' },
    Wan22ImageToVideoLatent: { vae: ['VAELoader', 0], width: 640, height: 352, length: 49, batch_size: 1 },
    KSampler: {
      ...{ model: ['UNETLoader', 0], positive: ['CLIPTextEncode', 0], negative: ['CLIPTextEncode', 0] },
      ...{ latent_image: ['Wan22ImageToVideoLatent', 0], seed: 7, steps: 20, cfg: 5, denoise: 1 },
      ...{ sampler_name: 'uni_pc', scheduler: 'simple' },
    },
    VAEDecode: { samples: ['KSampler', 0], vae: ['VAELoader', 0] },
    CreateVideo: { images: ['VAEDecode', 0], fps: 24 },
    SaveVideo: { video: ['CreateVideo', 0], filename_prefix: 'a/boat', format: 'auto' },
  };
  return Object.fromEntries(
    Object.entries({ ...inputs, ...changes }).map(([name, given]) => [
      name,
      { class_type: name, inputs: given },
    ]),
  );
};

const saying = (text: string) => workflow({ CLIPTextEncode: { clip: ['CLIPLoader', 0], text } });

describe("ComfyUI's routes as in its source, against the simulator", () => {
  it('executes a workflow under the id of the client, and shows its file', async () => {
    const { simulators, call, raw } = await started();
    const made = await call('/prompt', { prompt: workflow(), prompt_id: ID });
    expect(made).toEqual({ status: 200, body: { prompt_id: ID, number: 0, node_errors: {} } });
    expect((await call(`/history/${ID}`)).body).toEqual({});
    simulators.finishAll();
    const { body: job } = await call(`/api/jobs/${ID}`);
    const file = { filename: 'boat_00001_.mp4', subfolder: 'a', type: 'output' };
    expect(job).toMatchObject({
      status: 'completed',
      preview_output: file,
      outputs: { SaveVideo: { images: [file] } },
    });
    expect((await call(`/history/${ID}`)).body[ID]).toMatchObject({ status: { status_str: 'success' } });
    const view = await raw(`/view?${new URLSearchParams(file)}`, {});
    expect(await probe(Buffer.from(await view.arrayBuffer()))).toMatchObject({
      width: 640,
      height: 352,
      seconds: 2,
    });
    expect((await raw('/view?filename=../boat_00001_.mp4')).status).toBe(400);
    expect((await raw('/view?filename=boat_00001_.mp4')).status).toBe(404);
    expect(simulators.ledger.bills()).toBe(0);
  });

  it('executes one workflow at a time; a running one is interrupted, and a waiting one leaves the queue', async () => {
    const { call } = await started();
    const first = (await call('/prompt', { prompt: saying('one [hold]') })).body.prompt_id;
    await expect.poll(async () => (await call(`/api/jobs/${first}`)).body.status).toBe('in_progress');
    const second = (await call('/prompt', { prompt: saying('two [hold]') })).body.prompt_id;
    const queue = (await call('/queue')).body;
    expect([queue.queue_running, queue.queue_pending].map(([item]) => item[1])).toEqual([first, second]);
    expect((await call(`/api/jobs/${second}/cancel`, {})).body).toEqual({ cancelled: true });
    expect(await call(`/api/jobs/${second}`)).toEqual({ status: 404, body: { error: 'Job not found' } });
    expect((await call(`/api/jobs/${first}/cancel`, {})).body).toEqual({ cancelled: true });
    expect((await call(`/api/jobs/${first}`)).body).toMatchObject({ status: 'cancelled' });
    expect((await call(`/api/jobs/${first}/cancel`, {})).body).toEqual({ cancelled: false });
  });

  it('tells what failed in a node', async () => {
    const { simulators, call } = await started();
    const { prompt_id: id } = (await call('/prompt', { prompt: saying('a boat [fail]') })).body;
    simulators.finishAll();
    expect((await call(`/api/jobs/${id}`)).body).toMatchObject({
      status: 'failed',
      execution_error: { node_type: 'KSampler', exception_message: expect.any(String) },
    });
  });

  it.each([
    ['no workflow', {}, 'no_prompt'],
    ['an id that is no UUID', { prompt: workflow(), prompt_id: ID.toUpperCase() }, 'invalid_prompt_id'],
    ['a node that it does not have', { prompt: workflow({ Hunyuan: {} }) }, 'missing_node_type'],
    ['a workflow without outputs', { prompt: {} }, 'prompt_no_outputs'],
    ['a missing input', { prompt: workflow({ VAELoader: {} }) }, 'prompt_outputs_failed_validation'],
    [
      'a model that it does not have',
      { prompt: workflow({ UNETLoader: { unet_name: 'x', weight_dtype: 'default' } }) },
      'prompt_outputs_failed_validation',
    ],
  ])('refuses %s', async (_what, body, type) => {
    const { simulators, call } = await started();
    expect(await call('/prompt', body)).toMatchObject({ status: 400, body: { error: { type } } });
    expect(simulators.ledger.jobs()).toEqual([]);
  });

  it('begins with an image that was uploaded', async () => {
    const { call, raw } = await started();
    const withImage = {
      ...workflow({
        Wan22ImageToVideoLatent: {
          ...{ vae: ['VAELoader', 0], width: 640, height: 352, length: 49, batch_size: 1 },
          start_image: ['LoadImage', 0],
        },
      }),
      LoadImage: { class_type: 'LoadImage', inputs: { image: 'boat.png' } },
    };
    expect((await call('/prompt', { prompt: withImage })).status).toBe(400);
    const form = new FormData();
    form.set('image', new File(['pixels'], 'boat.png', { type: 'image/png' }));
    const uploaded = await raw('/upload/image', { method: 'POST', body: form });
    expect(await uploaded.json()).toEqual({ name: 'boat.png', subfolder: '', type: 'input' });
    expect((await call('/prompt', { prompt: withImage })).status).toBe(200);
  });
});
