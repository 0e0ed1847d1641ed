/** From a proven release to its trial: the device's turn, the owner's consent, branch after branch, the restart. */
import { within } from '../deadline.ts';
import { type Code, demand, Refusal } from '../errors.ts';
import { fetchFresh } from '../fetch/proofs.ts';
import { flashOf, isOneSlot, targetOf } from '../fetch/target.ts';
import { equal } from '../format/bytes.ts';
import type { Stage, StageCode } from '../format/report.ts';
import { POLICY_LOG, POLICY_REBOOT } from '../format/suit.ts';
import type { Installer, InstallerPorts, Outcome } from '../install/installer.ts';
import { withdrawTrial } from '../install/trial.ts';
import type { Entropy, Veto, VetoStage } from '../ports.ts';
import type { Reporter } from '../report/reporter.ts';
import type { Resender } from '../report/resender.ts';
import { addFailure, type Failure, failedDigests } from '../store/state.ts';
import { checkRollout } from '../verify/applies.ts';
import { hasClock } from '../verify/fresh.ts';
import { verifyRelease } from '../verify/release.ts';
import type { Proofs, Proven, Release, Verified } from '../verify/types.ts';
import type { Beliefs, Believed } from './beliefs.ts';
import { type Interruption, isOpenFor } from './interruption.ts';
import type { Turn } from './turn.ts';

export interface UpdatePorts extends InstallerPorts {
  entropy: Entropy;
  veto?: Veto;
  beliefs: Beliefs;
  interruption: Interruption;
  turn: Turn;
  installer: Installer;
  reporter: Reporter;
  resender: Resender;
}

/** An owner who says nothing has said no. */
const VETO_MS = 60_000;

export class Update {
  readonly #p: UpdatePorts;
  /**
   * Branches that the server did not have, with how often it said so. An answer is not signed: this stays in RAM, and
   * counts only for as long as another branch is left.
   */
  #absent: Failure[] = [];

  constructor(ports: UpdatePorts) {
    this.#p = ports;
  }

  /** A trial that waits for the owner's restart does not begin where the rollout has been stopped meanwhile. */
  async withdraw(proven: Proven): Promise<void> {
    const { pending } = this.#p.store.state;
    if (pending?.phase !== 'trial' || isOpenFor(proven, pending)) return;
    await withdrawTrial(this.#p, pending);
    this.#p.resender.now();
  }

  /** Verifies against what is stored now, and installs branch after branch until one works or none is left. */
  async install({ proven, proofs: given }: Believed): Promise<void> {
    const { store, asker, entropy, turn, reporter, beliefs } = this.#p;
    const waited = await turn.wait(proven);
    const refresh = waited && given.fresh !== undefined;
    const proofs = refresh
      ? { ...given, fresh: await fetchFresh(asker, entropy, beliefs.trust.device.offline) }
      : given;
    store.demandOpen();
    let failure: Code | undefined;
    for (;;) {
      const release = await reporter.telling(proven, () => this.#verify(proven, proofs), failure);
      this.#stage('verify', 'OK', proven);
      const outcome = await reporter.telling(proven, () => this.#run(release, proven));
      store.demandOpen();
      this.#stage('apply', outcome.code, proven);
      if (outcome.code === 'OK') return this.#beginTrial(proven, proofs, outcome.stages);
      failure = outcome.code; // counted; the next round takes the next branch, or ends with FAILED_BEFORE
    }
  }

  async #run(release: Verified<Release>, proven: Proven): Promise<Outcome> {
    try {
      return await this.#p.installer.run(release, {
        goOn: () => this.#p.interruption.demandNone(proven),
        consent: (stage) => this.#consent(stage, proven),
      });
    } catch (error) {
      const { pending } = this.#p.store.state;
      if (error instanceof Refusal && error.code === 'NOT_FOUND' && pending)
        this.#absent = addFailure(this.#absent, pending.chainHead);
      throw error;
    }
  }

  #verify(proven: Proven, proofs: Proofs): Verified<Release> {
    const failed = failedDigests(this.#p.store.state.failed);
    const untried = !failed.some((digest) => equal(digest, proven.envelope.manifestDigest));
    demand(untried, 'FAILED_BEFORE', 'the trial of this release failed on this device');
    const absent = failedDigests(this.#absent);
    try {
      return this.#verifyWithout([...failed, ...absent], proven, proofs);
    } catch (error) {
      if (absent.length === 0 || !(error instanceof Refusal)) throw error;
      // Whoever says that nothing is there must not look like a release that failed.
      this.#absent = [];
      return this.#verifyWithout(failed, proven, proofs);
    }
  }

  #verifyWithout(failedBranches: readonly Uint8Array[], proven: Proven, proofs: Proofs): Verified<Release> {
    const { store, slots, boot, workspace, memoryClass, beliefs } = this.#p;
    return verifyRelease(store.verifier, proven, beliefs.trust, proofs, {
      slotBytes: flashOf(slots, targetOf(slots, boot.running())).bytes,
      components: isOneSlot(slots)
        ? []
        : slots.components?.map(({ id, slots: [{ bytes }] }) => ({ id, slotBytes: bytes })),
      stagingBytes: isOneSlot(slots) ? slots.staging.bytes : undefined,
      workspaceBytes: workspace.length,
      memoryClass,
      failedBranches,
    });
  }

  async #beginTrial(proven: Proven, proofs: Proofs, stages: [Stage, StageCode][]): Promise<void> {
    const { store, boot, beliefs, interruption, installer, resender, tell } = this.#p;
    const { policy, version } = proven.manifest;
    await this.#consent('restart', proven);
    // Fetching took its time: the rollout may have been stopped, or its window may be over.
    interruption.demandNone(proven);
    interruption.deferOnce(proven);
    const { root, rolloutSequence, device } = beliefs.trust;
    checkRollout(store.verifier, proven.rollout, rolloutSequence, device, proofs.membership);
    // A release that is not to be logged keeps its result in the ledger, but not the stages that led to it. That nobody
    // called the head the newest belongs to the result.
    const unasked: [Stage, StageCode][] =
      proofs.fresh || hasClock(root, proven, device.now) ? [] : [['verify', 'FREEZE']];
    await installer.begin([...(policy & POLICY_LOG ? stages : []), ...unasked]);
    resender.now();
    this.#stage('trial', 'OK', proven);
    if (policy & POLICY_REBOOT) boot.restart();
    tell({ kind: 'restart', version });
  }

  async #consent(stage: VetoStage, { manifest }: Proven): Promise<void> {
    const { veto, timer, store } = this.#p;
    const allowed = !veto || (await within(timer, VETO_MS, () => veto.allow(stage, manifest), false, false));
    store.demandOpen();
    demand(allowed === true, 'VETO', 'the owner says not now');
  }

  #stage(stage: Stage, code: StageCode, { manifest: { sequence, version } }: Proven): void {
    this.#p.tell({ kind: 'stage', stage, code, sequence, version });
  }
}
