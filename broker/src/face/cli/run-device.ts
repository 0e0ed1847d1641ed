/** What the verbs of `device` do. */
import { existsSync } from 'node:fs';
import { demand, type SlotNumber } from '@countersign/device-sdk';
import { encodeProvision, hex, readProvision } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { DeviceProcess } from '@countersign/device-sdk/host/device-process';
import { provisionGateway, readIdentity, readState } from '@countersign/device-sdk/host/gateway';
import { createKey, type LoadedKey, loadSigner } from '@countersign/device-sdk/host/key-file';
import { findPassphrase } from '@countersign/device-sdk/host/passphrase';
import { type Profile, readProfile } from '@countersign/device-sdk/host/profile';
import { alone as aloneIn, onStop, openBundles } from './alone.ts';
import { claimOnce, randomId } from './claim-device.ts';
import { readComponents, readInput } from './connect.ts';
import { errorText, eventText, type Say, saidOnce } from './device-text.ts';
import { note, type Outcome, WrongUse } from './program.ts';
import { table } from './table.ts';

export interface DeviceOptions {
  profile: string;
  passphraseFile?: string;
}

export interface ProvisionOptions extends DeviceOptions {
  record: string;
  image?: string;
  component?: Record<string, string>;
  slot: string;
  newId?: boolean;
}

export interface RunOptions extends DeviceOptions {
  claim?: string;
  claimUrl?: string;
  serial?: string;
  claimCert?: boolean;
  bundle?: string[];
  json?: boolean;
}

/** Made where it is not there: who wants it sealed gives the passphrase now. */
export async function keyOf(o: DeviceOptions): Promise<Outcome> {
  const profile = readProfile(o.profile);
  const passphrase = await findPassphrase({ file: o.passphraseFile });
  const made = !existsSync(profile.key);
  const { publicKey } = made
    ? await createKey(profile.key, 'device', { passphrase })
    : await openKey(profile, passphrase);
  if (made) note(`made ${profile.key}, ${passphrase === undefined ? 'not sealed: protect it' : 'sealed'}`);
  return { json: { publicKey: hex(publicKey), made, sealed: passphrase !== undefined }, text: hex(publicKey) };
}

export async function provision(o: ProvisionOptions): Promise<Outcome> {
  if (o.slot !== '0' && o.slot !== '1') throw new WrongUse('--slot is 0 or 1');
  const profile = readProfile(o.profile);
  const record = withId(await readInput(o.record), o.newId === true);
  const image = o.image === undefined ? undefined : await readInput(o.image);
  const components = await readComponents(o.component);
  return alone(profile, async () => {
    const slot = Number(o.slot) as SlotNumber;
    provisionGateway(profile, nodeVerifier(), record, { slot, components, ...(image && { image }) });
    const deviceId = hex(readIdentity(profile).deviceId);
    return { json: { deviceId, slot }, text: `${profile.folder} is device ${deviceId}` };
  });
}

/** The same record for every device of a line: this one names itself, and a claim code makes it known. */
function withId(record: Uint8Array, newId: boolean): Uint8Array {
  if (!newId) return record;
  const read = readProvision(record);
  demand(!read.deviceId, 'BAD_PROVISION', 'the record is for one device already: --new-id is for one without an id');
  return encodeProvision({ ...read, deviceId: randomId() });
}

export async function statusOf(o: DeviceOptions): Promise<Outcome> {
  const profile = readProfile(o.profile);
  return alone(profile, async () => {
    const { running, floor, pending, outbox, failed, identity, damaged } = readState(profile, nodeVerifier());
    const json = {
      deviceId: hex(identity.deviceId),
      version: running.version,
      sequence: running.sequence,
      slot: running.slot,
      imageSha256: hex(running.image.digest),
      ...(running.image.components && {
        components: Object.fromEntries(running.image.components.map(({ id, digest }) => [id, hex(digest)])),
      }),
      floor,
      pending: pending ? { version: pending.version, phase: pending.phase, attempt: pending.attempt } : null,
      reportsWaiting: outbox.length,
      failed: failed.length,
      damaged,
    };
    const rows = Object.entries(json).map(([field, value]) => [field, value === null ? null : textOf(value)]);
    return { json, text: table(['field', 'value'], rows) };
  });
}

function textOf(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Ends when it is told to, or when its supervisor has to start it again: both are exit 0. */
export async function run(o: RunOptions): Promise<void> {
  if (o.claimCert && (o.claim !== undefined || o.serial !== undefined)) {
    throw new WrongUse('--claim-cert goes without --claim and --serial');
  }
  const profile = readProfile(o.profile);
  const verifier = nodeVerifier();
  const passphrase = await findPassphrase({ file: o.passphraseFile });
  const making = (o.claim !== undefined || o.claimCert) && !existsSync(profile.key);
  const keys = making ? await createKey(profile.key, 'device', { passphrase }) : await openKey(profile, passphrase);
  await alone(profile, async () => {
    const by = { code: o.claim, serial: o.serial, certificate: o.claimCert, url: o.claimUrl };
    if (o.claim !== undefined || o.serial !== undefined || o.claimCert) await claimOnce(profile, keys, by);
    const say = o.json ? sayJson : sayText;
    const shelves = openBundles(o.bundle ?? [], verifier);
    const device = new DeviceProcess({ profile, keys, verifier, shelves, on: say() });
    const over = onStop(() => device.stop());
    const ended = await device.run();
    over();
    if (ended === 'restart') note('ended, to be started again by its supervisor');
  });
  // A command of the owner that is still being waited for must not keep a stopped device alive.
  process.exit(0);
}

async function openKey({ key }: Profile, passphrase: string | undefined): Promise<LoadedKey> {
  demand(existsSync(key), 'NOT_FOUND', `${key} is not there: make it with \`countersign device key\``);
  const loaded = await loadSigner(key, passphrase);
  demand(loaded.role === 'device', 'WRONG_ROLE', `${key} is a key of role ${loaded.role}, not of a device`);
  return loaded;
}

/** One process on a device's folder; the system lets go of it when the process dies. */
function alone<T>({ folder }: Profile, work: () => Promise<T>): Promise<T> {
  return aloneIn(folder, 'the device', work);
}

/** Progress in whole percents: a line for each frame would drown the rest. */
function seldom(say: Say): Say {
  let last = -1;
  return (event) => {
    if (event.kind !== 'progress') return say(event);
    const percent = Math.floor((100 * event.bytes) / event.of);
    if (percent !== last) say(event);
    last = percent;
  };
}

function sayJson(): Say {
  return seldom((event) => {
    const shown = {
      at: new Date().toISOString(),
      ...event,
      ...('error' in event && { error: errorText(event.error) }),
    };
    process.stdout.write(`${JSON.stringify(shown)}\n`);
  });
}

function sayText(): Say {
  return seldom(saidOnce((event) => process.stdout.write(`${new Date().toISOString()}  ${eventText(event)}\n`)));
}
