/**
 * Every way through which a device changes its flash, as lives that can be cut: a new path is one more entry of PATHS.
 * A life begins at the factory, is cut where it is told to, and says what is wrong with how it ended.
 */
import { readWholeHeader } from '@countersign/device-sdk/delta';
import { outcomeOf } from '@countersign/device-sdk/format';
import { Journal } from '@countersign/device-sdk/install';
import { type CutPhase, PowerCut, PowerCutter, VirtualFlash } from '@countersign/device-sdk/rig';
import { lifeOf, same, stateOf, statesOf } from './journal-life.ts';
import { type PocketRelease, PocketServer, rotate } from './pocket.ts';
import { PocketDevice, type PocketDeviceOptions } from './pocket-device.ts';
import { rotateRootKey } from './root-life.ts';

export interface CutGeometry {
  writeBytes: number;
  eraseBytes: number;
  /** A slot need not be whole pages: a board rounds up, an image does not fill it. */
  slotBytes: number;
  /** What one page of an update in place holds. */
  pageBytes: number;
}

/** Smallest and largest units, uneven slots, pages of one and of several erase blocks. Units as data sheets have them. */
export const CUT_GEOMETRIES: Record<string, CutGeometry> = {
  'half words, 1 KB (STM32F1)': { writeBytes: 2, eraseBytes: 1024, slotBytes: 10_500, pageBytes: 4096 },
  'words, half KB (small Cortex-M)': { writeBytes: 4, eraseBytes: 512, slotBytes: 9_900, pageBytes: 4096 },
  'words, 4 KB (nRF52)': { writeBytes: 4, eraseBytes: 4096, slotBytes: 12_288, pageBytes: 4096 },
  'double words, 2 KB (STM32L4)': { writeBytes: 8, eraseBytes: 2048, slotBytes: 11_000, pageBytes: 4096 },
  'quad words, 8 KB (STM32U5)': { writeBytes: 16, eraseBytes: 8192, slotBytes: 17_000, pageBytes: 8192 },
  'bytes, 16 KB (STM32F4)': { writeBytes: 1, eraseBytes: 16_384, slotBytes: 32_768, pageBytes: 16_384 },
  'flash words, 16 KB (STM32H7)': { writeBytes: 32, eraseBytes: 16_384, slotBytes: 36_000, pageBytes: 16_384 },
  'bytes, 4 KB (serial NOR)': { writeBytes: 1, eraseBytes: 4096, slotBytes: 13_000, pageBytes: 8192 },
  'program pages, 4 KB (serial NOR)': { writeBytes: 256, eraseBytes: 4096, slotBytes: 12_001, pageBytes: 4096 },
};

export interface Life {
  /** Operations of the undisturbed life: the first that counts, and the first behind it. */
  from: number;
  to: number;
  /**
   * @param again operations behind the first cut at which the power goes a second time
   * @returns what is wrong with its end, and how often it was cut
   */
  cut(operation: number, phase: CutPhase, again?: number): Promise<{ wrong: string | undefined; cuts: number }>;
}

export const PATHS: Record<string, (geometry: CutGeometry) => Promise<Life>> = {
  'two slots, update': (geometry) => deviceLife(geometry, {}),
  'two slots, revert': (geometry) => deviceLife(geometry, { fails: true }),
  'two slots, floor raised by a trust root': (geometry) => deviceLife(geometry, { floor: true }),
  'one slot, from the start': (geometry) => deviceLife(geometry, { inPlace: 'forward' }),
  'one slot, from the end': (geometry) => deviceLife(geometry, { inPlace: 'backward' }),
  'two components, update': (geometry) => deviceLife(geometry, { components: true }),
  'two components, revert': (geometry) => deviceLife(geometry, { components: true, fails: true }),
  'trust root': (geometry) => deviceLife(geometry, { rotations: 3 }),
  'journal, from bank to bank': async (geometry) => journalLife(geometry),
};

