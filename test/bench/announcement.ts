/**
 * Bytes of an announcement by part, from the real encoders. Run after a build:
 *   node test/dist/bench/announcement.js
 * Paths are made up but have the length that the numbers of entries and classes give.
 */
import {
  type Announcement,
  encodeAnnouncement,
  encodeReceipt,
  readHead,
  readReceipt,
  signHead,
} from '@countersign/device-sdk/format';
import { bytesOf, makeWorld, sha256, signers, TIME } from '../support/world.ts';

const ENTRIES = 1_000_000;
const CLASSES = 16;
/** The figures to stay under, in bytes, by number of bases. */
const GOALS: Record<number, number> = { 2: 2_300, 7: 3_000 };

console.log('bases,part,bytes');
for (const bases of [0, 1, 2, 4, 7]) {
  for (const [part, bytes] of await sizes(bases)) console.log(`${bases},${part},${bytes}`);
}

async function sizes(bases: number): Promise<[string, number][]> {
  const { announcementFields, manifest } = await makeWorld(bases, ENTRIES);
  const announcement = await atScale(announcementFields);
  const whole = encodeAnnouncement(announcement).length;
  const without = (change: Partial<Announcement>) => whole - encodeAnnouncement({ ...announcement, ...change }).length;
  const rows: [string, number][] = [
    ['manifest', manifest.length],
    ['two blocks and wrapping', announcement.envelope.length - manifest.length],
    ['envelope', announcement.envelope.length],
    ['receipt', announcement.receipt.length],
    ['cosignature', without({ cosignatures: [] })],
    ['index proof', without({ indexProof: { floor: 0, index: 0, size: 0, path: [] } })],
    ['rollout', announcement.rollout.length],
    ['announcement', whole],
  ];
  const goal = GOALS[bases];
  return goal === undefined ? rows : [...rows, ['goal', goal]];
}

async function atScale(a: Announcement): Promise<Announcement> {
  const { fields } = readReceipt(a.receipt).signed;
  const root = bytesOf('root of a large log');
  const head = await signHead(sha256, { ...fields, size: ENTRIES, time: TIME, root }, signers.log);
  return {
    ...a,
    receipt: encodeReceipt(readHead(head), ENTRIES - 1 - 4_321, pathOf(ENTRIES)),
    indexProof: { floor: a.indexProof.floor, index: CLASSES - 1, size: CLASSES, path: pathOf(CLASSES) },
  };
}

function pathOf(leaves: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(Math.log2(leaves)) }, (_, i) => bytesOf(`node ${i}`));
}
