/**
 * What a device believes of an announcement. What proves itself wrong is remembered, in RAM; what the network answers to
 * questions about it is never held against it.
 */
import { demand, Refusal } from '../errors.ts';
import type { Asker } from '../fetch/asker.ts';
import { RefusalCache } from '../fetch/guard.ts';
import { IssuedKeys } from '../fetch/issued.ts';
import { fetchProofs, fetchRoots } from '../fetch/proofs.ts';
import type { Clock, Entropy } from '../ports.ts';
import type { Store } from '../store/store.ts';
import { checkApplicability } from '../verify/applies.ts';
import { checkSuccession } from '../verify/head.ts';
import { isUnchanged, needsOf, proveRelease, shapeAnnouncement, verifyCurrent } from '../verify/release.ts';
import { commandsBeginAnew, restartHead } from '../verify/root.ts';
import type { Proofs, Proven, Shaped, Trust } from '../verify/types.ts';

export interface BeliefsPorts {
  store: Store;
  asker: Asker;
  clock: Clock;
  entropy: Entropy;
  offline?: boolean;
}

/** A release that is proven, with what had to be fetched for the last steps. */
export interface Believed {
  proven: Proven;
  proofs: Proofs;
  /** It is the one that runs. */
  unchanged: boolean;
}

export class Beliefs {
  readonly #p: BeliefsPorts;
  readonly #issued = new IssuedKeys();
  /** Messages that proved themselves wrong. */
  readonly refused: RefusalCache;

  constructor(ports: BeliefsPorts) {
    this.#p = ports;
    this.refused = new RefusalCache(ports.store.verifier.sha256);
  }

  /** What is stored, as verification wants it. */
  get trust(): Trust {
    const { root, head, identity, running, floor, rolloutSequence } = this.#p.store.state;
    const device = { ...identity, running, floor, now: this.#p.clock.now(), offline: this.#p.offline };
    return { root: root.root, head, device, rolloutSequence };
  }

  /** Follows the trust roots that a message needs, proves it, and fetches what its adoption will need. */
  async follow(bytes: Uint8Array): Promise<Believed> {
    const { store, asker, entropy } = this.#p;
    const shaped = this.#remembering(bytes, () => shapeAnnouncement(store.verifier, bytes));
    await this.#followRoots(shaped);
    const proven = this.#remembering(bytes, () => proveRelease(store.verifier, shaped, this.trust));
    const { trust } = this;
    const needs = needsOf(proven, trust);
    this.#remembering(bytes, () => checkApplicability(proven, trust.root, trust.device));
    if (trust.root.implicit !== undefined) await this.#issued.prove(asker, store.verifier, trust, proven);
    const unchanged = isUnchanged(proven, trust);
    const proofs = unchanged
      ? await fetchProofs(asker, entropy, { ...needs, freshness: false }, [])
      : await fetchProofs(asker, entropy, needs, proven.rollout.cohorts, this.#p.offline);
    store.demandOpen();
    return { proven, proofs, unchanged };
  }

  /** The stored head moves only with an announcement that is current and for this device. */
  adopt({ proven, proofs }: Believed): void {
    const { store } = this.#p;
    const head = verifyCurrent(store.verifier, proven, this.trust, proofs);
    const stored = store.state;
    const rolloutSequence = Math.max(stored.rolloutSequence, proven.rollout.rolloutSequence);
    const newer =
      head.size > stored.head.size || head.time > stored.head.time || head.rootVersion > stored.head.rootVersion;
    if (newer || rolloutSequence > stored.rolloutSequence) store.commit({ head, rolloutSequence });
  }

  /**
   * Proves what arrives during an install as far as it can be proven without asking anybody.
   * @throws Refusal OLD_ROOT where trust roots must be followed first
   */
  glance(bytes: Uint8Array): Proven {
    const { verifier } = this.#p.store;
    const { trust } = this;
    const proven = this.#remembering(bytes, () => proveRelease(verifier, shapeAnnouncement(verifier, bytes), trust));
    // A replay of what was valid once must not stop what is current.
    checkSuccession(trust.root, trust.head, proven.head);
    demand(proven.rollout.rolloutSequence >= trust.rolloutSequence, 'STALE', 'an older rollout statement');
    checkApplicability(proven, trust.root, trust.device);
    return proven;
  }

  /** A check of the message by itself: what fails it will fail it again. */
  #remembering<T>(bytes: Uint8Array, check: () => T): T {
    try {
      return check();
    } catch (error) {
      if (error instanceof Refusal && error.code !== 'STALE' && error.code !== 'OLD_ROOT') this.refused.add(bytes);
      throw error;
    }
  }

  /** Nothing of the announcement has been proven yet: whatever goes wrong here is the network's fault. */
  async #followRoots(shaped: Shaped): Promise<void> {
    const { store, asker } = this.#p;
    const wanted = shaped.receipt.signed.fields.rootVersion;
    if (wanted <= store.state.root.root.version) return;
    await fetchRoots(asker, store.verifier, store.state.root, wanted, (root) => {
      const { root: current, counters } = store.state;
      const head = restartHead(current.root, root.root);
      store.commit({
        root,
        ...(head && { head, rolloutSequence: 0 }),
        ...(commandsBeginAnew(store.verifier, current.root, root.root) && { counters: { ...counters, command: 0 } }),
      });
    });
  }
}