interface Story {
  fails?: boolean;
  floor?: boolean;
  rotations?: number;
  components?: boolean;
  inPlace?: 'forward' | 'backward';
}

const DEVICE_ID = new Uint8Array(16).fill(7);
/** Of the smaller image: more than a page in place holds, so that there is a first and a last one. */
const bytesOf = ({ pageBytes }: CutGeometry) => Math.max(8_600, Math.floor(1.2 * pageBytes));
const baseOf = (bytes: number) => Uint8Array.from({ length: bytes }, (_, i) => (i * 3 + (i >> 5) * 3) & 0xff);
/** 700 bytes in front move everything up, so that an update in place must begin at the end. */
const grownOf = (base: Uint8Array) =>
  Uint8Array.from({ length: base.length + 700 }, (_, i) => (i < 700 ? i * 7 : base[i - 700]! ^ +(i % 701 === 0)));

const radioOf = (seed: number) => Uint8Array.from({ length: 4_200 }, (_, i) => (i * seed + (i >> 4)) & 0xff);

async function deviceLife(geometry: CutGeometry, story: Story): Promise<Life> {
  const base = baseOf(bytesOf(geometry));
  const grown = grownOf(base);
  const [old, fresh] = story.inPlace === 'forward' ? [grown, base] : [base, grown];
  const server = await PocketServer.create('M');
  const radio = (seed: number) => (story.components ? { components: { radio: radioOf(seed) } } : {});
  const first = await server.publish(old, radio(3));
  const birth = server.provision(first, DEVICE_ID);
  for (let i = 0; i < (story.rotations ?? 0); i++) await rotateRootKey(server);
  if (story.floor) await rotate(server, { floors: [{ classId: server.classId, floor: 2 }] });
  const inPlace = story.inPlace !== undefined;
  const second = await server.publish(fresh, {
    bases: [first],
    checkpointBytes: geometry.pageBytes,
    inPlace,
    ...radio(5),
  });
  if (inPlace) demandDirection(server, second, story);
  const options = deviceOptions(geometry, story, birth);
  const device = () => {
    server.reports.length = 0;
    return new PocketDevice(server, first, options);
  };
  const dry = device();
  const from = dry.hardware.power.operations;
  await dry.start();
  const whole = wrongWith(dry, server, second, story);
  if (whole) throw new Error(`without a cut ${whole}`);
  return {
    from,
    to: dry.hardware.power.operations,
    async cut(operation, phase, again) {
      const one = device();
      one.hardware.power.cutAt(operation, phase);
      if (again !== undefined) one.cutAgain = [again];
      let version = 1;
      let lost = false;
      one.told = () => {
        const now = one.device?.state.root.root.version ?? version;
        lost ||= now < version;
        version = now;
      };
      const cuts = await one.startThroughCuts();
      if (lost) return { wrong: 'a trust root was lost', cuts };
      const wrong = wrongWith(one, server, second, story);
      return { wrong: wrong && diedTwice(one, server, second, story, cuts) ? undefined : wrong, cuts };
    },
  };
}

function deviceOptions(geometry: CutGeometry, { fails, inPlace }: Story, birth: Uint8Array): PocketDeviceOptions {
  const { writeBytes, eraseBytes, slotBytes, pageBytes } = geometry;
  const storeBytes = 4 * Math.max(4096, eraseBytes);
  const parts = { writeBytes, eraseBytes, slotBytes, storeBytes };
  const shape = inPlace ? { oneSlot: { ...parts, scratchBytes: pageBytes, stagingBytes: 16_384 } } : { board: parts };
  return { ...shape, birth, passes: (version) => !fails || version === '1.0.0' };
}

