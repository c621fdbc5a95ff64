import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SETTINGS as ACCOUNTS, FAMILIES, UPSTREAMS } from '../shared/families.ts';
import type { GuardCalls } from './children/guard.ts';
import type { ServerCalls, Servers } from './children/servers.ts';
import type { UpstreamCalls } from './children/upstreams.ts';
import { type GatewayProcess, startGatewayProcess } from './gatewayProcess.ts';
import { type LoadBalancer, startLoadBalancer } from './loadBalancer.ts';
import { type Child, startChild } from './rpc.ts';
import { mountSmallDisk, type SmallDisk } from './smallDisk.ts';
import { createTcpSwitch, type TcpSwitch } from './tcpSwitch.ts';

/** A place for a node: whatever process is in it reaches the database by this place's cable. */
export interface Slot {
  readonly name: string;
  readonly database: TcpSwitch;
  /** The node in it; undefined for the moment between two. */
  node: GatewayProcess | undefined;
  /** Where the node listens, once it does. */
  address: string | undefined;
  /** A fault works on this place: no other may take it. */
  busy: boolean;
  /** Where its nodes keep their data and write their logs; undefined where small disks cannot be mounted. */
  readonly disks: Readonly<Record<'data' | 'log', SmallDisk>> | undefined;
}

/** Everything that runs: nodes, what they stand on, and the load balancer in front. */
export interface System {
  readonly slots: readonly Slot[];
  readonly balancer: LoadBalancer;
  readonly servers: Servers;
  readonly storage: TcpSwitch;
  readonly upstreams: Child<UpstreamCalls>;
  readonly machine: Child<ServerCalls>;
  readonly key: string;
  /** Why there are no small disks to fill; undefined where there are. */
  readonly noDisks: string | undefined;
  /** Where the logs of nodes that have ended are, and those of others in the end. */
  readonly logs: string;
  /** Nodes that ended while they served although nobody ended them. */
  readonly crashes: readonly string[];
  /** Starts that failed because what a node needs was away; each was tried again. */
  readonly failedStarts: number;
  /** Puts a new node into an empty place; resolves when it listens. `fresh`: with an empty data folder, as a new machine. */
  fill(slot: Slot, fresh: boolean): Promise<void>;
  /** The node in this place is about to be ended on purpose. */
  expectEnd(slot: Slot): void;
  /** Ends everything; `keepLogs` leaves the nodes' logs where they are. */
  close(keepLogs: boolean): Promise<void>;
}

const KEY = 'sk-chaos-0123456789abcdef0123';
/** Below which the gateways keep their objects in the bucket. */
export const PREFIX = 'chaos';
/** A stand-in's two minutes in six seconds. */
const SCALE = 0.05;
/** The catalogue's times at that pace, so that the gateway asks as often as it would in earnest. */
const MODELS = `models:\n${FAMILIES.map(({ model }) => `  ${model}: { typical: { medianSeconds: 6, p90Seconds: 12 } }`).join('\n')}\n`;
/** Enough for what a node has staged while the storage is away, and for the log of its life. */
const DATA_DISK_MB = 128;
const LOG_DISK_MB = 48;
/** Between two starts of a node that ends by itself, as a service manager waits. Milliseconds. */
const RESTART_MS = 500;

