import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTcpSwitch, type TcpSwitch } from '../../scripts/servers/tcpSwitch.ts';
import type { GuardCalls } from './children/guard.ts';
import { type GatewayProcess, startGatewayProcess } from './gatewayProcess.ts';
import type { LoadBalancer } from './loadBalancer.ts';
import type { Child } from './rpc.ts';
import { mountSmallDisk, type SmallDisk } from './smallDisk.ts';

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

/** The nodes, each in its place. */
export interface Nodes {
  readonly slots: readonly Slot[];
  /** Where the logs of nodes that have ended are, and those of others in the end. */
  readonly logs: string;
  /** Why there are no small disks to fill; undefined where there are. */
  readonly noDisks: string | undefined;
  /** Nodes that ended while they served although nobody ended them. */
  readonly crashes: readonly string[];
  /** Starts that failed because what a node needs was away; each was tried again. */
  readonly failedStarts: number;
  /** Puts a new node into an empty place; resolves when it listens. `fresh`: with an empty data folder, as a new machine. */
  fill(slot: Slot, fresh: boolean): Promise<void>;
  /** The node in this place is about to be ended on purpose. */
  expectEnd(slot: Slot): void;
  close(): Promise<void>;
}

export interface NodesOptions {
  readonly count: number;
  /** Where their folders are made. */
  readonly dir: string;
  readonly databasePort: number;
  /** Their settings, beside what depends on the place. */
  environmentOf(slot: Slot): Readonly<Record<string, string>>;
  readonly balancer: LoadBalancer;
  /** Ends them, and unmounts their disks, where this process cannot. */
  readonly guard: Child<GuardCalls>;
}

/** Enough for what a node has staged while the storage is away, and for the log of its life. */
const DATA_DISK_MB = 128;
const LOG_DISK_MB = 48;
/** Between two starts of a node that ends by itself, as a service manager waits. Milliseconds. */
const RESTART_MS = 500;

/** Makes the places; there is no node in any of them. */
export async function createNodes({ dir, guard, balancer, ...options }: NodesOptions): Promise<Nodes> {
  const opened = new AsyncDisposableStack();
  const logs = join(dir, 'logs');
  await mkdir(logs);
  const crashes: string[] = [];
  const endedOnPurpose = new WeakSet<GatewayProcess>();
  const moving: Promise<void>[] = [];
  let closing = false;
  let lives = 0;
  let failedStarts = 0;

  const mounted = await mountDisks(dir, options.count, guard, opened);
  const slots: Slot[] = [];
  for (let index = 0; index < options.count; index++) {
    const database = await createTcpSwitch(options.databasePort);
    opened.defer(() => database.close());
    const disks = mounted.disks?.[index];
    slots.push({ name: nameOf(index), database, node: undefined, address: undefined, busy: false, disks });
  }

  // Not the disk itself: an empty folder is made by removing it.
  const dataOf = ({ name, disks }: Slot): string => join(disks?.data.path ?? join(dir, name), 'data');

  function onEnd(slot: Slot, node: GatewayProcess, life: number, how: number | NodeJS.Signals): void {
    void guard.call('forget', node.pid).catch(() => undefined);
    if (slot.address !== undefined && slot.node === node) balancer.remove(slot.address);
    if (closing || endedOnPurpose.has(node)) return;
    // What ended while it started is started again by who started it.
    if (slot.address === undefined) {
      failedStarts += 1;
      return;
    }
    crashes.push(`node ${slot.name} (life ${life}) ended by itself: ${how}`);
    slot.address = undefined;
    void sleep(RESTART_MS).then(() => fill(slot, false));
  }

  async function fill(slot: Slot, fresh: boolean): Promise<void> {
    for (;;) {
      if (closing) return;
      if (fresh) await rm(dataOf(slot), { recursive: true, force: true });
      const life = ++lives;
      const kept = join(logs, `${life}-${slot.name}.log`);
      const written = slot.disks ? join(slot.disks.log.path, `${life}.log`) : kept;
      const environment = { ...options.environmentOf(slot), ONETAKE_DATA_DIR: dataOf(slot) };
      const node = startGatewayProcess(environment, written);
      await guard.call('watch', node.pid);
      slot.node = node;
      void node.ended.then((how) => {
        if (written !== kept) moving.push(move(written, kept));
        onEnd(slot, node, life, how);
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

  return {
    slots,
    logs,
    noDisks: mounted.why,
    crashes,
    get failedStarts() {
      return failedStarts;
    },
    fill,
    expectEnd(slot) {
      if (slot.node) endedOnPurpose.add(slot.node);
    },
    async close() {
      closing = true;
      for (const { node } of slots) node?.signal('SIGKILL');
      await Promise.all(slots.map(({ node }) => node?.ended));
      await Promise.all(moving);
      await opened.disposeAsync();
    },
  };
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
