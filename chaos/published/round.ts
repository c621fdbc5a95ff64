import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Simulators } from '@onetake/simulators';
import type { Child } from '../shared/rpc.ts';
import type { GuardCalls } from '../system/children/guard.ts';
import { type GatewayProcess, startGatewayProcess } from '../system/gatewayProcess.ts';
import { createGateway, type Gateway } from './api.ts';
import type { Order, PublishedClient } from './clients.ts';
import type { Installed } from './install.ts';
import { nameOf, type PlannedFault, type Round } from './plan.ts';
import { type Running, startPublished } from './run.ts';
import type { Outcome } from './verdict.ts';
import { createWire, type Trap, type Wire } from './wire.ts';

/** What all rounds share. */
export interface Stage {
  readonly installed: Installed;
  readonly clients: readonly PublishedClient[];
  readonly simulators: Simulators;
  /** The settings of the gateway, but for its data folder. */
  readonly settings: Readonly<Record<string, string>>;
  readonly adminKey: string;
  /** Why a file cannot be played; undefined if it can. */
  readonly unplayable: (file: string) => Promise<string | undefined>;
  /** Ends process groups if this process cannot. */
  readonly guard: Child<GuardCalls>;
}

/** A model with links that are signed, of a provider that knows a job by a key of ours: no outcome of a submission stays unknown. */
const [MODEL, UPSTREAM] = ['kling-v3', 'kling'];
const DURATION = 3;
/** No video of the simulator is smaller. Bytes. */
const VIDEO_BYTES = 20_000;
/** The marker of a job that is made until it is finished by hand. */
const HOLD = '[hold]';
const FINISH_EVERY_MS = 200;
/** Only a client that hangs takes so long. Milliseconds. */
const PATIENCE_MS = 900_000;
const MOST_REPEATS = 10;

/** Plays one round with a gateway of its own in an empty folder. Resolves with what became of each client. */
export async function playRound(stage: Stage, round: Round, folder: string): Promise<readonly Outcome[]> {
  const site = await openSite(stage, folder);
  try {
    const players = await Promise.all(
      stage.clients.map((client) => openPlayer(stage, site, client, round?.get(client.name), folder)),
    );
    try {
      return await play(stage, site, players);
    } finally {
      await Promise.all(players.map((player) => player.close()));
    }
  } finally {
    site.process.signal('SIGKILL');
    await site.process.ended;
  }
}

async function play(stage: Stage, site: Site, players: readonly Player[]): Promise<readonly Outcome[]> {
  const reached = players.map((player) => player.reached());
  const faults = players.flatMap(({ fault }) => (fault ? [fault] : []));
  const ofGateway = faults.find(({ act }) => act === 'gateway_killed' || act === 'gateway_stopped');
  if (ofGateway) {
    await Promise.all(reached);
    await site.restart(ofGateway.act === 'gateway_killed' ? 'SIGKILL' : 'SIGTERM', players);
  } else {
    await Promise.all(players.map(async (player, index) => (await reached[index]) && player.suffer()));
  }
  // From here on nothing fails. A job that is lost and found again may be held again, so this goes on.
  const finishing = setInterval(() => void stage.simulators.finishAll(UPSTREAM), FINISH_EVERY_MS);
  try {
    return await Promise.all(players.map((player) => player.outcome()));
  } finally {
    clearInterval(finishing);
  }
}

/** The gateway of a round, which may be another process later. */
interface Site {
  process: GatewayProcess;
  port: number;
  readonly gateway: Gateway;
  /** Ends the process and starts it again with the same data. */
  restart(signal: 'SIGKILL' | 'SIGTERM', players: readonly Player[]): Promise<void>;
}

async function openSite({ settings, installed, adminKey, guard }: Stage, folder: string): Promise<Site> {
  const start = async () => {
    const env = { ...settings, ONETAKE_DATA_DIR: join(folder, 'data') };
    const process = startGatewayProcess(env, join(folder, 'gateway.log'), installed.cli);
    await guard.call('watch', process.pid);
    void process.ended.then(() => guard.call('forget', process.pid)).catch(() => undefined);
    return { process, port: Number(new URL(await process.address).port) };
  };
  const site: Site = {
    ...(await start()),
    gateway: createGateway(() => `http://127.0.0.1:${site.port}`, adminKey),
    async restart(signal, players) {
      if (signal === 'SIGKILL') site.process.signal('SIGKILL');
      else site.process.terminate();
      for (const { wire } of players) wire.release();
      const how = await site.process.ended;
      if (signal === 'SIGTERM' && how !== 0) throw new Error(`the gateway ended with ${how} after SIGTERM`);
      Object.assign(site, await start());
      for (const { wire } of players) wire.redirect(site.port);
    },
  };
  return site;
}

