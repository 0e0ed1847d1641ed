/** The ports of a gateway, as its profile says. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { demand } from '../src/errors.ts';
import { equal } from '../src/format/bytes.ts';
import { readProvision } from '../src/format/provision.ts';
import type { BootControl, Flash, Link, SlotNumber, Verifier } from '../src/ports.ts';
import { provisionStore } from '../src/store/provision.ts';
import { demandSlotDigest, SlotWriter, slotHolds } from '../src/store/slots.ts';
import type { State } from '../src/store/state.ts';
import { Store } from '../src/store/store.ts';
import { BlockFlash } from './block-flash.ts';
import { CommandBoot } from './command-boot.ts';
import { makeFolder, replaceFile } from './durable.ts';
import { type FallbackOptions, fallbackLink, type Way } from './fallback.ts';
import type { FdFlash } from './fd-flash.ts';
import { FileBoot } from './file-boot.ts';
import { FileFlash } from './file-flash.ts';
import { httpLink } from './http.ts';
import { LinkBoot } from './link-boot.ts';
import { isLocalAddress } from './local/address.ts';
import { localLink } from './local/link.ts';
import { mqttLink } from './mqtt.ts';
import type { CommandTold } from './owner.ts';
import type { BootProfile, LinkProfile, Profile } from './profile.ts';
import { systemTimer } from './system.ts';
import { slotFromFile, UbootBoot } from './uboot-boot.ts';
import { imageEnv, readEnvConfig } from './uboot-env.ts';
import { toolEnv } from './uboot-tool.ts';

/** Root, head, state and eight reports need 16 KB twice over; the rest is fewer compactions. */
const STORE_BYTES = 65_536;

export interface Regions {
  slots: readonly [FdFlash, FdFlash];
  store: FdFlash;
  close(): void;
}

/** Slots and journal. @throws Refusal BAD_STORE, LOCKED */
export function openRegions({ folder, slots: kind }: Profile): Regions {
  makeFolder(folder);
  const slots = [0, 1].map((i) =>
    kind.kind === 'file'
      ? new FileFlash(slotFile(folder, i), { bytes: kind.bytes, flush: 'later' })
      : new BlockFlash(kind.devices[i]!, { flush: 'later' }),
  ) as [FdFlash, FdFlash];
  const store = new FileFlash(join(folder, 'store.bin'), { bytes: STORE_BYTES, first: slots });
  return {
    slots,
    store,
    close() {
      for (const region of [...slots, store]) region.close();
    },
  };
}

function slotFile(folder: string, slot: number): string {
  return join(folder, `slot-${slot}.bin`);
}

/**
 * The factory's step: the image into its slot, unless it is there already, then the journal, which makes it a device.
 * @throws Refusal EXISTS where it is one; UNSUPPORTED for a product of several components; RESULT_MISMATCH for an image of another release; BAD_PROVISION
 */
export function provisionGateway(
  profile: Profile,
  verifier: Verifier,
  record: Uint8Array,
  options: { image?: Uint8Array; slot?: SlotNumber } = {},
): void {
  const { image, slot = 0 } = options;
  const provision = readProvision(record);
  demand(provision.deviceId, 'BAD_PROVISION', 'the record is for no device: enrol it with --provision');
  // Said before it is a device: it would have no slots for the others, and could never be updated.
  demand(!provision.image.components, 'UNSUPPORTED', 'the record has several components, a profile has slots for one');
  const done = recordFile(profile);
  demand(!existsSync(done), 'EXISTS', `${profile.folder} holds a device already`);
  const regions = openRegions(profile);
  try {
    const target = regions.slots[slot];
    const { bytes, digest } = provision.image;
    if (image && !slotHolds(target, bytes, verifier.hash(), digest)) {
      demand(equal(verifier.sha256(image), digest), 'RESULT_MISMATCH', 'the image is not the one of the record');
      const writer = new SlotWriter(target, image.length);
      writer.write(image);
      writer.finish();
    }
    demandSlotDigest(target, bytes, verifier.hash(), digest);
    provisionStore(regions.store, verifier, record, slot);
    // The last step: until this file is there, the whole of it may be repeated.
    replaceFile(done, record);
  } finally {
    regions.close();
  }
}