export async function createSystem(nodes: number, seed: string): Promise<System> {
  const opened = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), 'onetake-chaos-'));
  const logs = join(dir, 'logs');
  // What a killed node leaves in its temporary folder goes with all the rest.
  const temporary = join(dir, 'tmp');
  for (const folder of [logs, temporary]) await mkdir(folder);
  try {
    const guard = startChild<GuardCalls>(new URL('./children/guard.ts', import.meta.url));
    opened.defer(() => guard.close());
    const machine = startChild<ServerCalls>(new URL('./children/servers.ts', import.meta.url));
    opened.defer(() => machine.close());
    const upstreams = startChild<UpstreamCalls>(new URL('./children/upstreams.ts', import.meta.url));
    opened.defer(() => upstreams.close());
    const servers = await machine.call('start');
    const environment = await upstreams.call('start', {
      seed,
      scale: SCALE,
      limits: false,
      only: UPSTREAMS,
    });
    const config = join(dir, 'onetake.yaml');
    await writeFile(config, `${ACCOUNTS(environment)}\n${MODELS}`);
    const storage = await createTcpSwitch(servers.storage.port);
    opened.defer(() => storage.close());
    const balancer = await startLoadBalancer();
    opened.defer(() => balancer.close());

    const slots: Slot[] = [];
    const mounted = await mountDisks(dir, nodes, guard, opened);
    for (let index = 0; index < nodes; index++) {
      const database = await createTcpSwitch(servers.databasePort);
      opened.defer(() => database.close());
      const name = nameOf(index);
      const disks = mounted.disks?.[index];
      slots.push({ name, database, node: undefined, address: undefined, busy: false, disks });
    }

    const crashes: string[] = [];
    const endedOnPurpose = new WeakSet<GatewayProcess>();
    const moving: Promise<void>[] = [];
    let closing = false;
    let lives = 0;
    let failedStarts = 0;

    function environmentOf(slot: Slot): Record<string, string> {
      const database = new URL(servers.databaseUrl);
      database.port = String(slot.database.port);
      return {
        ...environment,
        TMPDIR: temporary,
        NODE_COMPILE_CACHE: join(dir, 'compiled'),
        ONETAKE_CONFIG: config,
        ONETAKE_PORT: '0',
        ONETAKE_PUBLIC_URL: balancer.address,
        ONETAKE_DATA_DIR: dataOf(slot),
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
        // Twice as long as the load balancer takes to notice that a node is leaving.
        ONETAKE_DRAIN_DELAY_SECONDS: '2',
        // A call that hangs is held for so long; an outage must not use up the tries of a task.
        ONETAKE_CALL_TIMEOUT_SECONDS: '5',
        ONETAKE_MAX_ATTEMPTS: '100',
      };
    }

    // Not the disk itself: an empty folder is made by removing it.
    const dataOf = ({ name, disks }: Slot): string => join(disks?.data.path ?? join(dir, name), 'data');

    async function fill(slot: Slot, fresh: boolean): Promise<void> {
      for (;;) {
        if (closing) return;
        if (fresh) await rm(dataOf(slot), { recursive: true, force: true });
        const life = ++lives;
        const kept = join(logs, `${life}-${slot.name}.log`);
        const written = slot.disks ? join(slot.disks.log.path, `${life}.log`) : kept;
        const node = startGatewayProcess(environmentOf(slot), written);
        await guard.call('watch', node.pid);
        slot.node = node;
        void node.ended.then((how) => {
          void guard.call('forget', node.pid).catch(() => undefined);
          if (written !== kept) moving.push(move(written, kept));
          if (slot.address !== undefined && slot.node === node) balancer.remove(slot.address);
          if (closing || endedOnPurpose.has(node)) return;
          // What ended while it started is started again below.
          if (slot.address === undefined) {
            failedStarts += 1;
            return;
          }
          crashes.push(`node ${slot.name} (life ${life}) ended by itself: ${how}`);
          slot.address = undefined;
          void sleep(RESTART_MS).then(() => fill(slot, false));
        });
        try {
          slot.address = undefined;
          slot.address = await node.address;
          balancer.add(slot.address);
          return;
        } catch {
          await sleep(RESTART_MS);
        }
      }
    }

    opened.defer(async () => {
      closing = true;
      for (const { node } of slots) node?.signal('SIGKILL');
      await Promise.all(slots.map(({ node }) => node?.ended));
      await Promise.all(moving);
    });

    return {
      slots,
      balancer,
      servers,
      storage,
      upstreams,
      machine,
      key: KEY,
      noDisks: mounted.why,
      logs,
      crashes,
      get failedStarts() {
        return failedStarts;
      },
      fill,
      expectEnd(slot) {
        if (slot.node) endedOnPurpose.add(slot.node);
      },
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

const nameOf = (index: number): string => String.fromCharCode('a'.charCodeAt(0) + index);

/** Two small disks for each place, or why there are none. */
async function mountDisks(
  dir: string,
  nodes: number,
  guard: Child<GuardCalls>,
  opened: AsyncDisposableStack,
): Promise<{ readonly disks?: readonly NonNullable<Slot['disks']>[]; readonly why: string | undefined }> {
  const mount = async (path: string, megabytes: number): Promise<SmallDisk> => {
    const disk = await mountSmallDisk(path, megabytes);
    await guard.call('watchDisk', path);
    opened.defer(async () => {
      await disk.unmount();
      await guard.call('forgetDisk', path);
    });
    return disk;
  };
  try {
    const disks: NonNullable<Slot['disks']>[] = [];
    for (let index = 0; index < nodes; index++) {
      const place = join(dir, nameOf(index));
      await mkdir(place);
      disks.push({
        data: await mount(join(place, 'disk'), DATA_DISK_MB),
        log: await mount(join(place, 'log'), LOG_DISK_MB),
      });
    }
    return { disks, why: undefined };
  } catch (error) {
    return {
      why: `no small disk can be mounted here (${error instanceof Error ? error.message.trim() : error})`,
    };
  }
}

/** Frees the disk that a log was written to. A log is no reason for a run to fail. */
async function move(from: string, to: string): Promise<void> {
  await copyFile(from, to).catch(() => undefined);
  await rm(from, { force: true }).catch(() => undefined);
}
