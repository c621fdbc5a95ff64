// docs/clients/typescript.md: one call, and `wait` in another process.
import { Onetake } from '@onetake/client';
import { downloadToFile } from '@onetake/client/node';

const { ONETAKE_URL, ONETAKE_API_KEY, PARAMS, IDEMPOTENCY_KEY, TASK_ID, FILE } = process.env;
const onetake = new Onetake({ baseUrl: ONETAKE_URL, apiKey: ONETAKE_API_KEY, maxRetries: 20 });
const task = TASK_ID
  ? await onetake.wait(TASK_ID)
  : await onetake.generate(JSON.parse(PARAMS), { idempotencyKey: IDEMPOTENCY_KEY });
await downloadToFile(onetake, task.task_id, FILE);
