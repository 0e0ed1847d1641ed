/** Row 26, and the server’s part of 10 and 32: releases without their approvals, and what revoked keys confirm. */
import { objectDigest, productArgs, rejectArgs } from '@countersign/broker/ledger/contract/args';
import { classId } from '@countersign/broker/ledger/contract/uuid';
import { NO_LEAF, utf8 } from '@countersign/device-sdk/format';
import type { Attack, Variant } from '../attack.ts';
import { heard } from '../scene.ts';
import {
  act,
  newRelease,
  newSigner,
  PRODUCT,
  person,
  personObject,
  planOf,
  publish,
  sha256,
  VENDOR,
} from '../server/ledger-world.ts';
import { bob, dismiss, hire, nextKey, uploaded } from '../server/people.ts';
import { contract } from '../server/try.ts';
import { trialRows } from './server-trials.ts';

const PAIR = { ...PRODUCT, name: 'pair', approvals: 2 };
const PAIR_CLASS = classId(VENDOR, PAIR.name);
const PAIR_OBJECT = objectDigest(sha256, 'product', PAIR_CLASS);

export const unapproved: Attack = {
  id: 26,
  name: 'unapproved firmware',
  source: 'RFC 9124 THREAT.UPD.UNAPPROVED',
  against: ['device', 'server'],
  variants: [
    ...trialRows,
    contract('confirms what nobody has approved', 'NOT_APPROVED', async (world) => {
      const { leaf } = await uploaded(world);
      return () => act(world, world.keys.service, 'confirm', leaf);
    }),
    contract('approves what he uploaded', 'SAME_PERSON', async (world) => {
      const carol = await hire(world, 'carol', ['engineer', 'approver']);
      const { leaf } = await uploaded(world, carol);
      return () => act(world, carol, 'approve', leaf);
    }),
    contract('confirms a release that needs two approvals after one', 'NOT_APPROVED', async (world) => {
      await act(world, world.people.alice!, 'product', PAIR_OBJECT, productArgs(PAIR));
      const release = await newRelease(world, 1, NO_LEAF, { classId: PAIR_CLASS });
      await act(world, world.people.alice!, 'upload', release.leaf, release.args);
      await act(world, world.people.bob!, 'approve', release.leaf);
      return () => act(world, world.keys.service, 'confirm', release.leaf);
    }),
    contract('approves with an engineer’s key', 'NOT_PERMITTED', async (world) => {
      const carol = await hire(world, 'carol', ['engineer']);
      const { leaf } = await uploaded(world);
      return () => act(world, carol, 'approve', leaf);
    }),
    contract('approves with a server’s key', 'NOT_PERMITTED', async (world) => {
      const { leaf } = await uploaded(world);
      return () => act(world, world.keys.service, 'approve', leaf);
    }),
    contract('approves with a key that nobody knows', 'UNKNOWN_KEY', async (world) => {
      const { leaf } = await uploaded(world);
      return () => act(world, newSigner(), 'approve', leaf);
    }),
    contract('approves twice', 'DUPLICATE', async (world) => {
      const { leaf } = await uploaded(world);
      await act(world, world.people.bob!, 'approve', leaf);
      return () => act(world, world.people.bob!, 'approve', leaf);
    }),
    contract('confirms by an approval of a key that was stolen', 'NOT_APPROVED', async (world) => {
      const carol = await hire(world, 'carol', ['approver']);
      const { leaf } = await uploaded(world);
      await act(world, carol, 'approve', leaf);
      await dismiss(world, 'carol');
      await act(world, world.people.bob!, 'approve', personObject('carol'));
      return () => act(world, world.keys.service, 'confirm', leaf);
    }),
    contract('confirms what was rejected', 'NOT_APPROVED', async (world) => {
      const { leaf } = await uploaded(world);
      await act(world, world.people.bob!, 'reject', leaf, rejectArgs('no'));
      return () => act(world, world.keys.service, 'confirm', leaf);
    }),
    contract('approves what was rejected', 'BAD_STATEMENT', async (world) => {
      const { leaf } = await uploaded(world);
      await act(world, world.people.bob!, 'reject', leaf, rejectArgs('no'));
      return () => act(world, world.people.bob!, 'approve', leaf);
    }),
    contract('rejects his own upload to bring another', 'SAME_PERSON', async (world) => {
      const carol = await hire(world, 'carol', ['engineer', 'approver']);
      const { leaf } = await uploaded(world, carol);
      return () => act(world, carol, 'reject', leaf, rejectArgs('mine'));
    }),
    contract('confirms a second time', 'DUPLICATE', async (world) => {
      const { leaf } = await publish(world, 1);
      return () => act(world, world.keys.service, 'confirm', leaf);
    }),
    contract('confirms what is not there', 'NOT_FOUND', async (world) => {
      return () => act(world, world.keys.service, 'confirm', sha256(utf8('nothing')));
    }),
    contract('opens a rollout of what is not confirmed', 'NOT_APPROVED', async (world) => {
      const release = await uploaded(world);
      return () => person(world, planOf(release), 'open');
    }),
    contract('confirms a release that does not continue the confirmed one', 'CONFLICT', async (world) => {
      await publish(world, 1);
      const other = await newRelease(world, 2, NO_LEAF);
      await act(world, world.people.alice!, 'upload', other.leaf, other.args);
      await act(world, world.people.bob!, 'approve', other.leaf);
      return () => act(world, world.keys.service, 'confirm', other.leaf);
    }),
    heard('announces what C and D signed and nobody approved', 'NO_RECEIPT', async (s) => {
      const hidden = s.server.entries.splice(s.second.leafIndex, 1);
      const bytes = await s.server.announcement();
      s.server.entries.splice(s.second.leafIndex, 0, ...hidden);
      return bytes;
    }),
  ],
};

export const sequenceRows: Variant[] = [
  contract('leaves sequences out', 'BAD_CHAIN', async (world) => {
    const release = await newRelease(world, 2 ** 40);
    await act(world, world.people.alice!, 'upload', release.leaf, release.args);
    await act(world, world.people.bob!, 'approve', release.leaf);
    return () => act(world, world.keys.service, 'confirm', release.leaf);
  }),
];

export const revokedRows: Variant[] = [
  contract('approves with the key that a person had before the present one', 'REVOKED', async (world) => {
    const carol = await hire(world, 'carol', ['approver']);
    await nextKey(world, 'carol');
    await act(world, bob(world), 'approve', personObject('carol'));
    const { leaf } = await uploaded(world);
    return () => act(world, carol, 'approve', leaf);
  }),
  contract('acts with a person’s key after its revocation', 'REVOKED', async (world) => {
    const carol = await hire(world, 'carol', ['approver']);
    await dismiss(world, 'carol');
    await act(world, world.people.bob!, 'approve', personObject('carol'));
    const { leaf } = await uploaded(world);
    return () => act(world, carol, 'approve', leaf);
  }),
  contract(
    'submits with a service key after its revocation',
    'REVOKED',
    async (world) => {
      const { leaf } = await uploaded(world);
      await act(world, world.people.bob!, 'approve', leaf);
      return () => act(world, world.keys.service, 'confirm', leaf);
    },
    { revoked: { role: 'service', logSize: 1 } },
  ),
  contract(
    'uploads what a revoked collection key has signed',
    'REVOKED',
    async (world) => {
      const release = await newRelease(world, 1);
      return () => act(world, world.people.alice!, 'upload', release.leaf, release.args);
    },
    { revoked: { role: 'collection', logSize: 1 } },
  ),
];
