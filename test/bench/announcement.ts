/**
 * Bytes of an announcement by part, from the real encoders, in a log of a million entries and an index of 16 classes,
 * with one cosignature. Run after a build:
 *   node test/dist/bench/announcement.js
 */
import { type Announcement, encodeAnnouncement } from '@countersign/device-sdk/format';
import { bench } from '../support/bench.ts';
import { largeLog } from '../support/large-log.ts';

/** The figures to stay under, in bytes, by number of bases. */
const GOALS: Record<number, number> = { 2: 2_300, 7: 3_000 };

const row = bench('bases', 'part', 'bytes', 'goal_bytes');
for (const bases of [0, 1, 2, 4, 7]) {
  for (const [part, bytes] of await sizes(bases)) {
    row(bases, part, bytes, part === 'announcement' ? (GOALS[bases] ?? '') : '');
  }
}

async function sizes(bases: number): Promise<[string, number][]> {
  const { announcement, bytes, manifest } = await largeLog(bases, 1);
  const without = (change: Partial<Announcement>) =>
    bytes.length - encodeAnnouncement({ ...announcement, ...change }).length;
  return [
    ['manifest', manifest.length],
    ['two blocks and wrapping', announcement.envelope.length - manifest.length],
    ['envelope', announcement.envelope.length],
    ['receipt', announcement.receipt.length],
    ['cosignature', without({ cosignatures: [] })],
    ['index proof', without({ indexProof: { floor: 0, index: 0, size: 0, path: [] } })],
    ['rollout', announcement.rollout.length],
    ['announcement', bytes.length],
  ];
}
