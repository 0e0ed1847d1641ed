/**
 * The trial of one release: devices of every profile, the true SDK on virtual boards, take the very manifest, block 1 and
 * frames that the field would get, through a network that fails and power that goes. One seed, one log, one record.
 */

import { createHash } from 'node:crypto';
import { type TrialAuthority, trialAuthority } from '@countersign/broker/collection/trial/authority';
import type { TrialRecord } from '@countersign/broker/ledger/contract/trial-args';
import type { ProductView } from '@countersign/broker/ledger/contract/views';
import type { Verifier } from '@countersign/device-sdk';
import { CLASS_BYTES } from '@countersign/device-sdk/delta';
import {
  ALG_ED25519,
  APPLICATION,
  hex,
  leafHash,
  manifestDigest,
  type PublicKey,
  type ReleaseImage,
  readBlock1,
  readManifest,
} from '@countersign/device-sdk/format';
import { nodeKeyStore } from '@countersign/device-sdk/host/crypto';
import { linkOver } from '@countersign/device-sdk/host/link';
import { provisionStore } from '@countersign/device-sdk/provision';
import { PagePool, Prng } from '@countersign/device-sdk/rig';
import { boards, type Factory } from '../fleet/fleet.ts';
import { drawProfile, type Profile } from '../fleet/profile.ts';
import { type Change, type DeviceWorld, VirtualDevice } from '../fleet/virtual-device.ts';
import { changeLine, deviceName } from '../report/lines.ts';
import { NO_VIRTUAL_FAULTS, type VirtualRates } from '../virtual/faults.ts';
import { stampOf } from '../virtual/log.ts';
import { VirtualNetwork } from '../virtual/network.ts';
import { BEGINNING, VirtualTime } from '../virtual/time.ts';
import { Counts } from './counts.ts';
import { Ending, type ExpectedPart } from './end.ts';
import { serveTrial, trialGate } from './server.ts';

export interface TrialInput {
  verifier: Verifier;
  product: Pick<ProductView, 'classId' | 'memoryClass' | 'slotBytes' | 'oneSlot' | 'components'>;
  block1: Uint8Array;
  collectionKey: PublicKey;
  manifest: Uint8Array;
  image: Uint8Array;
  /** Images of further components, in the product's order. */
  components?: readonly { id: string; image: Uint8Array }[];
  /** By chain head in hex. */
  frames: ReadonlyMap<string, readonly Uint8Array[]>;
  profiles: readonly TrialKind[];
  seed: string;
  rates: VirtualRates;
  line(text: string): void;
}

/** Devices that have everything in common but chance. */
export interface TrialKind {
  hardware: string;
  /** null: of an image that no branch is from. */
  baseDigest: Uint8Array | null;
  base: Uint8Array;
  devices: number;
  /** Where further components come from, in the product's order. */
  components?: readonly { id: string; baseDigest: Uint8Array | null; base: Uint8Array }[];
}

/** Faults last so long at most; then the world is healed, and who has not arrived has to arrive or to say why. */
const STORM_MS_MAX = 1_800_000;
/** Then it is over. A device asks every two minutes, so it has had some fifty more chances. */
const VIRTUAL_MS_MAX = STORM_MS_MAX + 6_000_000;
/** One that takes more goes round in circles: an update makes some hundred. */
const EVENTS_PER_DEVICE_MAX = 50_000;
const SWITCH_ON_MS = 20;
const LOOK_MS = 1_000;
const ASK_SECONDS = 120;
/** Longer than a trial lasts, so that its one head stays fresh. */
const HEAD_AGE_MAX_SECONDS = 7 * 86_400;

export async function runTrial(input: TrialInput): Promise<TrialRecord> {
  const { verifier, manifest, block1, seed, rates, profiles: kinds } = input;
  const { sequence } = readManifest(manifest);
  const releaseLeaf = leafHash(verifier.sha256, block1);
  const lines: string[] = [];
  const line = (text: string) => {
    lines.push(text);
    input.line(text);
  };
  line(headlineOf(input, releaseLeaf, sequence));
  const stage = await build(input, line);
  const { all } = stage;
  if (!(await runUntilEnded(stage, STORM_MS_MAX))) {
    line('the world is healed');
    stage.heal();
    await runUntilEnded(stage, VIRTUAL_MS_MAX);
  }
  await switchOff(stage);
  const counts = kinds.map((kind) => new Counts(kind));
  for (const { ending, kind } of all) {
    const code = ending.judge();
    const further = counts[kind]!.add(code, ending.judgeParts(code));
    line(`end ${deviceName(ending.device)}  ${code}${further}`);
  }
  return {
    releaseLeaf,
    sequence,
    seed,
    faults: faultsOf(rates),
    profiles: counts.map((one) => one.profile),
    logDigest: new Uint8Array(createHash('sha256').update(lines.join('\n')).digest()),
  };
}

