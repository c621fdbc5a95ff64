import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTcpSwitch, type TcpSwitch } from '../../scripts/servers/tcpSwitch.ts';
import type { Child } from '../shared/rpc.ts';
import type { GuardCalls } from './children/guard.ts';
import { type GatewayProcess, startGatewayProcess } from './gatewayProcess.ts';
import type { LoadBalancer } from './loadBalancer.ts';
import { mountSmallDisk, type SmallDisk } from './smallDisk.ts';

/** A slot for a node: the process in it reaches the database through the slot's switch. */
export interface Slot {
  readonly name: string;
  readonly database: TcpSwitch;
  /** The node in it; undefined between two nodes. */
  node: GatewayProcess | undefined;
  /** The address of the node, once it listens. */
  address: string | undefined;
  /** A fault uses this slot, so no other may take it. */
  busy: boolean;
  /** The disks for the data and the logs of its nodes; undefined if small disks cannot be mounted. */
  readonly disks: Readonly<Record<'data' | 'log', SmallDisk>> | undefined;
}

/** The nodes, each in its slot. */
export interface Nodes {
  readonly slots: readonly Slot[];
  /** The folder with the logs of nodes that have ended, and at the end of all nodes. */
  readonly logs: string;
  /** Why there are no small disks to fill; undefined if there are. */
  readonly noDisks: string | undefined;
  /** Nodes that ended by themselves while they served. */
  readonly crashes: readonly string[];
  /** Starts that failed because a service was down; each was repeated. */
  readonly failedStarts: number;
  /** Puts a new node into an empty slot; resolves when it listens. `fresh`: with an empty data folder, like a new machine. */
  fill(slot: Slot, fresh: boolean): Promise<void>;
  /** Announces that the node in this slot will be ended on purpose. */
  expectEnd(slot: Slot): void;
  close(): Promise<void>;
}

export interface NodesOptions {
  readonly count: number;
  /** The folder for their folders. */
  readonly dir: string;
  readonly databasePort: number;
  /** Their settings, besides those that depend on the slot. */
  environmentOf(slot: Slot): Readonly<Record<string, string>>;
  readonly balancer: LoadBalancer;
  /** Ends them, and unmounts their disks, if this process cannot. */
  readonly guard: Child<GuardCalls>;
}

/** Enough for a node's staged files while the storage is down, and for the log of its life. */
const DATA_DISK_MB = 128;
const LOG_DISK_MB = 48;
/** The delay before a node that ended by itself is started again, as in a service manager. Milliseconds. */
const RESTART_MS = 500;

/** Creates the slots, all empty. */
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

  // Not the disk itself, because an empty folder is created by removing it.
  const dataOf = ({ name, disks }: Slot): string => join(disks?.data.path ?? join(dir, name), 'data');

  function onEnd(slot: Slot, node: GatewayProcess, life: number, how: number | NodeJS.Signals): void {
    void guard.call('forget', node.pid).catch(() => undefined);
    if (slot.address !== undefined && slot.node === node) balancer.remove(slot.address);
    if (closing || endedOnPurpose.has(node)) return;
    // A node that ended during its start is started again by its starter.
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

/** Two small disks for each slot, or the reason why there are none. */
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

/** Frees the disk of a log. A log must not fail a run. */
async function move(from: string, to: string): Promise<void> {
  await copyFile(from, to).catch(() => undefined);
  await rm(from, { force: true }).catch(() => undefined);
}
