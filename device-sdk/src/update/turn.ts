/** Spreads a fleet over the rollout's jitter: each device has its own place, always the same. */
import type { Mailbox } from '../fetch/mailbox.ts';
import { concat, equal } from '../format/bytes.ts';
import { JITTER_SECONDS_MAX } from '../format/rollout.ts';
import type { Timer } from '../ports.ts';
import type { Store } from '../store/store.ts';
import type { Proven } from '../verify/types.ts';
import type { Interruption } from './interruption.ts';

export interface TurnPorts {
  store: Store;
  timer: Timer;
  mail: Mailbox;
  interruption: Interruption;
}

export class Turn {
  readonly #p: TurnPorts;
  /** The rollout whose jitter this device has waited for. */
  #waited: Uint8Array | undefined;

  constructor(ports: TurnPorts) {
    this.#p = ports;
  }

  /**
   * @returns whether it has waited
   * @throws Refusal NOT_OPEN when something else is announced meanwhile
   */
  async wait(proven: Proven): Promise<boolean> {
    const { store, timer, mail, interruption } = this.#p;
    const { rolloutId, jitterSeconds } = proven.rollout;
    const seconds = Math.min(jitterSeconds, JITTER_SECONDS_MAX);
    if (seconds === 0 || store.state.pending || (this.#waited && equal(this.#waited, rolloutId))) return false;
    const digest = store.verifier.sha256(concat(store.state.identity.deviceId, rolloutId));
    const fraction = (digest[0]! * 256 + digest[1]!) / 65_536;
    let over = false;
    const cancel = timer.after(Math.round(seconds * 1000 * fraction), () => {
      over = true;
      mail.wake();
    });
    try {
      while (!over) {
        await mail.arrival();
        store.demandOpen();
        interruption.demandNone(proven);
      }
    } finally {
      cancel();
    }
    this.#waited = rolloutId;
    return true;
  }
}
