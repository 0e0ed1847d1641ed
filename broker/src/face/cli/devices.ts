import { ALG_ED25519, hex, type PublicKey, unhex, utf8 } from '@countersign/device-sdk/format';
import type { Command } from 'commander';
import { mosquittoAcl } from '../../distribution/delivery/acl.ts';
import type { DeviceView, ReleaseView } from '../../ledger/contract/views.ts';
import { writeDurable } from '../../store/durable.ts';
import type { DeviceJson, DeviceNotes, Suspected } from '../api/device-json.ts';
import { enrolDevices, type NewDevice, revokeDevice } from '../client/devices.ts';
import { type FactoryFiles, writeFactoryFiles } from '../client/provision.ts';
import { randomDeviceId } from '../client/rollouts.ts';
import type { Session } from '../client/session.ts';
import { inPath } from '../client/session.ts';
import {
  connect,
  connectAs,
  type PersonOptions,
  personOptions,
  readInput,
  type ServerOptions,
  serverOptions,
} from './connect.ts';
import { grantVerbs } from './grants.ts';
import { readPublic } from './people.ts';
import { note, verb, WrongUse } from './program.ts';
import { lwm2mText, type Standing, standingOf } from './standing.ts';
import { table, timeText } from './table.ts';
import { collectLabels, readDeviceId } from './values.ts';

type Device = DeviceView & DeviceNotes & Suspected;
/** One device, with all that is shown of it. */
type Shown = DeviceJson & ReturnType<typeof named> & Standing;

interface EnrolOptions extends PersonOptions {
  product: string;
  key?: string;
  id?: Uint8Array;
  name?: string;
  label?: Record<string, string>;
  batch?: string;
  provision?: string;
  out?: string;
}

/** `devices [ID]`, `devices enrol`, `devices revoke`, and those of claim codes. */
export function deviceVerbs(program: Command): void {
  const devices = program.command('devices').description('which devices run what');
  listVerb(devices);
  enrolVerb(devices);
  revokeVerb(devices);
  aclVerb(devices);
  retryVerb(devices);
  grantVerbs(devices);
}

function listVerb(devices: Command): void {
  const command = serverOptions(
    devices.argument('[id]', 'one device, by its id or at least the first 8 digits'),
  ).option('--product <name>', 'of one product');
  verb(command, async (id: string | undefined, options: ServerOptions & { product?: string }) => {
    const { api } = await connect(options);
    const releases = (await api.get('/api/v1/releases')) as ReleaseView[];
    const now = Math.floor(Date.now() / 1000);
    const running = <D extends Device>(device: D) => ({
      ...device,
      ...named(device, releases),
      ...standingOf(device, now),
    });
    if (id !== undefined) {
      const device = (await api.get(`/api/v1/devices/${inPath(id.toLowerCase())}`)) as DeviceJson;
      const shown = { ...running(device), ...standingOf(device, now, offeredTo(device, releases)) };
      return { json: shown, text: deviceText(shown) };
    }
    const all = ((await api.get('/api/v1/devices', { product: options.product })) as Device[]).map(running);
    const rows = all.map((d) => [
      d.deviceId,
      d.product,
      d.name ?? '',
      labelText(d),
      d.clone?.code ?? d.state,
      d.version,
      d.standing,
      d.code,
      timeText(d.reportedAt),
    ]);
    const head = ['device', 'product', 'name', 'labels', 'state', 'runs', 'standing', 'code', 'reported'];
    return { json: all, text: table(head, rows) };
  });
}

/**
 * People know products by names and images by versions; a device reports the digest of the image it runs. Of releases
 * of one image the device runs the newest it was given, which is the one that its last report is about, or else any.
 */
function named({ classId, slotDigest, manifestDigest }: Device, releases: ReleaseView[]) {
  const own = releases.filter((release) => release.classId === classId);
  const running = own.filter(({ imageDigest }) => imageDigest === slotDigest);
  const reported = running.find((release) => release.manifestDigest === manifestDigest) ?? running[0];
  return { product: own[0]?.product ?? null, version: reported?.version ?? null };
}