/** Who this device is, for its links. @throws Refusal BAD_STATE where it was never provisioned */
export function readIdentity(profile: Profile): { deviceId: Uint8Array; classId: Uint8Array } {
  const path = recordFile(profile);
  demand(existsSync(path), 'BAD_STATE', `${profile.folder} holds no device: provision it first`);
  const { deviceId, classId } = readProvision(new Uint8Array(readFileSync(path)));
  demand(deviceId, 'BAD_STATE', `${path} is for no device`);
  return { deviceId, classId };
}

/** What the device stores, while it does not run. @throws Refusal BAD_STATE */
export function readState(profile: Profile, verifier: Verifier): Readonly<State> {
  const regions = openRegions(profile);
  try {
    return Store.open(regions.store, verifier).state;
  } finally {
    regions.close();
  }
}

function recordFile({ folder }: Profile): string {
  return join(folder, 'provision.cbor');
}

/** A boot control that has been told to boot. */
export interface Booting extends BootControl {
  boot(state: Pick<State, 'running' | 'pending' | 'handover'>): SlotNumber | Promise<SlotNumber>;
  /** Ends what it has under way. */
  close?(): void;
}

export function openBoot(
  profile: Profile,
  slots: readonly [Flash, Flash],
  verifier: Verifier,
  tell: { restart: () => void; command: CommandTold },
): Booting {
  const { folder, boot } = profile;
  const { restart } = tell;
  const common = { attemptsMax: boot.attempts, restart };
  const record = join(folder, 'boot.json');
  switch (boot.kind) {
    case 'file':
      return new FileBoot(record, common);
    case 'link': {
      const targets = boot.targets ?? slotTargets(profile, boot.current);
      return new LinkBoot({ ...common, record, current: boot.current, targets });
    }
    case 'uboot':
      return ubootOf(boot, restart);
    case 'command': {
      const { commands, fileName, seconds, exitCodes } = boot;
      return new CommandBoot({
        ...{ ...common, folder: join(folder, 'target'), slots, verifier, timer: systemTimer(), commands, exitCodes },
        ...{ installMs: seconds * 1000, on: tell.command, ...(fileName !== undefined && { fileName }) },
      });
    }
  }
}

/** As the link sees them, so that the whole folder may be moved. */
function slotTargets({ folder, slots }: Profile, current: string): readonly [string, string] {
  if (slots.kind === 'block') return slots.devices;
  const [first, second] = [0, 1].map((i) => relative(dirname(current), slotFile(folder, i)));
  return [first!, second!];
}

function ubootOf(boot: Extract<BootProfile, { kind: 'uboot' }>, restart: () => void): UbootBoot {
  const { style, env, tool, slots, running, names, attempts } = boot;
  return new UbootBoot({
    ...{ style, slots, names, restart, attemptsMax: attempts },
    env: tool ? toolEnv({ config: env }) : imageEnv(readEnvConfig(env)),
    running: () => slotFromFile(running.words, running.file),
  });
}

/** Certificates are read when a link is made, so that a renewed one counts from the next attempt on. */
export function openLink(
  { links }: { links: readonly LinkProfile[] },
  identity: { deviceId: Uint8Array; classId: Uint8Array },
  tell: { trouble: (way: string, error: unknown) => void; change: NonNullable<FallbackOptions['on']> },
): Link | undefined {
  const ways = links.map((link): Way => {
    const name = nameOf(link);
    return {
      name,
      make(trouble) {
        const told = (error: unknown) => {
          tell.trouble(name, error);
          trouble(error);
        };
        const options = { ...identity, url: link.url, tls: tlsOf(link), trouble: told };
        if (isLocalAddress(link.url)) return localLink(options);
        return link.url.startsWith('http') ? httpLink(options) : mqttLink(options);
      },
    };
  });
  const [first, ...others] = ways;
  return first && fallbackLink({ ways: [first, ...others], on: tell.change });
}

function nameOf({ url }: LinkProfile): string {
  if (isLocalAddress(url)) return url;
  const { protocol, host } = new URL(url);
  return `${protocol}//${host}`;
}

function tlsOf({ ca, cert, key }: LinkProfile) {
  const read = (path: string) => {
    demand(existsSync(path), 'BAD_STORE', `${basename(path)} is not there: ${path}`);
    return readFileSync(path);
  };
  return { ...(ca && { ca: read(ca) }), ...(cert && { cert: read(cert) }), ...(key && { key: read(key) }) };
}
