/**
 * A device as a process: boots, runs, restarts as its profile says, and may be killed at any moment. Everything that it
 * must not forget is in its folder; started again, it goes on.
 */
import { EVERY_DECODER } from '../src/delta/decoders.ts';
import { Device } from '../src/device.ts';
import type { DeviceEvent } from '../src/device-ports.ts';
import { demand, Refusal } from '../src/errors.ts';
import type { KeyStore, Link, Verifier } from '../src/ports.ts';
import { type BundleAndNetwork, bundleLink } from './bundle/link.ts';
import type { CommandResult } from './command.ts';
import { runCommand } from './command.ts';
import type { WhyLeft } from './fallback.ts';
import { type Booting, openBoot, openLink, readIdentity } from './gateway.ts';
import { commandHealth, ownerVeto } from './owner.ts';
import type { Profile } from './profile.ts';
import { openRegions, type Regions } from './regions.ts';
import type { Shelf } from './relay/shelf.ts';
import { systemClock, systemEntropy, systemTimer } from './system.ts';
import { Closed } from './target-installer.ts';

/** What a device process tells beside what the device tells. */
export type ProcessEvent =
  | Exclude<DeviceEvent, { kind: 'link' }>
  /** `by` says who answers: a bundle is always there, and no connection. */
  | { kind: 'link'; up: boolean; by: 'network' | 'bundle' }
  | { kind: 'booted'; slot: number; trial: boolean; version: string; sequence: number }
  | { kind: 'command'; name: string; result: CommandResult }
  | { kind: 'trouble'; way: string; error: unknown }
  | { kind: 'way'; from: string; to: string; why: WhyLeft };

export interface DeviceProcessOptions {
  profile: Profile;
  keys: KeyStore;
  verifier: Verifier;
  /** Bundles that answer where the network does not. */
  shelves?: readonly Shelf[];
  on: (event: ProcessEvent) => void;
}

/** How it ended: told to stop, or to be started again by whoever supervises it. */
export type HowEnded = 'stopped' | 'restart';

/** Restarting a service or asking for a reboot takes seconds. */
const RESTART_MS = 60_000;
/** A machine that was asked to reboot has gone down by then, or never will. */
const GOING_DOWN_MS = 300_000;

export class DeviceProcess {
  readonly #options: DeviceProcessOptions;
  readonly #stop = new AbortController();
  readonly #stopped: Promise<'stopped'>;
  #boot: Booting | undefined;

  constructor(options: DeviceProcessOptions) {
    this.#options = options;
    this.#stopped = new Promise((resolve) => {
      this.#stop.signal.addEventListener('abort', () => resolve('stopped'));
    });
  }

  /** @throws Refusal for what is wrong with profile, folder or target; anything else is a fault of the device */
  async run(): Promise<HowEnded> {
    const { profile } = this.#options;
    const regions = openRegions(profile);
    try {
      for (;;) {
        const ended = await this.#life(regions);
        if (ended === 'stopped' || this.#stop.signal.aborted) return 'stopped';
        if (profile.restart) await this.#command('restart', profile.restart);
        if (profile.boot.kind === 'uboot') return await this.#goDown();
        // A target or a service has restarted and this process has not: the next life begins here.
        if (!profile.restart && profile.boot.kind !== 'command') return 'restart';
      }
    } finally {
      regions.close();
    }
  }

  /** Ends it at the next turn; nothing of what is stored is lost. */
  stop(): void {
    this.#boot?.close?.();
    this.#stop.abort();
  }

  /** From one boot to the next. */
  async #life(regions: Regions): Promise<HowEnded> {
    let restart = (): void => undefined;
    const restarted = new Promise<'restart'>((resolve) => {
      restart = () => resolve('restart');
    });
    let fail = (_error: unknown): void => undefined;
    const failed = new Promise<never>((_, reject) => {
      fail = reject;
    });
    failed.catch(() => undefined);
    const { verifier } = this.#options;
    const tell = { restart, command: this.#told };
    const boot = openBoot(this.#options.profile, regions.slots, verifier, tell);
    this.#boot = boot;
    const device = this.#device(regions, boot, fail);
    try {
      await boot.boot(device.state);
      const { version, sequence } = device.state.running;
      this.#options.on({ kind: 'booted', slot: boot.running(), trial: boot.onTrial(), version, sequence });
      if (!this.#stop.signal.aborted) await Promise.race([device.start(), this.#stopped, failed]);
      return await Promise.race([this.#stopped, restarted, failed]);
    } catch (error) {
      if (error instanceof Closed) return 'stopped';
      throw error;
    } finally {
      boot.close?.();
      await device.stop();
    }
  }

  #device(regions: Regions, boot: Booting, fail: (error: unknown) => void): Device {
    const { profile, keys, verifier, on } = this.#options;
    const { health, veto, clock, memoryClass, workspaceBytes, askSeconds, offline } = profile;
    const asked = { signal: this.#stop.signal, on: this.#told };
    const link = this.#link();
    return new Device({
      ...{ verifier, keys, slots: regions.slots, store: regions.store, boot, link, memoryClass, askSeconds, offline },
      ...{ timer: systemTimer(), entropy: systemEntropy() },
      clock: clock ? systemClock() : { now: () => undefined },
      health: commandHealth({ command: health.command, deadlineMs: health.seconds * 1000, ...asked }),
      veto: ownerVeto({ ...(veto.command && { command: veto.command }), windows: veto.windows, ...asked }),
      workspace: new Uint8Array(workspaceBytes),
      decoders: EVERY_DECODER,
      on(event) {
        on(
          event.kind === 'link'
            ? { ...event, by: 'networkUp' in link && !link.networkUp ? 'bundle' : 'network' }
            : event,
        );
        if (event.kind === 'fault') fail(event.error);
      },
    });
  }

  #link(): Link | BundleAndNetwork {
    const { profile, shelves = [], on } = this.#options;
    const identity = readIdentity(profile);
    const network = openLink(profile, identity, {
      trouble: (way, error) => on({ kind: 'trouble', way, error }),
      change: (change) => on({ kind: 'way', ...change }),
    });
    if (shelves.length > 0) return bundleLink({ shelves, classId: identity.classId, ...(network && { network }) });
    demand(network, 'BAD_REQUEST', 'profile.links names no way to the server, and there is no bundle');
    return network;
  }

  readonly #told = (name: string, result: CommandResult): void => this.#options.on({ kind: 'command', name, result });

  async #command(name: string, argv: NonNullable<Profile['restart']>): Promise<void> {
    this.#told(name, await runCommand(argv, { limitMs: RESTART_MS, signal: this.#stop.signal }));
  }

  /** U-Boot's state is what the next boot reads: nothing may be done in between. */
  async #goDown(): Promise<HowEnded> {
    if (!this.#options.profile.restart) return 'restart';
    let timer: NodeJS.Timeout | undefined;
    const never = new Promise<never>((_, reject) => {
      const text = 'the machine was asked to restart and did not';
      timer = setTimeout(() => reject(new Refusal('BOOT_FAILED', text)), GOING_DOWN_MS);
    });
    try {
      return await Promise.race([this.#stopped, never]);
    } finally {
      clearTimeout(timer);
    }
  }
}
