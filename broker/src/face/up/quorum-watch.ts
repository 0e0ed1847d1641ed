import type { Log } from '../../distribution/ports.ts';
import type { CosignedHeads, QuorumState } from '../../ledger/peer/cosigned-heads.ts';
import type { Closers } from './parts.ts';

/** Peers answer within a second of each block; one that starts anew needs a few. */
export const QUORUM_WAIT_SECONDS = 10;
/** What does not change is said again at this rate. */
const SAY_AGAIN_MS = 60_000;
const LOOK_MS = 1_000;

/** Says aloud when heads wait too long for their cosignatures, and when they have them again. */
export function watchQuorum(heads: CosignedHeads, log: Log, closers: Closers): void {
  let said: number | undefined;
  const timer = setInterval(() => {
    const state = heads.state();
    const late = state.waitingSeconds >= QUORUM_WAIT_SECONDS && state.waitingWith.length < state.needed;
    const now = performance.now();
    if (late && (said === undefined || now - said >= SAY_AGAIN_MS)) {
      said = now;
      log.warn({ code: 'NO_QUORUM', ...state }, waitingText(state));
    } else if (!late && said !== undefined) {
      said = undefined;
      log.info({ ...state }, 'enough peers cosign again');
    }
  }, LOOK_MS);
  timer.unref();
  closers.add(() => clearInterval(timer));
}

function waitingText({ needed, waitingWith, size, published, waitingSeconds }: QuorumState): string {
  return (
    `${waitingWith.length} of ${needed} peers have cosigned the newest head of ${size} entries, for ${waitingSeconds} s; ` +
    `${published === null ? 'nothing' : `nothing beyond ${published} entries`} is announced until they do`
  );
}
