import { ASSUMPTIONS } from './assumptions.ts';
import type { ArkContext, Task } from './context.ts';
import { statusOf, taskObject } from './task.ts';

/** "No acknowledgement within 5 seconds": how long a receiver may take, milliseconds. */
const TIMEOUT_MS = 5_000;

/** The retried ones; a cancelled task is not announced at all. */
const TERMINAL: readonly string[] = ['succeeded', 'failed', 'expired'];

/** `callback_url`: the task object, posted on every change of status, unsigned. Ends are tried three times more. */
export function announce(context: ArkContext, task: Task): void {
  const { callbackUrl } = task.details;
  if (callbackUrl === undefined || task.state === 'cancelled') return;
  context.shared.webhooks.send({
    upstream: context.name,
    url: callbackUrl,
    body: JSON.stringify(taskObject(context, task)),
    headers: () => ({}),
    retryMs: TERMINAL.includes(statusOf(task)) ? ASSUMPTIONS.callbackRetryMs : [],
    timeoutMs: TIMEOUT_MS,
  });
}
