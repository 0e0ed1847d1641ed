/**
 * Logins under way. A device that is revoked in the middle of its own login has no connection yet that could be ended, and
 * was not revoked yet when it was looked up: it would stay for as long as it likes.
 */
import { demand } from '@countersign/device-sdk';

export class Entering {
  readonly #underWay = new Map<string, Set<{ ended: boolean }>>();

  /**
   * Runs a login.
   * @param work gets a check to be made in the very turn in which the login takes effect
   * @throws Refusal what `work` throws; REVOKED by the check
   */
  async login<T>(id: string, work: (check: () => void) => Promise<T>): Promise<T> {
    const own = { ended: false };
    const all = this.#underWay.get(id) ?? new Set();
    this.#underWay.set(id, all.add(own));
    try {
      return await work(() => demand(!own.ended, 'REVOKED', 'this device was revoked during its login'));
    } finally {
      all.delete(own);
      if (all.size === 0) this.#underWay.delete(id);
    }
  }

  /** Whoever is logging in under this id now comes too late. */
  end(id: string): void {
    for (const login of this.#underWay.get(id) ?? []) login.ended = true;
  }
}
