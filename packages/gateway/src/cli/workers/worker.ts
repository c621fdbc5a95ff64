import cluster from 'node:cluster';
import type { ReadFiles } from '../../config/files.ts';
import type { Gateway } from '../../gateway.ts';
import type { SharedPort } from '../../net/sharedPort.ts';
import type { MetricsSnapshot, SharedMetrics } from '../../observability/metrics.ts';
import type { FromWorker, ToWorker } from './messages.ts';

/** The variable by which the supervisor tells a worker its number. It is no setting, so it does not begin as they do. */
export const WORKER_VARIABLE = 'WORKER_NUMBER';

/** The variable by which it tells the port on which others serve already, if any do. */
export const PORT_VARIABLE = 'WORKER_PORT';

/** A worker's side of the connection to its supervisor. */
export interface SupervisedWorker {
  readonly number: number;
  readonly metrics: SharedMetrics;
  readonly port: SharedPort;
  /** The settings files as its supervisor has read them. */
  settings(): Promise<ReadFiles>;
  listening(gateway: Pick<Gateway, 'address' | 'publicUrl' | 'firstKey'>): void;
}

/** The worker that this process is; undefined if it is none. Takes the variable out of `env`, which is about this process alone. */
export function supervisedWorker(env: NodeJS.ProcessEnv): SupervisedWorker | undefined {
  const { [WORKER_VARIABLE]: text, [PORT_VARIABLE]: port } = env;
  if (text === undefined || !cluster.isWorker) return undefined;
  delete env[WORKER_VARIABLE];
  delete env[PORT_VARIABLE];
  const number = Number(text);
  const send = (message: FromWorker) => {
    // Without its supervisor a worker ends by itself.
    if (process.connected) process.send?.(message);
  };
  process.on('message', ({ type }: ToWorker) => {
    if (type === 'ping') send({ type: 'alive' });
  });
  return {
    number,
    port: { joins: port ? Number(port) : undefined },
    metrics: metricsOfAll(number, send),
    settings: () =>
      new Promise((resolve) => {
        process.on('message', function take(message: ToWorker) {
          if (message.type !== 'settings') return;
          process.off('message', take);
          resolve(message.files);
        });
        send({ type: 'starting' });
      }),
    listening: ({ address, publicUrl, firstKey }) =>
      send({ type: 'listening', address, publicUrl, firstKey }),
  };
}

function metricsOfAll(number: number, send: (message: FromWorker) => void): SharedMetrics {
  const waiting = new Map<number, (snapshots: readonly MetricsSnapshot[]) => void>();
  let last = 0;
  return {
    labels: { worker: String(number) },
    share(own) {
      process.on('message', (message: ToWorker) => {
        if (message.type === 'metrics') {
          // The supervisor leaves out a worker that does not answer.
          own().then(
            (snapshot) => send({ type: 'metrics', request: message.request, snapshot }),
            () => undefined,
          );
          return;
        }
        if (message.type !== 'gathered') return;
        waiting.get(message.request)?.(message.snapshots);
        waiting.delete(message.request);
      });
    },
    ofAll: () =>
      new Promise((resolve) => {
        last += 1;
        waiting.set(last, resolve);
        send({ type: 'gather', request: last });
      }),
  };
}
