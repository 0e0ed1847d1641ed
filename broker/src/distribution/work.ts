/** What is done when: the ledger's entries, time and failures set the parts of the server in motion. */
import { codeOf } from '@countersign/device-sdk';
import { allComponents, hex, type Transaction, unhex } from '@countersign/device-sdk/format';
import type { Announcer } from './announcer.ts';
import { deviceIdsIn } from './device-ids.ts';
import type { Devices } from './devices.ts';
import type { LedgerEars } from './follower.ts';
import type { Payloads } from './payloads.ts';
import type { Log, ServerClock } from './ports.ts';
import type { Releases } from './releases.ts';
import type { RolloutDriver } from './rollouts/driver.ts';
import type { Fleet } from './rollouts/fleet.ts';
import { coalesced } from './serial.ts';
import { Waits } from './waits.ts';
import type { Witness } from './witness.ts';

/** Reports come by the thousand: rollouts are judged at most so often, which delays a pause by no more. */
export const JUDGE_EVERY_MS = 100;
/** Something failed (a server away, a receipt that does not verify): try again after this. */
export const RETRY_MS = 5_000;
/** How long a brake that was pulled outside the ledger may go unseen here, beside the time that the engine itself takes. */
export const BRAKE_EVERY_MS = 1_000;
/** The newest head is published for gateways and auditors at most so often. */
export const HEAD_EVERY_MS = 1_000;

export interface Work {
  readonly ears: LedgerEars;
  /** Takes up what is pending, and keeps heads fresh from now on. */
  begin(): void;
  /** Resolves when nothing that was asked for is left to do. */
  settled(): Promise<void>;
  end(): void;
}

export function serverWork(parts: {
  witness: Witness;
  releases: Releases;
  payloads: Payloads;
  devices: Devices;
  fleet: Fleet;
  driver: RolloutDriver;
  announcer: Announcer;
  clock: ServerClock;
  log: Log;
}): Work {
  const { witness, releases, payloads, devices, fleet, driver, announcer, log } = parts;
  const waits = new Waits(parts.clock);
  const changedClasses = new Set<string>();
  let watchesBrake = false;
  let lastBraked = '';
  const rollouts = coalesced(carryOut);
  const announcements = coalesced(announceChanged);
  const judgeSoon = waits.throttled(JUDGE_EVERY_MS, rollouts.ask);
  const headSoon = waits.throttled(HEAD_EVERY_MS, publishHead);
  let renewal: Promise<void> = Promise.resolve();

  return {
    ears: {
      async release(leafHash) {
        headSoon();
        const { release } = await releases.ensure(leafHash);
        // Fetched ahead of the rollout; where this fails, opening it tries again and says why.
        const branches = allComponents(release.manifest).flatMap((component) => component.branches);
        for (const { payload } of branches) payloads.frames(payload).catch(() => undefined);
      },
      rollout(rollout) {
        headSoon();
        changedClasses.add(hex(rollout.classId));
        announcements.ask();
        rollouts.ask();
      },
      report(report) {
        headSoon();
        fleet.reported(report, parts.clock.now());
        if (report.rolloutId) judgeSoon();
      },
      transaction(tx) {
        headSoon();
        if (tx.action === 'rollout') rollouts.ask();
        if (tx.action === 'enrol' || tx.action === 'revoke') membersChanged(tx);
      },
      root() {
        headSoon();
        void underNewRoot();
      },
    },
    begin() {
      rollouts.ask();
      headSoon();
      renewHeads();
      void lookAtBrake();
    },
    async settled() {
      await renewal;
      await rollouts.settled();
      await announcements.settled();
    },
    end() {
      waits.end();
      announcer.stop();
    },
  };

  /** What the new root voids is signed anew first: block 2 and rollout statement, and with them the announcement. */
  async function underNewRoot(): Promise<void> {
    if (waits.ended) return;
    try {
      await witness.newestHead();
      rollouts.ask();
      await rollouts.settled();
      await announcer.refreshAll();
    } catch (error) {
      complain('announcements under the new trust root')(error);
      waits.later(RETRY_MS, underNewRoot);
    }
  }

  function membersChanged(tx: Transaction): void {
    const ids = deviceIdsIn(tx);
    for (const id of ids) devices.forget(id);
    if (ids.length === 0) return;
    fleet.changed();
    judgeSoon();
  }

  async function carryOut(): Promise<void> {
    if (waits.ended) return;
    try {
      if (await driver.carryOut()) waits.later(RETRY_MS, rollouts.ask);
    } catch (error) {
      complain('rollouts')(error);
      waits.later(RETRY_MS, rollouts.ask);
    }
  }

  async function announceChanged(): Promise<void> {
    for (const classId of [...changedClasses]) {
      if (waits.ended) return;
      changedClasses.delete(classId);
      try {
        await announcer.refresh(unhex(classId)!);
      } catch (error) {
        complain('an announcement')(error);
        waits.later(RETRY_MS, () => {
          changedClasses.add(classId);
          announcements.ask();
        });
      }
    }
  }

  async function publishHead(): Promise<void> {
    await announcer.publishHead().catch(complain('the newest head'));
  }

  /** A head may be a quarter of its maximum age old when a device hears of it, so three quarters are left for trouble. */
  function renewHeads(): void {
    waits.later(Math.max(1000, (witness.root.headAgeMax * 1000) / 4), () => {
      rollouts.ask(); // devices whose time is over say nothing that would set this in motion
      if (!watchesBrake) void lookAtBrake();
      renewal = renew();
    });
  }

  async function renew(): Promise<void> {
    await announcer.refreshAll().catch(complain('renewed announcements'));
    await publishHead();
    renewHeads();
  }

  /** An engine's own brake leaves no entry, so it is asked for; most ledgers have none, and are asked when heads are renewed. */
  async function lookAtBrake(): Promise<void> {
    watchesBrake = false;
    if (waits.ended) return;
    try {
      const braked = await driver.braked();
      if (braked === undefined) return;
      const now = braked.join();
      if (now !== lastBraked) rollouts.ask();
      lastBraked = now;
      lookAgain(BRAKE_EVERY_MS);
    } catch (error) {
      if (waits.ended) return;
      complain('the brake of the chain')(error);
      lookAgain(RETRY_MS);
    }
  }

  function lookAgain(ms: number): void {
    watchesBrake = true;
    waits.later(ms, lookAtBrake);
  }

  function complain(what: string): (error: unknown) => void {
    return (error) => {
      const text = error instanceof Error ? error.message : String(error);
      // No fault, and told by whoever counts the cosignatures: a new entry waits for them for a moment each time.
      const level = codeOf(error) === 'NO_QUORUM' ? 'info' : 'error';
      log[level]({ code: codeOf(error), text }, `${what}: failed, it will be tried again`);
    };
  }
}
