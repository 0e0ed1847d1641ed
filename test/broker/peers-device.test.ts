/** A device that asks for 2 of 3, and one peer of the three that signs whatever the log's key signs. */
import { readBlock } from '@countersign/broker/ledger/log/block';
import { type Code, codeOf } from '@countersign/device-sdk';
import { type Cosignature, type Head, readHead, signHead } from '@countersign/device-sdk/format';
import { checkQuorum, checkSuccession, verifyHead } from '@countersign/device-sdk/verify';
import test from 'ava';
import { newSigner, sha256, verifier } from './ledger-world.ts';
import { PeerBed, until } from './peer-bed.ts';

test('a device that asks for 2 of 3 takes no lie of the log, though one peer signs them all', async (t) => {
  t.timeout(120_000);
  const bed = await PeerBed.open(t);
  for (const n of [0, 1]) await bed.peer(n);
  const newest = () => bed.world.ledger.inside.standing.head.head;
  await until('the quorum', () => bed.heads.size === newest().size);
  const old = await bed.shown.head();
  const forked = await bed.copy();
  await bed.write(forked);
  await bed.write(forked);
  const hidden = readBlock(await bed.hiddenEntry());
  await bed.write();
  await until('the quorum', () => bed.heads.size === newest().size);
  const stored = await bed.shown.head();

  const liar = bed.signers[2]!;
  const cosign = async (head: Head, signer = liar): Promise<Cosignature> => {
    const { kid, alg, sign1 } = readHead(await signHead(sha256, head, signer));
    return { kid, alg, signature: sign1.signature };
  };
  /** What a device does with a head, in its order. */
  const device = async (head: Head, cosignatures: Cosignature[]): Promise<Code | 'taken'> => {
    try {
      const signed = readHead(await signHead(sha256, head, bed.world.keys.log));
      const read = verifyHead(verifier, bed.root, signed, head.root);
      checkQuorum(verifier, bed.root, read, cosignatures);
      checkSuccession(bed.root, stored.head, read);
      return 'taken';
    } catch (error) {
      return codeOf(error);
    }
  };
  const { header } = hidden;
  const later = { ...stored.head, time: stored.head.time + 1 };
  const lies: Record<string, Head> = {
    'a forked block': forked.inside.standing.head.head,
    'a hidden entry': { ...stored.head, size: header.treeSize, root: header.root, indexRoot: header.indexRoot },
    'an altered index': { ...later, indexRoot: sha256(later.indexRoot) },
    'a split view': { ...stored.head, root: sha256(stored.head.root) },
    'an old head, signed anew': { ...old.head, time: later.time },
  };
  for (const [what, head] of Object.entries(lies)) {
    // The honest signatures are over another head, and the liar is one however often he signs.
    const all = [await cosign(head), await cosign(head), await cosign(head, newSigner()), ...stored.cosignatures];
    t.is(await device(head, all), 'NO_QUORUM', what);
  }
  // Where a second peer lies as well the stored head still answers for what the device has seen.
  const both = async (head: Head) => [await cosign(head), await cosign(head, bed.signers[0])];
  t.is(await device(lies['a split view']!, await both(lies['a split view']!)), 'SPLIT_VIEW');
  t.is(await device(lies['an altered index']!, await both(lies['an altered index']!)), 'SPLIT_VIEW');
  t.is(await device(old.head, old.cosignatures), 'STALE', 'true, and older');
  t.is(await device(stored.head, stored.cosignatures), 'taken');
});