interface Stage {
  time: VirtualTime;
  network: VirtualNetwork;
  all: { ending: Ending; kind: number }[];
  heal(): void;
}

/** Time, network, server and devices; each device is switched on by an event of the virtual clock. */
async function build(input: TrialInput, line: (text: string) => void): Promise<Stage> {
  const { verifier, manifest, seed, profiles: kinds, product } = input;
  const { sequence, classId } = readManifest(manifest);
  const digest = manifestDigest(verifier.sha256, manifest);
  const authority = await authorityOf(input);
  const time = new VirtualTime();
  const kindOf = kinds.flatMap(({ devices }, kind) => Array.from({ length: devices }, () => kind));
  const drawn = kindOf.map((kind, number) => drawProfile(seed, number, [[kinds[kind]!.hardware, 1]]));
  const known = new Map(drawn.map((profile) => [hex(profile.id), profile]));
  let weather: VirtualRates = input.rates;
  const rates = () => weather;
  const network = new VirtualNetwork({ seed, time, authenticate: trialGate(verifier, known, classId), rates });
  serveTrial({ verifier, network, authority, devices: known, frames: input.frames });
  await network.publishAnnouncement(classId, authority.announcement);
  const endings = new Map<VirtualDevice, Ending>();
  const world = deviceWorld({ ...input, classId, time, network, rates }, (device, change) => {
    endings.get(device)?.see(change);
    const text = changeLine(stampOf(time.elapsedMs()), device, change);
    if (text !== undefined) line(text);
  });
  const pool = new PagePool();
  const factories = kinds.map((kind) => boards(factoryOf(product, kind), pool, verifier));
  const all = drawn.map((profile, number) => {
    const kind = kindOf[number]!;
    const board = factories[kind]!(profile.geometry, seed, 'board', number);
    provisionStore(board.store, verifier, authority.provision(runningOf(verifier, kinds[kind]!), profile.id));
    const device = new VirtualDevice(profile, board, world);
    const parts = partsOf(input, kinds[kind]!);
    const ending = new Ending(device, { sequence, manifestDigest: digest, parts }, time.elapsedMs);
    endings.set(device, ending);
    time.after(number * SWITCH_ON_MS, () => device.switchOn());
    return { ending, kind };
  });
  const heal = () => {
    weather = NO_VIRTUAL_FAULTS;
    for (const { ending } of all) ending.heal();
  };
  return { time, network, all, heal };
}

/** Each device has a record of its own. */
const NO_RECORD = new Uint8Array();

/** Boards with slots as the product has them, and in them what these devices come from. */
function factoryOf(product: TrialInput['product'], { base, components }: TrialKind): Factory {
  const { memoryClass, slotBytes, oneSlot } = product;
  const further = components?.map(({ id, base: image }) => {
    return { id, image, slotBytes: product.components!.find((one) => one.id === id)!.slotBytes };
  });
  const common = { memoryClass, slotBytes, oneSlot, image: base, record: NO_RECORD };
  return further ? { ...common, components: further } : common;
}

function runningOf({ sha256 }: Verifier, { base, components }: TrialKind): ReleaseImage {
  const idOf = (image: Uint8Array) => ({ digest: sha256(image), bytes: image.length });
  const further = components?.map((one) => ({ id: one.id, ...idOf(one.base) }));
  return further ? { ...idOf(base), components: further } : idOf(base);
}

/** What a device comes from and is to get, of every component. */
function partsOf({ image, components = [] }: TrialInput, kind: TrialKind): ExpectedPart[] {
  const further = components.map(({ id, image: own }, i) => ({ id, image: own, base: kind.components![i]!.base }));
  return [{ id: APPLICATION, image, base: kind.base }, ...further];
}

