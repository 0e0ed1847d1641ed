/** RFC 6962 trees: the 196 proof cases of transparency-dev/merkle and its tree of eight leaves. */
import { demand } from '@countersign/device-sdk';
import { checkConsistency, hex, leafHash, nodeHash, rootFromInclusion, unhex } from '@countersign/device-sdk/format';
import test from 'ava';
import { outsideJson, SKIPPED } from '../support/outside.ts';
import { codeOfRefusal } from '../support/refused.ts';
import { sha256 } from '../support/world.ts';

interface Inclusion {
  name: string;
  leafIndex: string;
  treeSize: string;
  leafHash: string;
  root: string;
  proof: string[];
  wantErr: boolean;
}
interface Consistency {
  name: string;
  size1: string;
  size2: string;
  root1: string;
  root2: string;
  proof: string[];
  wantErr: boolean;
}

test('all 98 inclusion cases are decided as published', (t) => {
  const cases = outsideJson<{ inclusion: Inclusion[] }>('merkle-rfc6962/proofs.json')?.inclusion;
  if (!cases) return void t.pass(SKIPPED);
  t.is(cases.length, 98);
  for (const c of cases) {
    const code = codeOfRefusal(() => {
      const root = rootFromInclusion(sha256, Number(c.leafIndex), Number(c.treeSize), unhex(c.leafHash)!, hashes(c));
      demand(hex(root) === c.root, 'NO_RECEIPT', 'the proof leads to another root');
    });
    t.is(code, c.wantErr ? 'NO_RECEIPT' : 'accepted', c.name);
  }
});

test('all 98 consistency cases are decided as published', (t) => {
  const cases = outsideJson<{ consistency: Consistency[] }>('merkle-rfc6962/proofs.json')?.consistency;
  if (!cases) return void t.pass(SKIPPED);
  t.is(cases.length, 98);
  for (const c of cases) {
    const code = codeOfRefusal(() =>
      checkConsistency(sha256, Number(c.size1), Number(c.size2), unhex(c.root1)!, unhex(c.root2)!, hashes(c)),
    );
    t.is(code, c.wantErr ? 'SPLIT_VIEW' : 'accepted', c.name);
  }
});

test('our hashes build the published roots of the first eight trees', (t) => {
  const tree = outsideJson<{ leafInputsHex: string[]; rootBySize: string[] }>('merkle-rfc6962/tree8.json');
  if (!tree) return void t.pass(SKIPPED);
  const leaves = tree.leafInputsHex.map((input) => leafHash(sha256, unhex(input)!));
  for (let size = 1; size <= leaves.length; size++) t.is(hex(rootOf(leaves.slice(0, size))), tree.rootBySize[size]);
});

function rootOf(leaves: Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0]!;
  const split = 2 ** Math.floor(Math.log2(leaves.length - 1));
  return nodeHash(sha256, rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)));
}

function hashes(c: { proof: string[] }): Uint8Array[] {
  return c.proof.map((item) => unhex(item)!);
}
