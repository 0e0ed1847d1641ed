/**
 * Two devices with one key. The proof is two lines of reports that cannot both be one device's: a report that is validly
 * signed and contradicts what is logged, and after it a further report that continues what is logged. A device that was
 * restored or whose flash decayed goes on with one line only, so it is never convicted; an old report that somebody sends again is
 * in the ledger and contradicts nothing. Logins prove less: whoever heard one can send it again and be refused for its
 * counter, and would put an honest device under suspicion.
 */
import { join } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import { hex, type Report, utf8 } from '@countersign/device-sdk/format';
import type { LedgerClient } from '../ledger/client.ts';
import type { DeviceView } from '../ledger/contract/views.ts';
import { writeDurable } from '../store/durable.ts';
import { BoundedMap } from './bounded-map.ts';
import { readIfThere } from './files.ts';
import type { Log, ServerClock } from './ports.ts';
import { serial } from './serial.ts';

/** The verdict, until an operator revokes the device or enrols it anew with another key. */
export interface CloneVerdict {
  code: 'CLONED';
  /** Of the key that two devices have: a new key is a new epoch, and ends it. */
  epoch: number;
  /** Seconds since the epoch. */
  at: number;
  /** SHA-256 of what runs, by each of the two lines; the same twice where both run one image. */
  images: [string, string];
}

export interface Clones {
  /** The ledger refused this report, whose signature is good, because it does not follow. */
  refused(report: Report): Promise<void>;
  /** The ledger took this report. */
  logged(report: Report): Promise<void>;
  /** Of a device in this epoch. */
  verdict(deviceId: string, epoch: number): CloneVerdict | undefined;
}

/** Lines that contradict the ledger and wait for its line to go on. One that is pushed out is seen again. */
const FORKS_MAX = 4_096;
/** A fleet with more clones than this has lost its keys otherwise; 200 bytes each. */
const VERDICTS_MAX = 100_000;

/** @param convicted told of each new verdict. @throws Refusal BAD_STORE */
export async function openClones(parts: {
  ledger: LedgerClient;
  clock: ServerClock;
  dir: string;
  log: Log;
  convicted(deviceId: string): void;
}): Promise<Clones> {
  const { ledger, clock, dir, log, convicted } = parts;
  const path = join(dir, 'registry', 'clones.json');
  const verdicts = await recall(path);
  const forks = new BoundedMap<{ epoch: number; logged: number; image: string }>(FORKS_MAX);
  const inOrder = serial();

  return {
    async refused({ deviceId, epoch, counter, slotDigest }) {
      const id = hex(deviceId);
      const device = (await ledger.evaluate('getDevice', id)) as DeviceView;
      // A gap is no contradiction: the reports between may still come. Another epoch had another key.
      if (device.epoch !== epoch || counter > device.counter + 1) return;
      forks.set(id, { epoch, logged: device.counter, image: hex(slotDigest) });
    },
    async logged({ deviceId, epoch, counter, slotDigest }) {
      const id = hex(deviceId);
      const fork = forks.get(id);
      if (!fork || fork.epoch !== epoch || counter <= fork.logged || verdicts.get(id)?.epoch === epoch) return;
      const images: [string, string] = [hex(slotDigest), fork.image];
      verdicts.set(id, { code: 'CLONED', epoch, at: clock.now(), images });
      demand(verdicts.size <= VERDICTS_MAX, 'TOO_LARGE', `more than ${VERDICTS_MAX} devices have been cloned`);
      log.warn({ device: id, code: 'CLONED', images }, 'two devices report with one key: no new release for them');
      convicted(id);
      await inOrder(() => writeDurable(path, utf8(JSON.stringify([...verdicts])), { mode: 0o600 }));
    },
    verdict(deviceId, epoch) {
      const known = verdicts.get(deviceId);
      return known?.epoch === epoch ? known : undefined;
    },
  };
}

async function recall(path: string): Promise<Map<string, CloneVerdict>> {
  const bytes = await readIfThere(path);
  try {
    return new Map(bytes && (JSON.parse(new TextDecoder().decode(bytes)) as [string, CloneVerdict][]));
  } catch (cause) {
    throw new Refusal('BAD_STORE', `${path} is damaged`, { cause });
  }
}
