import { Interrupted } from '../interruption.ts';
import { createProgressBar } from '../progressBar.ts';
import { described, freeFile } from './client.ts';
import { withGateway } from './gateway.ts';
import { DEMO_PROMPT } from './options.ts';

/** What can be said of the video beside the prompt. */
interface Wishes {
  readonly duration?: string | undefined;
  readonly resolution?: string | undefined;
  readonly ratio?: string | undefined;
  readonly seed?: string | undefined;
  readonly audio?: true | undefined;
}

/** `onetake demo`: the main use, end to end, as a client does it. The MP4 is in the folder in which the command was started. */
export const demoCommand = (words: readonly string[], wishes: Wishes): Promise<never> =>
  endWith(() => showOne(promptOf(words), wishes));

export const promptOf = (words: readonly string[]): string => words.join(' ') || DEMO_PROMPT;

/** Ends the process, after what it was asked to show. */
export async function endWith(show: () => Promise<boolean>): Promise<never> {
  const delivered = await show().catch((error: unknown) => {
    // An error of the gateway, or of a file that cannot be written; its message says what to do.
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return error;
  });
  // What an interruption has left behind, such as a query, must not keep the process alive.
  process.exit(delivered === true ? 0 : delivered instanceof Interrupted ? delivered.exitCode : 1);
}

/** One video by the built-in renderer; false if it was not delivered. */
export function showOne(
  prompt: string,
  { duration, resolution, ratio, seed, audio }: Wishes,
): Promise<boolean> {
  const request = {
    model: 'onetake-preview',
    prompt,
    ...(duration ? { duration } : {}),
    ...(resolution ? { resolution } : {}),
    ...(ratio ? { aspect_ratio: ratio } : {}),
    ...(seed ? { seed: Number(seed) } : {}),
    ...(audio ? { generate_audio: true } : {}),
  };
  return withGateway({}, async (client) => {
    process.stdout.write(`Gateway  ${client.base}\nPrompt   ${prompt}\n`);
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

    const file = freeFile(prompt);
    await client.save(task, file);
    mark('downloaded');
    process.stdout.write(`Video    ${file}\n         ${described(task)}\nTimeline\n${timeline.join('\n')}\n`);
    return true;
  });
}