/** A client in a round. */
interface Player {
  readonly wire: Wire;
  readonly fault: PlannedFault | undefined;
  /** Starts it. Resolves when it is where its fault happens; with false if it ended before. */
  reached(): Promise<boolean>;
  /** Makes the fault that is its own, and what its user does then. */
  suffer(): Promise<void>;
  outcome(): Promise<Outcome>;
  close(): Promise<void>;
}

async function openPlayer(
  { installed, simulators, unplayable, guard }: Stage,
  site: Site,
  client: PublishedClient,
  fault: PlannedFault | undefined,
  round: string,
): Promise<Player> {
  const { name } = client;
  const folder = join(round, name);
  await mkdir(folder);
  const file = join(folder, `${name}.mp4`);
  const wire = await createWire(site.port);
  const key = await site.gateway.newKey(name);
  const prompt = `${name}, ${round}${fault?.moment === 'wait' ? ` ${HOLD}` : ''}`;
  const order: Order = {
    url: wire.url,
    key,
    params: { model: MODEL, prompt, duration: DURATION },
    idempotencyKey: `${name}-1`,
    taskId: undefined,
    file,
  };
  let running: Running | undefined;
  const started: Running[] = [];
  let met = fault === undefined;
  let taskId: string | undefined;

  async function start(): Promise<Running> {
    const places = { folder, log: join(round, `${name}.log`) };
    running = startPublished(client, installed, { ...order, taskId }, places);
    started.push(running);
    await guard.call('watch', running.pid);
    return running;
  }

  const ownTask = async () => (await site.gateway.tasks(key))[0]?.task_id;

  const end = async (): Promise<number | string> =>
    (await Promise.race([running?.ended, sleep(PATIENCE_MS, 'no end', { ref: false })])) ?? 'no start';

  async function isThere(trapped: Promise<void>): Promise<boolean> {
    await trapped;
    const id = fault?.moment === 'wait' ? await ownTask() : undefined;
    if (id !== undefined) await site.gateway.begun(key, id);
    return true;
  }

  return {
    wire,
    fault,
    async reached() {
      const trapped = fault && wire.trap(trapOf(client, fault));
      const { ended } = await start();
      if (!trapped) return false;
      met = await Promise.race([isThere(trapped), ended.then(() => false)]);
      return met;
    },
    async suffer() {
      if (fault?.act === 'client_killed') {
        await running?.kill();
        wire.release();
        taskId = fault.byId ? await ownTask() : undefined;
        await start();
      } else if (fault?.act === 'network_cut') {
        await wire.cut();
        await sleep(fault.awayMs);
        await wire.mend();
      }
    },
    async outcome() {
      let exit = await end();
      let repeats = 0;
      for (; fault && exit === client.repeatAfter && repeats < MOST_REPEATS; repeats++) {
        await start();
        exit = await end();
      }
      const tasks = await site.gateway.tasks(key);
      const [task] = tasks;
      const saved = await readFile(file).catch(() => undefined);
      return {
        client: name,
        kind: nameOf(fault),
        exit,
        repeats,
        met,
        saved,
        stored: task && (await site.gateway.content(key, task.task_id).catch(() => undefined)),
        unplayable: saved && (await unplayable(file)),
        tasks: tasks.length,
        jobs: simulators.ledger.jobs({ prompt }).length,
        rest: (await readdir(folder)).filter((entry) => join(folder, entry) !== file),
      };
    },
    async close() {
      for (const each of started) {
        each.end();
        await guard.call('forget', each.pid);
      }
      await wire.close();
    },
  };
}

function trapOf({ requests }: PublishedClient, { moment, cuts, passes }: PlannedFault): Trap {
  const request = requests[moment];
  if (moment === 'wait') return { request, hold: 'nothing' };
  if (cuts === 'request') return { request, hold: 'request' };
  return { request, hold: { answerAfter: Math.round(passes * VIDEO_BYTES) } };
}
