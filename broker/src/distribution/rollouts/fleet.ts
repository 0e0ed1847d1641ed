/** What the fleet has reported, as the rollouts need it: loaded from the ledger once, then followed entry by entry. */
import { hex, outcomeOf, type Report } from '@countersign/device-sdk/format';
import type { LedgerClient } from '../../ledger/client.ts';
import type { DeviceView, RolloutView } from '../../ledger/contract/views.ts';
import type { WaveTally } from './evaluate.ts';
import { dueAt, isFinished, type Offer } from './leases.ts';

/** The newest word of one enrolled device. */
interface DeviceWord {
  epoch: number;
  counter: number;
  rolloutId: string | null;
  outcome: DeviceView['outcome'];
  code: string | null;
  reportedAt: number | null;
}

export interface Fleet {
  /** Newest words of the class's enrolled devices, by id in hex. */
  devices(classId: string): Promise<ReadonlyMap<string, DeviceWord>>;
  /** A report was logged. @param at seconds since the epoch */
  reported(report: Report, at: number): void;
  /** Devices were enrolled or revoked: ask the ledger again when next needed. */
  changed(): void;
  /** Rises with each change of who is enrolled. */
  readonly version: number;
}

/** @param apart devices that no rollout counts on: two of them have one key */
export function followFleet(ledger: LedgerClient, apart: (device: DeviceView) => boolean = () => false): Fleet {
  const classes = new Map<string, Map<string, DeviceWord>>();
  let version = 0;

  return {
    async devices(classId) {
      const known = classes.get(classId);
      if (known) return known;
      const before = version;
      const views = (await ledger.evaluate('listDevices', classId)) as DeviceView[];
      const enrolled = views.filter((view) => view.state === 'enrolled' && !apart(view));
      const loaded = new Map(enrolled.map((view) => [view.deviceId, wordOf(view)]));
      // Someone was enrolled meanwhile: this list is used now and asked for again next time.
      if (version === before) classes.set(classId, loaded);
      return loaded;
    },
    reported(report, at) {
      const id = hex(report.deviceId);
      for (const devices of classes.values()) {
        const known = devices.get(id);
        if (known && isNewer(report, known)) devices.set(id, wordIn(report, at));
      }
    },
    changed() {
      classes.clear();
      version++;
    },
    get version() {
      return version;
    },
  };
}

function wordOf({ epoch, counter, rolloutId, outcome, code, reportedAt }: DeviceView): DeviceWord {
  return { epoch, counter, rolloutId, outcome, code, reportedAt };
}

function wordIn(report: Report, reportedAt: number): DeviceWord {
  const { epoch, counter, code } = report;
  const rolloutId = report.rolloutId ? hex(report.rolloutId) : null;
  return { epoch, counter, rolloutId, outcome: outcomeOf(report), code, reportedAt };
}

/** The list may have been loaded ahead of the entries that are followed: an older report changes nothing. */
function isNewer(report: Report, known: DeviceWord): boolean {
  return report.epoch > known.epoch || (report.epoch === known.epoch && report.counter > known.counter);
}

/**
 * Counts each wave by its own devices, so that failures of a later wave do not drown in the successes of a former. A
 * device of an open wave whose time is over counts as finished and failed until it says something.
 */
export function tallyWaves(
  view: RolloutView,
  waveOf: ReadonlyMap<string, number>,
  devices: ReadonlyMap<string, DeviceWord>,
  { offer, now }: { offer: Offer | undefined; now: number },
): WaveTally[] {
  const tally = view.waves.map((): WaveTally => ({ devices: 0, finished: 0, failed: 0, silent: 0 }));
  for (const [id, word] of devices) {
    const wave = waveOf.get(id);
    if (wave === undefined) continue;
    const count = tally[wave]!;
    count.devices++;
    const said = word.rolloutId === view.rolloutId ? word : undefined;
    const due = offer && wave <= view.wave ? dueAt(said, offer) : undefined;
    const silent = due !== undefined && due < now;
    if (!silent && !(said && isFinished(said))) continue;
    count.finished++;
    if (silent) count.silent++;
    if (silent || said?.outcome !== 'updated') count.failed++;
  }
  return tally;
}
