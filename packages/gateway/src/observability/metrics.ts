import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { isTerminal, type Task } from '../tasks/task.ts';

/** What operators watch, in Prometheus' text format. */
export interface Metrics {
  readonly accepted: Counter<'model'>;
  /** To be told of every transition. */
  moved(task: Task): void;
  readonly contentType: string;
  text(): Promise<string>;
}

/** `unfinished` counts the tasks that this node drives. */
export function createMetrics(unfinished: () => number): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const accepted = new Counter({
    name: 'onetake_tasks_accepted_total',
    help: 'Tasks accepted',
    labelNames: ['model'],
    registers,
  });
  const finished = new Counter({
    name: 'onetake_tasks_finished_total',
    help: 'Tasks finished, by reason: succeeded, or why they failed',
    labelNames: ['model', 'reason'],
    registers,
  });
  const duration = new Histogram({
    name: 'onetake_task_duration_seconds',
    help: 'From acceptance to success',
    labelNames: ['model'],
    buckets: [1, 2, 5, 10, 20, 40, 60, 120, 240, 480, 960],
    registers,
  });
  new Gauge({
    name: 'onetake_tasks_unfinished',
    help: 'Tasks that this node drives',
    registers,
    collect() {
      this.set(unfinished());
    },
  });

  return {
    accepted,
    moved(task) {
      if (!isTerminal(task.phase) || task.deletedAt !== undefined) return;
      const { model } = task.request;
      finished.inc({ model, reason: task.error?.reason ?? 'succeeded' });
      if (task.phase === 'succeeded' && task.completedAt !== undefined) {
        duration.observe({ model }, (task.completedAt - task.createdAt) / 1000);
      }
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}