function offeredTo({ unanswered }: DeviceJson, releases: ReleaseView[]) {
  if (!unanswered) return undefined;
  const release = releases.find(({ releaseLeaf }) => releaseLeaf === unanswered.releaseLeaf);
  return { ...unanswered, release: release ? `${release.product}@${release.version}` : 'A release' };
}

function deviceText(d: Shown): string {
  const further = (d.components ?? []).map(({ id, digest, code }) => [`component ${id}`, `${code} ${digest}`] as const);
  const key = d.alg === ALG_ED25519 ? 'Ed25519' : `algorithm ${d.alg}`;
  return table(
    ['what', 'value'],
    [
      ['device', d.deviceId],
      ['name', d.name ?? null],
      ['labels', labelText(d)],
      ['product', d.product],
      ['class', d.classId],
      ['runs', d.version],
      ['image digest', d.slotDigest],
      ...further,
      ['standing', d.standing],
      ['explained', d.explained],
      ['due', timeText(d.due)],
      ['last outcome', d.outcome],
      ['code', d.code],
      ['LwM2M update', lwm2mText(d.updateState, d.updateResult)],
      ['SUIT reason', d.reason],
      ['about manifest', d.manifestDigest],
      ['in rollout', d.rolloutId],
      ['reported', timeText(d.reportedAt)],
      ['reports', `${d.counter} in epoch ${d.epoch}`],
      ['last report', d.lastReport],
      ...cloneRows(d),
      ['enrolled', d.state === 'enrolled' ? 'yes' : d.state],
      ['public key', `${key} ${d.publicKey}`],
      ['last entry', d.previous],
    ],
  );
}

function cloneRows({ clone }: Suspected): [string, string][] {
  if (!clone) return [];
  const [logged, other] = clone.images;
  return [
    [clone.code, `two devices report with this key, seen ${timeText(clone.at)}; neither gets a new release`],
    ['they run', logged === other ? `both ${logged}` : `${logged} and ${other}`],
    ['to do', 'revoke it, or enrol the one that is yours anew: devices enrol --id ID --key NEW'],
  ];
}

function labelText({ labels }: DeviceNotes): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}

function enrolVerb(devices: Command): void {
  const command = personOptions(devices.command('enrol').description('put devices and their public keys on the record'))
    .requiredOption('--product <name>', 'product name or class id')
    .option('--key <public>', "the device's public key: 64 hex digits (Ed25519), a PEM file or a COSE_Key file")
    .option('--id <id>', 'device id, 32 hex digits; random where not given', readDeviceId)
    .option('--name <name>', 'what operators call it; never in the ledger')
    .option('--label <key=value>', 'group it, for rollouts; never in the ledger; repeat for more', collectLabels)
    .option('--batch <file>', 'a line each: public key in hex, then ID or -, then labels key=value')
    .option('--provision <version>', "write the factory's files for the one device: this release and its record")
    .option('--out <folder>', 'where they go', '.');
  verb(command, async (options: EnrolOptions) => {
    if (options.provision !== undefined && options.batch !== undefined) {
      throw new WrongUse('--provision is for one device, not for a batch');
    }
    const list =
      options.batch === undefined ? [await oneDevice(options)] : readBatch(await readInput(options.batch), options);
    const { session, signer } = await connectAs(options, ['operator']);
    const committed = await enrolDevices(session, signer, options.product, list);
    const files = await factoryFiles(session, options, list);
    const json = {
      ...files,
      devices: list.map(({ id, key }) => ({ deviceId: hex(id), publicKey: hex(key.bytes) })),
      entries: committed.map(({ leafIndex }) => leafIndex),
    };
    const { components = {}, ...own } = files;
    for (const path of [...Object.values(own), ...Object.values(components)]) note(`wrote ${path}`);
    return { json, text: list.map(({ id }) => hex(id)).join('\n') };
  });
}

async function factoryFiles(session: Session, o: EnrolOptions, list: NewDevice[]): Promise<Partial<FactoryFiles>> {
  if (o.provision === undefined) return {};
  return writeFactoryFiles(session, o.product, o.provision, list[0]!.id, o.out ?? '.');
}

