import { createEstimator, remainingMs } from '@onetake/gateway';
import { stream } from '../../chaos/shared/random.ts';
import { KIND, learn } from './schedules.ts';
import type { Workload } from './workloads.ts';

/** The shares of jobs that are said to succeed within a time. */
const SAID = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95] as const;

/**
 * Whether times that are said to clients are honest: of jobs that were said to succeed within x with a probability, how many did. Each
 * job is judged at several ages.
 */
export function calibration(
  workload: Workload,
  jobs: number,
  seed: string,
): { said: number; were: number }[] {
  const random = stream(`${seed} calibration`);
  const price = workload.prior.medianSeconds * 0.01;
  const estimator = createEstimator();
  const within = SAID.map(() => 0);
  let judged = 0;
  const judge = (dayPart: number) => {
    const { seconds, failed } = workload.draw(random, dayPart);
    if (failed) return;
    const estimate = estimator.estimate(KIND, workload.prior);
    for (let age = 0; age < seconds; age += workload.prior.medianSeconds / 3) {
      const { quantile } = remainingMs(estimate, {
        ageMs: age * 1000,
        lastPollAgeMs: age * 1000,
        state: 'running',
      });
      judged++;
      for (const [i, p] of SAID.entries())
        if (age + quantile(p) / 1000 >= seconds) within[i] = (within[i] ?? 0) + 1;
    }
  };
  learn(workload, {
    ...{ estimator, price, warmUp: 1000, jobs, random },
    each: (_played, dayPart) => judge(dayPart),
  });
  return SAID.map((said, i) => ({ said, were: (within[i] ?? 0) / judged }));
}
