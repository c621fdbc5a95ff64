import { stat } from 'node:fs/promises';
import { type DemoClient, described, freeFile, withGateway } from '@onetake/gateway';
import { startSimulators } from '@onetake/simulators';
import { entryOf, FAMILIES, type Family, SIMULATORS, settingsAtSpeed } from '../families.ts';

/** A simulator's minute in a second: its two or three minutes per video are realistic, but too long for a demo. */
const SPEED = 60;
/** The shortest time between two polls of a simulator; the providers themselves require seconds. Milliseconds. */
const ASK_EVERY_MS = 250;

interface Outcome {
  readonly family: string;
  readonly model: string;
  readonly delivered: boolean;
  readonly how: string;
  readonly words: string;
  readonly seconds: number;
}

/** One video of each family through the public API; false unless every one was delivered as documented. */
export async function showAll(prompt: string): Promise<boolean> {
  const simulators = await startSimulators({ scale: 1 / SPEED, only: SIMULATORS });
  try {
    const { environment } = simulators;
    return await withGateway(
      environment,
      (client) => showFamilies(client, prompt),
      settingsAtSpeed(SPEED, environment, { min_poll_interval_ms: ASK_EVERY_MS }),
    );
  } finally {
    await simulators.close();
  }
}

async function showFamilies(client: DemoClient, prompt: string): Promise<boolean> {
  process.stdout.write(
    `Gateway  ${client.base}\nPrompt   ${prompt}\n` +
      `Simulators on this machine play the providers, ${SPEED} times as fast as the real ones.\n`,
  );
  const outcomes = await Promise.all(FAMILIES.map((family) => deliver(client, prompt, family)));
  process.stdout.write(table(outcomes));
  const delivered = outcomes.filter((outcome) => outcome.delivered).length;
  process.stdout.write(`${delivered} of ${FAMILIES.length} families delivered\n`);
  return delivered === FAMILIES.length;
}

async function deliver(client: DemoClient, prompt: string, family: Family): Promise<Outcome> {
  const { title, model } = family;
  const delivers = entryOf(family).delivery === 'url' ? 'url' : 'download endpoint';
  const startedAt = performance.now();
  const outcome = (delivered: boolean, how: string, words: string): Outcome => ({
    family: title,
    model,
    delivered,
    how,
    words,
    seconds: (performance.now() - startedAt) / 1000,
  });
  try {
    const { task_id: id } = await client.submit({ model, prompt });
    const task = await client.finished(id);
    if (task.status === 'failed') return outcome(false, '–', task.error?.message ?? 'failed');
    const file = freeFile(`${prompt} ${model}`);
    const how = await client.save(task, file);
    if (how !== delivers) return outcome(false, how, `should have come by ${delivers}`);
    const { size } = await stat(file);
    if (size !== task.bytes) return outcome(false, how, `${size} of ${task.bytes} bytes arrived`);
    return outcome(true, how, described(task));
  } catch (error) {
    return outcome(false, '–', error instanceof Error ? error.message : String(error));
  }
}

function table(outcomes: readonly Outcome[]): string {
  const rows = [
    ['', 'family', 'model', 'by', 'took', 'video'],
    ...outcomes.map(({ delivered, family, model, how, seconds, words }) => [
      delivered ? '✓' : '✗',
      family,
      model,
      how,
      `${seconds.toFixed(1)} s`,
      words,
    ]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return `${rows.map(line).join('\n')}\n`;
}
