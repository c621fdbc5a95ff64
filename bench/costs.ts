import { setTimeout as sleep } from 'node:timers/promises';
import { openNode } from './cluster/node.ts';
import { aNewTask } from './cluster/populate.ts';
import { measureInTurns } from './cluster/processes.ts';
import { watchServer } from './cluster/serverCpu.ts';
import { createUpstream, type UpstreamOptions } from './cluster/upstream.ts';

/**
 * The CPU time of a submit, a transition and a poll, of the gateway and of PostgreSQL. Unlike rates it can be compared on a busy
 * machine too. The upstream first holds all submissions and then all jobs back, so that each stage is measured by itself.
 *
 *   npm run bench:costs -- [--tasks 4000] [--rounds 3] [--against <another checkout>]
 */
/** Submissions in progress at a time. */
const SUBMITTERS = 200;
/** Tasks at an upstream that answers one poll at a time: as many as it can answer once a second. */
const POLLED_ALONE = 400;
const POLLING_MS = 5000;
const LOOK_MS = 20;
/** Every task is polled as often as its account allows. */
const SOON = { medianSeconds: 1, p90Seconds: 2 };
const LIMITS = { pollsPerSecond: 1000, minPollIntervalMs: 1000 };
const DAY_MS = 86_400_000;
/** A stage takes some seconds, and longer on a busy machine. */
const STUCK_MS = 120_000;

await measureInTurns(import.meta.filename, { bench: 'costs', tasks: '4000' }, async (databaseUrl, count) => {
  const many = await measureStages(databaseUrl, count);
  const alone = await measureStages(databaseUrl, POLLED_ALONE, { batches: false, firstJob: count });
  return costs(many, alone);
});

/** What happened in a stage, and the time that it took. Microseconds. */
interface Stage {
  readonly wall: number;
  readonly cpu: number;
  /** CPU time of PostgreSQL; not a number where there is no `/proc`. */
  readonly server: number;
  readonly transitions: number;
  readonly polls: number;
}

interface Stages {
  readonly tasks: number;
  /** Accepted, and sent upstream: the intent is stored. */
  readonly submitting: Stage;
  /** Confirmed, and begun: two transitions and one poll or two. */
  readonly confirming: Stage;
  /** Polled without a transition. */
  readonly polling: Stage;
  /** From the end of the jobs to the end of the tasks: two transitions, a poll and a download of no bytes. */
  readonly ending: Stage;
}

function costs({ tasks, submitting, confirming, polling, ending }: Stages, alone: Stages) {
  const perPoll = (stage: Stage, kind: 'cpu' | 'server') => stage[kind] / stage.polls;
  const perTransition = (stage: Stage, kind: 'cpu' | 'server') =>
    (stage[kind] - perPoll(polling, kind) * stage.polls) / stage.transitions;
  return {
    'CPU per submit, µs': submitting.cpu / tasks,
    'CPU per transition while tasks begin, µs': perTransition(confirming, 'cpu'),
    'CPU per transition while tasks end, µs': perTransition(ending, 'cpu'),
    'CPU per poll, in batches, µs': perPoll(polling, 'cpu'),
    'CPU per poll, one by one, µs': perPoll(alone.polling, 'cpu'),
    'PostgreSQL per submit, µs': submitting.server / tasks,
    'PostgreSQL per transition, begin, µs': perTransition(confirming, 'server'),
    'PostgreSQL per transition, end, µs': perTransition(ending, 'server'),
    'PostgreSQL per poll, one by one, µs': perPoll(alone.polling, 'server'),
    'submits, /s': perSecond(tasks, submitting),
    'transitions while tasks begin, /s': perSecond(confirming.transitions, confirming),
    'transitions while tasks end, /s': perSecond(ending.transitions, ending),
    'polls, in batches, /s': perSecond(polling.polls, polling),
    'polls, one by one, /s': perSecond(alone.polling.polls, alone.polling),
  };
}

function perSecond(count: number, { wall }: Stage): number {
  return count / (wall / 1e6);
}

async function measureStages(
  url: string,
  tasks: number,
  options?: Pick<UpstreamOptions, 'batches' | 'firstJob'>,
): Promise<Stages> {
  const gate = Promise.withResolvers<void>();
  const upstream = createUpstream(() => DAY_MS, { ...options, opens: gate.promise });
  await using server = await watchServer(url);
  await using node = await openNode({ databaseUrl: url, upstream, typical: SOON, limits: LIMITS });
  const { engine, feed } = node;
  await engine.start();
  let transitions = 0;
  let [requests, polls] = [0, 0];
  feed.onChange(({ transition }) => {
    if (transition) transitions += 1;
  });

  /** Measures from what `begin` does until `done`. */
  async function stage(begin: () => void, done: () => boolean): Promise<Stage> {
    const before = await server.cpu();
    upstream.counts();
    [transitions, requests, polls] = [0, 0, 0];
    const [cpu, began] = [process.cpuUsage(), performance.now()];
    begin();
    while (!done()) {
      if (performance.now() - began > STUCK_MS)
        throw new Error(`a stage does not end: ${transitions} transitions, ${engine.unfinished} tasks left`);
      await sleep(LOOK_MS);
      const counts = upstream.counts();
      requests += counts.requests;
      polls += counts.asked;
    }
    const { user, system } = process.cpuUsage(cpu);
    const wall = (performance.now() - began) * 1000;
    return { wall, cpu: user + system, server: (await server.cpu()) - before, transitions, polls };
  }

  const submitting = await stage(
    () => submitAll(tasks, (number) => engine.submit(aNewTask(number))),
    () => requests >= tasks,
  );
  const confirming = await stage(gate.resolve, () => transitions >= 2 * tasks);
  const until = performance.now() + POLLING_MS;
  const polling = await stage(
    () => undefined,
    () => performance.now() > until,
  );
  const ending = await stage(
    () => upstream.endAll(0),
    () => engine.unfinished === 0,
  );
  node.checkLease();
  return { tasks, submitting, confirming, polling, ending };
}

function submitAll(count: number, submit: (number: number) => Promise<unknown>): void {
  let next = 0;
  const submitter = async (): Promise<void> => {
    while (next < count) await submit(next++);
  };
  for (let index = 0; index < SUBMITTERS; index++) void submitter();
}
