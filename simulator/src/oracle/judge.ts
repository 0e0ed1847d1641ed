/**
 * The judge. It reads the flash from outside and the ledger byte by byte, with its own decoder and node:crypto, and calls
 * nothing of the SDK's verification: the accused does not grade itself.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { bootRegion } from '@countersign/device-sdk/rig';
import type { Fleet } from '../fleet/fleet.ts';
import type { VirtualDevice } from '../fleet/virtual-device.ts';
import type { LedgerRecord, LoggedReport } from './record.ts';

export interface Verdict {
  ok: boolean;
  /** Devices whose running slot was read. */
  slots: number;
  /** Reports whose signature and chain were checked. */
  reports: number;
  problems: string[];
}

/** Images by their SHA-256 in hex, of confirmed releases only. */
interface Released {
  bytes: number;
  version: string;
}

export function judge(fleet: Fleet, { releases, reports }: LedgerRecord): Verdict {
  const problems: string[] = [];
  const confirmed = releases.filter(({ state }) => state === 'confirmed');
  const images = new Map(
    confirmed.map((r): [string, Released] => [r.imageDigest, { bytes: r.imageBytes, version: r.version }]),
  );
  const imageOf = new Map(confirmed.map((r) => [r.manifestDigest, r.imageDigest]));
  const byDevice = new Map<string, LoggedReport[]>();
  for (const report of reports) byDevice.set(report.deviceId, [...(byDevice.get(report.deviceId) ?? []), report]);
  let checked = 0;
  for (const device of fleet.devices) {
    const say = (text: string) => problems.push(`device ${device.profile.number}: ${text}`);
    const running = runningImage(device, images);
    if (running === undefined) {
      say('runs an image that was never released');
      continue;
    }
    const own = byDevice.get(hex(device.profile.id)) ?? [];
    checked += checkReports(device, own, say);
    checkLastWord({ running, stays: isOneSlot(device) }, own.at(-1), imageOf, fleet.factoryImage, say);
  }
  return { ok: problems.length === 0, slots: fleet.devices.length, reports: checked, problems };
}

/**
 * SHA-256 in hex of what lies in the slot that boots, where that is a released image.
 * Read past the device's power, loader and SDK.
 */
export function runningImage(
  device: VirtualDevice,
  images: ReadonlyMap<string, { bytes: number }>,
): string | undefined {
  const slot = bootRegion(device.board);
  const sizes = new Set([...images.values()].map(({ bytes }) => bytes));
  for (const bytes of sizes) {
    if (bytes > slot.bytes) continue;
    const digest = createHash('sha256').update(slot.dump(0, bytes)).digest('hex');
    if (images.get(digest)?.bytes === bytes) return digest;
  }
  return undefined;
}

/** Each report is signed by the device's key and continues the one before it, and none that was acknowledged is missing. */
function checkReports(device: VirtualDevice, own: readonly LoggedReport[], say: (text: string) => void): number {
  const key = publicKey(device.profile.keys.publicKey);
  let previous = '0'.repeat(64);
  let counter = 0;
  for (const report of own) {
    if (!verify(null, report.signed, key, report.signature)) say(`report ${report.counter} is not signed by its key`);
    if (report.counter !== counter + 1) say(`report ${report.counter} follows report ${counter}`);
    if (report.previous !== previous) say(`report ${report.counter} does not continue the one before it`);
    previous = report.own;
    counter = report.counter;
  }
  const { reports, outbox } = device.state ?? { reports: { counter: 0 }, outbox: [] };
  const acknowledged = reports.counter - outbox.length;
  if (counter < acknowledged) say(`report ${acknowledged} was acknowledged, and the ledger has ${counter}`);
  return own.length;
}

/** The ledger's last word about a device is true of its slot. */
function checkLastWord(
  { running, stays }: { running: string; stays: boolean },
  last: LoggedReport | undefined,
  imageOf: ReadonlyMap<string, string>,
  factory: string | undefined,
  say: (text: string) => void,
): void {
  if (last === undefined) {
    if (running !== factory) say('runs another image than the factory gave it, and the ledger knows nothing of it');
    return;
  }
  const tried = imageOf.get(last.manifestDigest);
  if (last.outcome !== 'trial' && last.slotDigest !== running) say(`reported slot ${last.slotDigest}, runs ${running}`);
  if (last.outcome === 'updated' && tried !== running) say('reported an update to another image than it runs');
  // With one slot an image that failed its test stays, for there is no other.
  if (last.outcome === 'reverted' && tried === running && !stays) say('reported a revert of the image that it runs');
}

function isOneSlot({ board }: VirtualDevice): boolean {
  return 'slot' in board.slots;
}

const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

function publicKey(raw: Uint8Array) {
  return createPublicKey({ key: Buffer.concat([SPKI, raw]), format: 'der', type: 'spki' });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