async function oneDevice(o: EnrolOptions): Promise<NewDevice> {
  if (o.key === undefined) throw new WrongUse('give --key PUBLIC, or --batch FILE for many');
  const key = await readPublic(o.key);
  return { id: o.id ?? randomDeviceId(), key, labels: o.label ?? {}, ...(o.name !== undefined && { name: o.name }) };
}

function readBatch(bytes: Uint8Array, o: EnrolOptions): NewDevice[] {
  if (o.key !== undefined || o.id !== undefined) throw new WrongUse('--batch names keys and ids itself');
  const lines = new TextDecoder().decode(bytes).split(/\r?\n/);
  const list = lines.flatMap((line, i) => (/^\s*(#|$)/.test(line) ? [] : [readLine(line.trim(), i + 1, o)]));
  if (list.length === 0) throw new WrongUse(`${o.batch} names no device`);
  return list;
}

function readLine(line: string, number: number, o: EnrolOptions): NewDevice {
  const [keyText = '', idText = '-', ...labelTexts] = line.split(/\s+/);
  const key = hexKey(keyText);
  const id = idText === '-' ? randomDeviceId() : unhex(idText);
  if (!key || id?.length !== 16) throw new WrongUse(`${o.batch}, line ${number}: expected KEY [ID|-] [label=value …]`);
  try {
    return { id, key, labels: labelTexts.reduce((all, text) => collectLabels(text, all), o.label ?? {}) };
  } catch {
    throw new WrongUse(`${o.batch}, line ${number}: a label is written key=value`);
  }
}

/** The shortest way to write an Ed25519 key. The ledger checks the point itself. */
function hexKey(text: string): PublicKey | undefined {
  const bytes = unhex(text);
  return bytes?.length === 32 ? { alg: ALG_ED25519, bytes } : undefined;
}

/** For another broker than ours: it is told who is revoked by its own file. */
function aclVerb(devices: Command): void {
  const command = serverOptions(
    devices.command('acl').description("Mosquitto's rights file, with revoked devices shut out; reload it afterwards"),
  ).option('-o, --out <file>', 'write it here, whole or not at all; otherwise it is printed');
  verb(command, async (options: ServerOptions & { out?: string }) => {
    const { api } = await connect(options);
    const all = (await api.get('/api/v1/devices')) as Device[];
    const revoked = all.filter(({ state }) => state === 'revoked').map(({ deviceId }) => deviceId);
    const acl = mosquittoAcl(revoked.sort());
    if (options.out !== undefined) await writeDurable(options.out, utf8(acl), { mode: 0o640 });
    return { json: { revoked, file: options.out ?? null, acl }, text: options.out ?? acl };
  });
}

/** For a device that has used up what a rollout may cost it, or that should not wait for its next question. */
function retryVerb(devices: Command): void {
  const command = serverOptions(
    devices
      .command('retry')
      .description('have a device ask now and try again what it has given up for this rollout')
      .argument('<id>', 'device id, or at least its first 8 digits'),
  ).option('--ask', 'only ask now: what it has used up stays used up');
  verb(command, async (id: string, options: ServerOptions & { ask?: boolean }) => {
    const { api } = await connect(options);
    const path = `/api/v1/devices/${inPath(id.toLowerCase())}/commands`;
    const json = (await api.post(path, { command: options.ask ? 'ask' : 'retry' })) as { counter: number };
    return { json, text: `command ${json.counter} went out; a device that is not connected does not hear it` };
  });
}

function revokeVerb(devices: Command): void {
  const command = personOptions(
    devices.command('revoke').description('refuse a device from now on').argument('<id>', 'device id', readDeviceId),
  ).requiredOption('--reason <text>', 'why; it stays on the record');
  verb(command, async (id: Uint8Array, options: PersonOptions & { reason: string }) => {
    const { session, signer } = await connectAs(options, ['operator']);
    const committed = await revokeDevice(session, signer, id, options.reason);
    return { json: { deviceId: hex(id), ...committed }, text: `revoked ${hex(id)}, entry ${committed.leafIndex}` };
  });
}
