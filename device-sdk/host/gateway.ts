/** The ports of a gateway, as its profile says. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { demand } from '../src/errors.ts';
import { placesOf } from '../src/fetch/target.ts';
import { equal } from '../src/format/bytes.ts';
import { readProvision } from '../src/format/provision.ts';
import { APPLICATION } from '../src/format/suit.ts';
import type { BootControl, Link, SlotNumber, TwoSlots, Verifier } from '../src/ports.ts';
import { provisionStore } from '../src/store/provision.ts';
import { demandSlotDigest, SlotWriter, slotHolds } from '../src/store/slots.ts';
import type { State } from '../src/store/state.ts';
import { Store } from '../src/store/store.ts';
import { CommandBoot } from './command-boot.ts';
import { replaceFile } from './durable.ts';
import { type FallbackOptions, fallbackLink, type Way } from './fallback.ts';
import { FileBoot } from './file-boot.ts';
import { httpLink } from './http.ts';
import { LinkBoot } from './link-boot.ts';
import { isLocalAddress } from './local/address.ts';
import { localLink } from './local/link.ts';
import { mqttLink } from './mqtt.ts';
import type { CommandTold } from './owner.ts';
import type { BootProfile, LinkProfile, Profile } from './profile.ts';
import { openRegions, recordFile, slotTargets } from './regions.ts';
import { systemTimer } from './system.ts';
import { slotFromFile, UbootBoot } from './uboot-boot.ts';
import { imageEnv, readEnvConfig } from './uboot-env.ts';
import { toolEnv } from './uboot-tool.ts';

export interface ProvisionOptions {
  /** Left out where the slot holds it already. */
  image?: Uint8Array;
  /** Of further components, by id; each may be left out likewise. */
  components?: Readonly<Record<string, Uint8Array>>;
  slot?: SlotNumber;
}

/**
 * The factory's step: the images into their slots, unless they are there already, then the journal, which makes it a device.
 * @throws Refusal EXISTS where it is one; WRONG_COMPONENTS where profile and record name different ones; RESULT_MISMATCH for
 * an image of another release; BAD_PROVISION
 */
export function provisionGateway(
  profile: Profile,
  verifier: Verifier,
  record: Uint8Array,
  { image: own, components: images = {}, slot = 0 }: ProvisionOptions = {},
): void {
  const { deviceId, image } = readProvision(record);
  demand(deviceId, 'BAD_PROVISION', 'the record is for no device: enrol it with --provision');
  // Said before it is a device: without a slot for one of them it could never be updated.
  checkComponents(profile, image.components ?? [], images);
  const done = recordFile(profile);
  demand(!existsSync(done), 'EXISTS', `${profile.folder} holds a device already`);
  const regions = openRegions(profile);
  try {
    for (const place of placesOf(regions.slots, slot, image)) {
      fill(verifier, place, place.id === undefined ? own : images[place.id]);
    }
    provisionStore(regions.store, verifier, record, slot);
    // The last step: until this file is there, the whole of it may be repeated.
    replaceFile(done, record);
  } finally {
    regions.close();
  }
}

function checkComponents(
  profile: Profile,
  named: readonly { id: string }[],
  images: Readonly<Record<string, unknown>>,
) {
  const [slots, record] = [profile.components, named].map((list) => list.map(({ id }) => id));
  const same = slots!.join() === record!.join();
  const text = `the profile has slots for ${namesOf(slots!)}, the record is of ${namesOf(record!)}`;
  demand(same, 'WRONG_COMPONENTS', text);
  const strange = Object.keys(images).find((id) => !slots!.includes(id));
  demand(strange === undefined, 'WRONG_COMPONENTS', `an image of ${strange}, which the device does not have`);
}

function namesOf(ids: readonly string[]): string {
  return [APPLICATION, ...ids].join(', ');
}

function fill(verifier: Verifier, place: ReturnType<typeof placesOf>[number], image: Uint8Array | undefined): void {
  const { flash, bytes, digest, id } = place;
  if (image && !slotHolds(flash, bytes, verifier.hash(), digest)) {
    const of = id === undefined ? 'the image' : `the image of ${id}`;
    demand(equal(verifier.sha256(image), digest), 'RESULT_MISMATCH', `${of} is not the one of the record`);
    const writer = new SlotWriter(flash, image.length);
    writer.write(image);
    writer.finish();
  }
  demandSlotDigest(flash, bytes, verifier.hash(), digest);
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

/** A boot control that has been told to boot. */
export interface Booting extends BootControl {
  boot(state: Pick<State, 'running' | 'pending' | 'handover'>): SlotNumber | Promise<SlotNumber>;
  /** Ends what it has under way. */
  close?(): void;
}

export function openBoot(
  profile: Profile,
  slots: TwoSlots,
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
        readBacks: readBacksOf(profile),
      });
    }
  }
}

function readBacksOf({ components }: Profile): Record<string, string> {
  return Object.fromEntries(components.flatMap(({ id, readBack }) => (readBack === undefined ? [] : [[id, readBack]])));
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
