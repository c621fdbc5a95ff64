import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accountsIn } from '../../scripts/families.ts';
import { createTcpSwitch, type TcpSwitch } from '../../scripts/servers/tcpSwitch.ts';
import { FAMILIES, UPSTREAMS, WIDE_LIMITS } from '../shared/families.ts';
import { type Child, startChild } from '../shared/rpc.ts';
import type { GuardCalls } from './children/guard.ts';
import type { ServerCalls, Servers } from './children/servers.ts';
import type { UpstreamCalls } from './children/upstreams.ts';
import { type LoadBalancer, startLoadBalancer } from './loadBalancer.ts';
import { createNodes, type Nodes, type Slot } from './nodes.ts';

/** The whole system: nodes, the services under them, and the load balancer in front. */
export interface System {
  readonly nodes: Nodes;
  readonly balancer: LoadBalancer;
  readonly servers: Servers;
  readonly storage: TcpSwitch;
  readonly upstreams: Child<UpstreamCalls>;
  readonly machine: Child<ServerCalls>;
  readonly key: string;
  /** Ends everything; `keepLogs` leaves the nodes' logs where they are. */
  close(keepLogs: boolean): Promise<void>;
}

const KEY = 'sk-chaos-0123456789abcdef0123';
/** The prefix of the gateways' objects in the bucket. */
export const PREFIX = 'chaos';
/** Two minutes of a simulator in six seconds. */
const SCALE = 0.05;
/** Results are kept in real time: a busy machine would need longer than at that speed to fetch them. */
const KEPT_SCALE = 1;
/** The catalogue's times at that speed, so that the gateway polls as often as in production. */
const MODELS = `models:\n${FAMILIES.map(({ model }) => `  ${model}: { typical: { medianSeconds: 6, p90Seconds: 15 } }`).join('\n')}\n`;

export async function createSystem(count: number, seed: string): Promise<System> {
  const opened = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'onetake-chaos-'));
  // The temporary files of a killed node are removed with everything else.
  const temporary = join(dir, 'tmp');
  await mkdir(temporary);
  try {
    const guard = startChild<GuardCalls>(new URL('./children/guard.ts', import.meta.url));
    opened.defer(() => guard.close());
    const machine = startChild<ServerCalls>(new URL('./children/servers.ts', import.meta.url));
    opened.defer(() => machine.close());
    const upstreams = startChild<UpstreamCalls>(new URL('./children/upstreams.ts', import.meta.url));
    opened.defer(() => upstreams.close());
    const servers = await machine.call('start');
    const { databasePort } = servers;
    const simulated = { seed, scale: SCALE, keptScale: KEPT_SCALE, limits: false, only: UPSTREAMS };
    const environment = await upstreams.call('start', simulated);
    const config = join(dir, 'onetake.yaml');
    const accounts = accountsIn(environment, WIDE_LIMITS);
    // JSON is YAML.
    await writeFile(config, `accounts: ${JSON.stringify(accounts)}\n${MODELS}`);
    const storage = await createTcpSwitch(servers.storage.port);
    opened.defer(() => storage.close());
    const balancer = await startLoadBalancer();
    opened.defer(() => balancer.close());

    const environmentOf = (slot: Slot): Record<string, string> => {
      const database = new URL(servers.databaseUrl);
      database.port = String(slot.database.port);
      return {
        ...environment,
        TMPDIR: temporary,
        NODE_COMPILE_CACHE: join(dir, 'compiled'),
        ONETAKE_CONFIG: config,
        ONETAKE_PORT: '0',
        ONETAKE_PUBLIC_URL: balancer.address,
        ONETAKE_DISK_RESERVE_MB: '1',
        ONETAKE_BOOTSTRAP_KEY: KEY,
        ONETAKE_DATABASE_URL: database.href,
        ONETAKE_S3_BUCKET: servers.storage.bucket,
        ONETAKE_S3_ENDPOINT: `http://127.0.0.1:${storage.port}`,
        ONETAKE_S3_REGION: servers.storage.region,
        ONETAKE_S3_PREFIX: PREFIX,
        ONETAKE_S3_PATH_STYLE: 'true',
        ONETAKE_S3_ACCESS_KEY_ID: servers.storage.accessKeyId,
        ONETAKE_S3_SECRET_ACCESS_KEY: servers.storage.secretAccessKey,
        // Twice as long as the load balancer needs to notice that a node is stopping.
        ONETAKE_DRAIN_DELAY_SECONDS: '2',
        // A hanging call is held for this long; an outage must not use up the attempts of a task.
        ONETAKE_CALL_TIMEOUT_SECONDS: '5',
        ONETAKE_MAX_ATTEMPTS: '100',
      };
    };
    const nodes = await createNodes({ count, dir, databasePort, environmentOf, balancer, guard });
    opened.defer(() => nodes.close());

    return {
      nodes,
      balancer,
      servers,
      storage,
      upstreams,
      machine,
      key: KEY,
      async close(keepLogs) {
        await opened.disposeAsync();
        if (!keepLogs) await rm(dir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await opened.disposeAsync();
    throw error;
  }
}
