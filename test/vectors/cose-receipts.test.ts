/** The two example receipts of RFC 9942's repository: proof arithmetic. Their key is not published. */
import {
  asArray,
  asBytes,
  asMap,
  checkConsistency,
  decode,
  hex,
  readPath,
  readReceipt,
  rootFromInclusion,
  type Tagged,
  unhex,
  unwrap,
  type Value,
} from '@countersign/device-sdk/format';
import test from 'ava';
import { outside, outsideJson, SKIPPED } from '../support/outside.ts';
import { codeOfRefusal } from '../support/refused.ts';
import { sha256 } from '../support/world.ts';

interface Expected {
  inclusion: { treeSize: number; leafIndex: number; leafHash: string; root: string };
  consistency: { oldSize: number; newSize: number; oldRoot: string; newRoot: string };
}

test('the inclusion receipt recomputes the published root', (t) => {
  const bytes = outside('cose-receipts/inclusion-receipt.cbor');
  if (!bytes) return void t.pass(SKIPPED);
  const { inclusion } = outsideJson<Expected>('cose-receipts/expected.json')!;
  const [size, index, path] = proofOf(bytes, -1);
  t.deepEqual([size, index], [inclusion.treeSize, inclusion.leafIndex]);
  const root = rootFromInclusion(sha256, Number(index), Number(size), unhex(inclusion.leafHash)!, readPath(path));
  t.is(hex(root), inclusion.root);
});

test('the consistency receipt connects the published roots', (t) => {
  const bytes = outside('cose-receipts/consistency-receipt.cbor');
  if (!bytes) return void t.pass(SKIPPED);
  const { consistency: c } = outsideJson<Expected>('cose-receipts/expected.json')!;
  const [from, to, path] = proofOf(bytes, -2);
  t.deepEqual([from, to], [c.oldSize, c.newSize]);
  const [old, now] = [unhex(c.oldRoot)!, unhex(c.newRoot)!];
  const check = (other: Uint8Array) => checkConsistency(sha256, c.oldSize, c.newSize, old, other, readPath(path));
  t.is(
    codeOfRefusal(() => check(now)),
    'accepted',
  );
  t.is(
    codeOfRefusal(() => check(old)),
    'SPLIT_VIEW',
  );
});

/** Protected headers of the examples are not in deterministic order ({1, 4, 395, 15}), and carry no head of ours. */
test('a device refuses both receipts as MALFORMED', (t) => {
  for (const file of ['inclusion-receipt.cbor', 'consistency-receipt.cbor']) {
    const bytes = outside(`cose-receipts/${file}`);
    if (!bytes) return void t.pass(SKIPPED);
    t.is(
      codeOfRefusal(() => readReceipt(bytes)),
      'MALFORMED',
    );
    t.regex(t.throws(() => readReceipt(bytes))!.message, /map keys are unsorted/);
  }
});

function proofOf(bytes: Uint8Array, label: number): Value[] {
  const value = decode(bytes, { unsorted: true });
  const [protectedBytes, unprotected, payload] = asArray((value as Tagged).value, 'receipt', 4);
  if (payload !== null) throw new Error('the payload of a receipt is detached');
  const header = asMap(decode(asBytes(protectedBytes, 'protected'), { unsorted: true }), 'protected');
  if (header.get(395) !== 1) throw new Error('not an RFC 9162 tree');
  const proofs = asMap(asMap(unprotected, 'unprotected').get(396), 'proofs');
  return asArray(unwrap(asArray(proofs.get(label), 'proofs', 1)[0], 'proof'), 'proof', 3);
}