/** Block 1 is the true one; everything behind it, which only an approval can bring about, is made from the seed. */
function authorityOf({ verifier, manifest, block1, collectionKey, seed }: TrialInput): Promise<TrialAuthority> {
  const { previousLeaf } = readBlock1(block1);
  return trialAuthority(verifier, manifest, {
    signed: { block1, key: collectionKey, previousLeaf },
    signer: (role) => nodeKeyStore(ALG_ED25519, new Prng(seed, 'key', role).bytes(32)),
    time: BEGINNING,
    headAgeMax: HEAD_AGE_MAX_SECONDS,
  });
}

/** Shares in parts in a million, as the record has them. */
export function faultsOf({ loss, lie, powerCut }: VirtualRates): TrialRecord['faults'] {
  return { lossPpm: Math.round(loss * 1e6), liePpm: Math.round(lie * 1e6), powerCut };
}

interface DeviceWorldParts extends Pick<TrialInput, 'seed' | 'verifier' | 'product'> {
  classId: Uint8Array;
  time: VirtualTime;
  network: VirtualNetwork;
  rates: () => VirtualRates;
}

function deviceWorld(
  { seed, verifier, product: { memoryClass }, classId, time, network, rates }: DeviceWorldParts,
  changed: (device: VirtualDevice, change: Change) => void,
): DeviceWorld {
  const links = new Map<number, number>();
  return {
    seed,
    verifier,
    timer: time,
    clock: () => ({ now: time.now }),
    elapsedMs: time.elapsedMs,
    memoryClass,
    workspaceBytes: CLASS_BYTES[memoryClass],
    askSeconds: ASK_SECONDS,
    // What happens to messages is the network's part.
    rates: () => ({ loss: 0, powerCut: rates().powerCut }),
    link(profile: Profile, _faults, trouble) {
      const number = links.get(profile.number) ?? 0;
      links.set(profile.number, number + 1);
      const random = new Prng(seed, 'link', profile.number, number);
      const entropy = { random: (bytes: number) => random.bytes(bytes) };
      const options = { deviceId: profile.id, classId, timer: time, trouble, entropy };
      return linkOver(options, (dial, events) => network.connect(profile, dial, events));
    },
    entropy({ number }, boot) {
      const random = new Prng(seed, 'entropy', number, boot);
      return { random: (bytes) => random.bytes(bytes) };
    },
    changed,
    heard: () => {},
    answered: () => {},
  };
}

/** @returns whether every device has an end; false when time or events are used up: nothing waits for ever */
async function runUntilEnded({ time, network, all }: Stage, untilMs: number): Promise<boolean> {
  const eventsMax = EVENTS_PER_DEVICE_MAX * all.length;
  for (let look = time.elapsedMs() + LOOK_MS; look <= untilMs; look += LOOK_MS) {
    while (await time.step(look)) {
      network.flush();
      if (time.happened > eventsMax) return false;
    }
    if (all.every(({ ending }) => ending.done)) return true;
  }
  return false;
}

async function switchOff({ time, network, all }: Stage): Promise<void> {
  let off = false;
  const switching = Promise.all(all.map(({ ending }) => ending.device.switchOff())).then(() => {
    off = true;
  });
  while (!off && (await time.step(Number.POSITIVE_INFINITY))) network.flush();
  await switching;
}

/** Everything that decides what happens, so that the log's digest is of this trial and no other. */
function headlineOf({ seed, rates, profiles, product }: TrialInput, leaf: Uint8Array, sequence: number): string {
  const { lossPpm, liePpm, powerCut } = faultsOf(rates);
  const nameOf = (base: Uint8Array | null) => (base ? hex(base) : 'other');
  const kinds = profiles.map(({ hardware, baseDigest, components = [], devices }) => {
    const from = [baseDigest, ...components.map((one) => one.baseDigest)].map(nameOf).join('+');
    return `${hardware}:${from}:${devices}`;
  });
  const faults = `loss ${lossPpm} lies ${liePpm} power-cut ${powerCut}`;
  const further = (product.components ?? []).map(({ id, slotBytes }) => ` ${id} ${slotBytes}`).join('');
  const board = `${product.memoryClass} slot ${product.slotBytes}${further}`;
  return `trial ${hex(leaf)} sequence ${sequence} seed ${seed} ${faults} class ${board} ${kinds.join(' ')}`;
}
