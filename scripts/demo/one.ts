import { createProgressBar } from '../progressBar.ts';
import { described, freeFile } from './client.ts';
import { withGateway } from './gateway.ts';

/** One video by the built-in renderer; false if it was not delivered. */
export function showOne(request: Readonly<{ prompt: string; [field: string]: unknown }>): Promise<boolean> {
  return withGateway({}, async (client) => {
    process.stdout.write(`Gateway  ${client.base}\nPrompt   ${request.prompt}\n`);
    const startedAt = performance.now();
    const timeline: string[] = [];
    const mark = (event: string) =>
      timeline.push(`  ${((performance.now() - startedAt) / 1000).toFixed(2).padStart(6)} s  ${event}`);

    const { task_id: id } = await client.submit(request);
    mark(`accepted as ${id}`);
    const bar = createProgressBar(process.stdout);
    let status = 'queued';
    const task = await client.finished(id, (answer) => {
      if (answer.status !== status) mark(answer.status);
      status = answer.status;
      bar.show(answer.progress ?? 0, answer.status);
    });
    bar.end();
    if (task.status === 'failed') {
      process.stderr.write(`The task failed: ${task.error?.message}\n`);
      return false;
    }

    const file = freeFile(request.prompt);
    await client.save(task, file);
    mark('downloaded');
    process.stdout.write(`Video    ${file}\n         ${described(task)}\nTimeline\n${timeline.join('\n')}\n`);
    return true;
  });
}
