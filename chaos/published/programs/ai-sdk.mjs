// docs/clients/ai-sdk.md: one call with an idempotency key, and the status of an operation in another process.
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createOnetake } from '@onetake/ai-sdk-provider';
import {
  experimental_generateVideo as generateVideo,
  experimental_getVideoStatus as getVideoStatus,
} from 'ai';

const { ONETAKE_URL, ONETAKE_API_KEY, PARAMS, IDEMPOTENCY_KEY, TASK_ID, FILE } = process.env;
const { model: id, prompt, duration } = JSON.parse(PARAMS);
const onetake = createOnetake({ baseURL: ONETAKE_URL, apiKey: ONETAKE_API_KEY, maxRetries: 20 });
const model = onetake.video(id);

async function collect() {
  let result = { status: 'pending' };
  while (result.status === 'pending') {
    result = await getVideoStatus(model, { operation: { task_id: TASK_ID } });
    if (result.status === 'pending') await sleep(1000);
  }
  return result.videos[0].data;
}

async function make() {
  const headers = { 'Idempotency-Key': IDEMPOTENCY_KEY };
  return (await generateVideo({ model, prompt, duration, headers })).video.uint8Array;
}

await writeFile(FILE, TASK_ID ? await collect() : await make());
