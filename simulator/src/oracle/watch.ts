/**
 * The judge at every step: after each change that may leave another flash or boot record behind, it looks at the device
 * from outside, against the ledger as it was under the very head that the device had stored.
 */
import type { Fleet } from '../fleet/fleet.ts';
import type { Change, VirtualDevice } from '../fleet/virtual-device.ts';
import type { Chronicle } from './chronicle.ts';
import { faultsOfAll, type Law, lawOf, newest } from './judge.ts';
import { Images, isOneSlot, type Standing } from './slots.ts';

export interface Watch {
  readonly problems: readonly string[];
  readonly looks: number;
}

/** What the judge itself has seen of a device; nothing of it comes from the device's own memory. */
interface Seen {
  /** Sets of components whose installation was seen, and was right. */
  readonly installed: Set<string>;
  /** Names of sets. */
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
    const now = { running: images.booted(device, law), trial: images.tried(device, law) };
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

interface Now {
  running: Standing;
  trial: Standing | undefined;
}

function look(place: Place, before: Seen, now: Now, tell: (text: string) => void): void {
  const { device } = place;
  checkHead(place, before, tell);
  const { running, trial } = now;
  if (trial && trial.name !== before.trial) checkInstall(place, trial, before, tell);
  before.trial = trial?.name;
  if (running.image === undefined) {
    // The loader of a device with one slot goes on where the power went before it jumps: nothing runs meanwhile.
    if (!isOneSlot(device) || device.board.boot.booted) tell('boots an image that was never released');
    return;
  }
  // Said once of each mix: a device boots many times.
  if (running.releases.length === 0) {
    if (running.name !== before.running) tell(`boots a mix that no release names: ${running.text}`);
    before.running = running.name;
    return;
  }
  if (running.name !== before.running) {
    if (isOneSlot(device)) checkInstall(place, running, before, tell);
    else if (!before.installed.has(running.name)) tell(`boots ${running.text}, whose installation nobody saw`);
  }
  before.running = running.name;
  const sequence = newest(running);
  if (sequence < before.floor) tell(`boots release ${sequence} below its floor ${before.floor}`);
  if (isForGood(device)) before.floor = Math.max(before.floor, sequence);
}

/**
 * The bytes that are to be booted, of all components together, were signed twice, logged, and current under the head that
 * the device had stored.
 */
function checkInstall({ device, fleet, ledger, law }: Place, tried: Standing, before: Seen, tell: (t: string) => void) {
  if (tried.image === undefined) return tell('installs an image that was never released');
  if (tried.releases.length === 0) return tell(`installs a mix that no release names: ${tried.text}`);
  for (const fault of faultsOfAll(tried, law, ledger, fleet)) tell(fault);
  const size = device.state?.head.size ?? 0;
  const current = ledger.currentAt(fleet.classId!, size);
  const fits = tried.releases.some(({ leaf }) => current?.open && leaf === current.releaseLeaf);
  if (!fits) tell(`installs ${tried.text}, which was not current under its head of ${size} entries`);
  before.installed.add(tried.name);
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

function isForGood({ board: { boot } }: VirtualDevice): boolean {
  return 'record' in boot && boot.booted !== undefined && boot.record.good === boot.booted.slot;
}

/** Whatever lies there when the judge begins to watch came there unseen. */
function asItIs(device: VirtualDevice, images: Images, law: Law): Seen {
  const { image, name } = images.booted(device, law);
  const [installed, running] = image === undefined ? [[], undefined] : [[name], name];
  return { installed: new Set(installed), trial: undefined, running, floor: 0, headSize: 0 };
}
