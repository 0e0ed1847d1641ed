/** What the fleet is meant to run now, as the ledger's record of rollouts has it. */
import type { Session } from '@countersign/broker/face/client/session';
import type { RolloutView } from '@countersign/broker/ledger/contract/views';
import type { Goal } from '../fleet/tally.ts';

/** The goal of a product, asked of the server again and again; a server that is away leaves the last answer standing. */
export interface GoalWatch {
  readonly goal: Goal;
  stop(): void;
}

/** Time between two looks; a rollout that opens is noticed by the devices themselves at once. */
const LOOK_MS = 500;

/** @param factory sequence of the factory release: the goal where nothing was ever rolled out */
export async function watchGoal(session: Session, product: string, factory: number): Promise<GoalWatch> {
  let goal = await currentGoal(session, product, factory);
  const timer = setInterval(() => {
    currentGoal(session, product, factory).then(
      (next) => {
        goal = next;
      },
      () => {},
    );
  }, LOOK_MS);
  return {
    get goal() {
      return goal;
    },
    stop: () => clearInterval(timer),
  };
}

/** The newest rollout that was ever announced; a release that was withdrawn is the goal of nobody. */
export async function currentGoal({ api }: Session, product: string, factory: number): Promise<Goal> {
  const all = (await api.get('/api/v1/rollouts', { product })) as RolloutView[];
  const announced = all.filter(({ rolloutSequence }) => rolloutSequence > 0);
  const newest = announced.sort((a, b) => b.rolloutSequence - a.rolloutSequence)[0];
  if (!newest) return { sequence: factory, open: false };
  return { sequence: newest.sequence, open: newest.state === 'open' };
}
