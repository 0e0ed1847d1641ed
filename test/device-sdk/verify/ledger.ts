/** Receipts, heads, rollout statements and chains that are refused. */
import {
  decode,
  decodeSign1,
  encodeAnnouncement,
  encodeReceipt,
  type PublicKey,
  publicKeyOf,
  readHead,
  readReceipt,
  signHead,
  signStatement,
} from '@countersign/device-sdk/format';
import { TIME, verifier } from '../../support/pocket.ts';
import { inclusionPath, leavesOf } from '../../support/tree.ts';
import { altered, image, type Row, scene } from './scene.ts';

const { sha256 } = verifier;

export const LEDGER: Row[] = [
  [
    'a release that is not in the log',
    'NO_RECEIPT',
    async () => {
      const s = await scene();
      const hidden = s.server.entries.splice(s.second.leafIndex, 1);
      const parts = await s.server.parts();
      s.server.entries.splice(s.second.leafIndex, 0, ...hidden);
      return [s, encodeAnnouncement(parts)];
    },
  ],
  [
    'an inclusion path that is too short',
    'NO_RECEIPT',
    async () => {
      const s = await scene();
      return [
        s,
        await altered(s, (parts) => {
          const receipt = readReceipt(parts.receipt);
          return { ...parts, receipt: encodeReceipt(receipt.signed, receipt.leafIndex, receipt.path.slice(1)) };
        }),
      ];
    },
  ],
  [
    "a head signed by a peer's or any other key of the trust root",
    'WRONG_ROLE',
    async () => {
      const s = await scene();
      const head = readHead(await signHead(sha256, s.server.head(), s.server.signers.orderer));
      const path = inclusionPath(sha256, leavesOf(sha256, s.server.entries), s.second.leafIndex);
      return [s, await altered(s, (parts) => ({ ...parts, receipt: encodeReceipt(head, s.second.leafIndex, path) }))];
    },
  ],
  [
    'a head of another log',
    'BAD_HEAD',
    async () => {
      const s = await scene();
      const head = readHead(await signHead(sha256, { ...s.server.head(), origin: 'other' }, s.server.signers.log));
      const path = inclusionPath(sha256, leavesOf(sha256, s.server.entries), s.second.leafIndex);
      return [s, await altered(s, (parts) => ({ ...parts, receipt: encodeReceipt(head, s.second.leafIndex, path) }))];
    },
  ],
  [
    'a quorum that is not met',
    'NO_QUORUM',
    async () => {
      const s = await scene();
      const peer: PublicKey = publicKeyOf(s.server.signers.peer);
      s.trust.root = {
        ...s.trust.root,
        roles: { ...s.trust.root.roles, peer: { threshold: 1, keys: [peer], implicit: [] } },
      };
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a rollout statement for another release',
    'NOT_CURRENT',
    async () => {
      const s = await scene();
      const { rollout } = s.server;
      await s.server.roll(s.first);
      const parts = await s.server.parts(s.second);
      return [s, encodeAnnouncement({ ...parts, rollout: s.server.rollout === rollout ? rollout : parts.rollout })];
    },
  ],
  [
    'a withdrawn release under a newer head (a stolen D re-announces it)',
    'NOT_CURRENT',
    async () => {
      const s = await scene();
      const old = s.server.rollout;
      await s.server.publish(image(9), { bases: [s.second] });
      return [s, encodeAnnouncement({ ...(await s.server.parts(s.second)), rollout: old })];
    },
  ],
  [
    'a rollout statement by the distribution key',
    'WRONG_ROLE',
    async () => {
      const s = await scene();
      const payload = decode(decodeSign1(s.server.rollout).payload!);
      const rollout = await signStatement(sha256, 'rollout', payload, s.server.signers.distribution);
      return [s, await altered(s, (parts) => ({ ...parts, rollout }))];
    },
  ],
  [
    'an announcement under an older head',
    'STALE',
    async () => {
      const s = await scene();
      const bytes = await s.server.announcement();
      s.trust.head = { ...s.server.head(), size: s.server.head().size + 1 };
      return [s, bytes];
    },
  ],
  [
    'two heads of one size',
    'SPLIT_VIEW',
    async () => {
      const s = await scene();
      s.trust.head = { ...s.server.head(), root: new Uint8Array(32) };
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a log that was rewritten below the stored head',
    'SPLIT_VIEW',
    async () => {
      const s = await scene();
      s.trust.head = { ...s.trust.head, root: new Uint8Array(32).fill(1) };
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a release chain that does not reach what runs',
    'BAD_CHAIN',
    async () => {
      const s = await scene();
      s.trust.device.running = { ...s.trust.device.running, releaseLeaf: new Uint8Array(32).fill(1) };
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a stale head, by the clock',
    'FREEZE',
    async () => {
      const s = await scene();
      s.trust.device.now = TIME + 2 * 86_400;
      return [s, await s.server.announcement()];
    },
  ],
  [
    'a head of a log whose clock ran far ahead, and no freshness answer',
    'FREEZE',
    async () => {
      const s = await scene();
      s.server.time = TIME + 3 * 86_400;
      await s.server.roll(s.second, 1);
      return [s, await s.server.announcement()];
    },
  ],
  [
    'no clock and no freshness answer',
    'FREEZE',
    async () => {
      const s = await scene();
      s.trust.device.now = undefined;
      return [s, await s.server.announcement()];
    },
  ],
];
