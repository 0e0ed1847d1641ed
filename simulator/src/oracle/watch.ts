/**
 * The judge at every step: after each change that may leave another flash or boot record behind, it looks at the device
 * from outside, against the ledger as it was under the very head that the device had stored.
 */
import { bootRegion } from '@countersign/device-sdk/rig';
import type { Fleet } from '../fleet/fleet.ts';
import type { Change, VirtualDevice } from '../fleet/virtual-device.ts';
import type { Chronicle } from './chronicle.ts';
import { faultsOfImage, type Law, lawOf, newest } from './judge.ts';
import { Images, isOneSlot, trialRegion } from './slots.ts';

export interface Watch {
  readonly problems: readonly string[];
  readonly looks: number;
}

/** What the judge itself has seen of a device; nothing of it comes from the device's own memory. */
interface Seen {
  /** Images whose installation was seen, and was right. */
  readonly installed: Set<string>;
  trial: string | undefined;
  running: string | undefined;
  /** The newest release that the loader took for good. */
  floor: number;
  headSize: number;
}

/** Changes after which flash, boot record or stored head may be another. */
const LOOKED_AT: ReadonlySet<Change['kind']> = new Set(['on', 'off', 'cut', 'stage', 'updated', 'reverted']);

/** @param chronicle as far as the ledger has come */
export function watchFleet(fleet: Fleet, chronicle: () => Chronicle, say: (text: string) => void): Watch {
  const problems: string[] = [];
  const seen = new Map<VirtualDevice, Seen>();
  const images = new Images();
  let looks = 0;
  for (const device of fleet.devices) seen.set(device, asItIs(device, images, lawOf(fleet, chronicle())));
  fleet.watch((device, change) => {
    const tell = (text: string) => report(device, text);
    if (change.kind === 'stuck') tell(`is stuck: ${change.text}`);
    if (!LOOKED_AT.has(change.kind)) return;
    if (change.kind === 'stage' && change.stage !== 'trial') return;
    looks++;
    const ledger = chronicle();
    const law = lawOf(fleet, ledger);
    const before = seen.get(device)!;
    const now = { running: images.in(bootRegion(device.board), law.sizes), trial: trialOf(device, images, law) };
    look({ device, fleet, ledger, law }, before, now, tell);
  });
  return {
    problems,
    get looks() {
      return looks;
    },
  };

  function report({ profile }: VirtualDevice, text: string): void {
    const problem = `device ${profile.number} (${profile.revision}): ${text}`;
    problems.push(problem);
    say(`UNSAFE ${problem}`);
  }
}

interface Place {
  device: VirtualDevice;
  fleet: Fleet;
  ledger: Chronicle;
  law: Law;
}

type Now = { running: string | undefined; trial: string | undefined };

function look(place: Place, before: Seen, now: Now, tell: (text: string) => void): void {
  const { device, law } = place;
  checkHead(place, before, tell);
  const { running, trial } = now;
  if (trial !== undefined && trial !== before.trial) checkInstall(place, trial, before, tell);
  before.trial = trial;
  if (running === undefined) {
    // The loader of a device with one slot goes on where the power went before it jumps: nothing runs meanwhile.
    if (!isOneSlot(device) || device.board.boot.booted) tell('boots an image that was never released');
    return;
  }
  if (running !== before.running) {
    if (isOneSlot(device)) checkInstall(place, running, before, tell);
    else if (!before.installed.has(running)) tell(`boots ${nameOf(running, law)}, whose installation nobody saw`);
  }
  before.running = running;
  const sequence = newest(running, law);
  if (sequence < before.floor) tell(`boots release ${sequence} below its floor ${before.floor}`);
  if (isForGood(device)) before.floor = Math.max(before.floor, sequence);
}

/** The bytes that are to be booted were signed twice, logged, and current under the head that the device had stored. */
function checkInstall({ device, fleet, ledger, law }: Place, digest: string, before: Seen, tell: (t: string) => void) {
  const releases = law.images.get(digest);
  if (!releases) return tell('installs an image that was never released');
  for (const fault of faultsOfImage(digest, law, ledger, fleet)) tell(fault);
  const size = device.state?.head.size ?? 0;
  const current = ledger.currentAt(fleet.classId!, size);
  const fits = releases.some(({ leaf }) => current?.open && leaf === current.releaseLeaf);
  if (!fits) tell(`installs ${nameOf(digest, law)}, which was not current under its head of ${size} entries`);
  before.installed.add(digest);
}

/** The head that a device stores is one that the ledger had, and never an older one than before. */
function checkHead({ device, ledger }: Place, before: Seen, tell: (text: string) => void): void {
  const { head } = device.state ?? {};
  if (!head) return;
  const root = Buffer.from(head.root).toString('hex');
  if (ledger.tree.rootAt(head.size) !== root) tell(`stores a head of ${head.size} entries that the ledger never had`);
  if (head.size < before.headSize) tell(`went from a head of ${before.headSize} entries back to ${head.size}`);
  before.headSize = Math.max(before.headSize, head.size);
}

function trialOf(device: VirtualDevice, images: Images, { sizes }: Law): string | undefined {
  const region = trialRegion(device);
  return region && (images.in(region, sizes) ?? 'an image that was never released');
}

function isForGood({ board: { boot } }: VirtualDevice): boolean {
  return 'record' in boot && boot.booted !== undefined && boot.record.good === boot.booted.slot;
}

function nameOf(digest: string, { images }: Law): string {
  return images.get(digest)?.at(-1)?.version ?? digest;
}

/** Whatever lies there when the judge begins to watch came there unseen. */
function asItIs({ board }: VirtualDevice, images: Images, { sizes }: Law): Seen {
  const running = images.in(bootRegion(board), sizes);
  return {
    installed: new Set(running === undefined ? [] : [running]),
    trial: undefined,
    running,
    floor: 0,
    headSize: 0,
  };
}