/** How a device ended, against what it should have come to. */
function wrongWith(device: PocketDevice, server: PocketServer, second: PocketRelease, story: Story) {
  const { state } = device.device!;
  const wanted = story.fails ? server.releases[0]! : second;
  const image = device.runningImage(wanted.image.length);
  if (Buffer.compare(image, wanted.image) !== 0) return 'the slot that boots holds another image';
  for (const { id, slots } of device.board.slots.components ?? []) {
    const part = wanted.components[id]!;
    const lies = slots[device.board.boot.record.good].dump(0, part.length);
    if (Buffer.compare(lies, part) !== 0) return `the ${id} beside it is of another release`;
  }
  if (state.running.sequence !== wanted.manifest.sequence) return `it believes release ${state.running.sequence}`;
  if (state.root.root.version !== server.root.version) return `it has trust root ${state.root.root.version}`;
  if (state.floor !== wanted.manifest.sequence) return `its floor is ${state.floor}`;
  const { boot } = device.board;
  if (story.floor && !boot.record.unbootable[boot.record.good === 0 ? 1 : 0]) return 'the old slot may still boot';
  if (state.outbox.length > 0) return `${state.outbox.length} reports were not sent`;
  const last = server.reports.at(-1);
  const outcome = last && outcomeOf(last);
  return outcome === (story.fails ? 'reverted' : 'updated') ? undefined : `its last report says ${outcome}`;
}

/**
 * A trial that ends twice without a word is over: nobody can tell the power from an image that takes it away. Then the old
 * image runs, and the report says so.
 */
function diedTwice(device: PocketDevice, server: PocketServer, second: PocketRelease, story: Story, cuts: number) {
  const went = server.reports.at(-1)?.stages.some(([stage, code]) => stage === 'trial' && code === 'BOOT_FAILED');
  return cuts === 2 && went === true && wrongWith(device, server, second, { ...story, fails: true }) === undefined;
}

function demandDirection(server: PocketServer, { manifest }: PocketRelease, { inPlace }: Story): void {
  const [frame] = server.frames(manifest.branches[0]!.payload);
  const { inPlace: made } = readWholeHeader(frame!);
  if (made !== inPlace) throw new Error(`the delta is written ${made}, not ${inPlace}`);
}

/** The journal alone, opened anew every few puts: each time its values move to the next bank. */
function journalLife({ writeBytes, eraseBytes }: CutGeometry): Life {
  const life = lifeOf('geometries', 24);
  const states = statesOf(life);
  const flash = (seed: string) =>
    new VirtualFlash({ writeBytes, eraseBytes, bytes: 4 * Math.max(2048, eraseBytes), power: new PowerCutter(seed) });
  const bankBytes = Math.max(2048, eraseBytes);
  const dry = flash('dry');
  puts(dry, bankBytes, life);
  return {
    from: 0,
    to: dry.power.operations,
    async cut(operation, phase, again) {
      const one = flash(`${operation}`);
      one.power.cutAt(operation, phase);
      let done = 0;
      let cuts = 0;
      for (; done < life.length; cuts++) {
        done += puts(one, bankBytes, life.slice(done));
        if (!one.power.off) break;
        one.power.restorePower();
        const found = stateOf(Journal.open(one, { bankBytes }));
        const kept = states.slice(done, done + 2).findIndex((state) => same(found, state));
        if (kept < 0) return { wrong: `neither the state before put ${done} nor the one after it`, cuts: cuts + 1 };
        done += kept;
        if (cuts === 0 && again !== undefined) one.power.cutAt(one.power.operations + again, 'during');
      }
      const last = same(stateOf(Journal.open(one, { bankBytes })), states.at(-1)!);
      return { wrong: last ? undefined : 'another end', cuts };
    },
  };
}

/** @returns how many were done before the power went */
function puts(flash: VirtualFlash, bankBytes: number, life: ReturnType<typeof lifeOf>): number {
  let done = 0;
  try {
    let journal = Journal.open(flash, { bankBytes });
    for (const entries of life) {
      if (done % 5 === 4) journal = Journal.open(flash, { bankBytes });
      journal.put(entries);
      done++;
    }
  } catch (error) {
    if (!(error instanceof PowerCut)) throw error;
  }
  return done;
}
