/** Damaged texts of auditors' formats: refused with a code, or read as what they say and written again the same. */
import { readFileSync } from 'node:fs';
import { encodeBundle, readBundle } from '@countersign/broker/ledger/c2sp/bundle';
import { checkpointText, isOrigin, readCheckpoint } from '@countersign/broker/ledger/c2sp/checkpoint';
import { encodeNote, readNote } from '@countersign/broker/ledger/c2sp/note';
import { isSignedBy } from '@countersign/broker/ledger/c2sp/note-signatures';
import { readPolicy } from '@countersign/broker/ledger/c2sp/policy';
import { encodeProof, readProof } from '@countersign/broker/ledger/c2sp/proof';
import {
  entriesPath,
  hashTilePath,
  readEntriesPath,
  readHashTilePath,
} from '@countersign/broker/ledger/c2sp/tile-path';
import { encodeVkey, readVkey } from '@countersign/broker/ledger/c2sp/vkey';
import { encodeRequest, readRequest } from '@countersign/broker/ledger/c2sp/witness';
import { Refusal } from '@countersign/device-sdk';
import { equal, fromUtf8, utf8 } from '@countersign/device-sdk/format';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { derOf, rawOf } from '@countersign/device-sdk/host/der';
import test from 'ava';
import { Chance, mutate } from '../support/mutate.ts';

const CASES = 1_500;
const verifier = nodeVerifier();
const v = JSON.parse(readFileSync(new URL('../../vectors/c2sp.json', import.meta.url), 'utf8'));
const der = readNote(utf8(v.checkpointP256)).signatures[0]!.signature;
const text = (read: (text: string) => Uint8Array | undefined) => (bytes: Uint8Array) => read(fromUtf8(bytes));
const log = readVkey(verifier, v.vkeys.log);

/** What is read, written again; undefined where nothing is read. */
const READERS: [name: string, sample: Uint8Array, again: (bytes: Uint8Array) => Uint8Array | undefined][] = [
  ['note', utf8(v.cosigned), (bytes) => encodeNote(readNote(bytes))],
  ['checkpoint', utf8(v.checkpoint), (bytes) => checkpointAgain(bytes)],
  ['request', utf8(v.request), (bytes) => requestAgain(bytes)],
  ['proof', utf8(v.proof), (bytes) => encodeProof(readProof(bytes))],
  ['bundle', new Uint8Array(Buffer.from(v.bundle, 'hex')), (bytes) => encodeBundle(readBundle(bytes, 44))],
  ['vkey', utf8(v.vkeys.logP256), text((vkey) => utf8(encodeVkey(readVkey(verifier, vkey))))],
  ['DER', der, (bytes) => derOf(rawOf(bytes))],
  ['tile path', utf8('12/x001/x234/067.p/44'), text((path) => pathAgain(readHashTilePath(path), hashTilePath, 5))],
  ['entries path', utf8('x001/x234/067.p/44'), text((path) => pathAgain(readEntriesPath(path), entriesPath, 13))],
];

for (const [name, sample, again] of READERS) {
  test(`a damaged ${name} is refused, or has one form`, (t) => {
    const chance = new Chance(77);
    t.true(equal(again(sample)!, sample));
    let refused = 0;
    for (let i = 0; i < CASES; i++) {
      const bytes = mutate(sample, chance);
      try {
        const written = again(bytes);
        if (written === undefined) refused++;
        else if (!equal(written, bytes)) t.fail(`${Buffer.from(bytes).toString('hex')} is another form`);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        refused++;
      }
    }
    t.true(refused > CASES / 10, `${refused} of ${CASES} refused`);
  });
}

test('a damaged policy is refused with a code, and no damaged checkpoint is signed', (t) => {
  const chance = new Chance(78);
  const policy = utf8(`log ${v.vkeys.log}\nwitness one ${v.vkeys.peer}\ngroup all 1 one\nquorum all\n`);
  for (let i = 0; i < CASES; i++) {
    try {
      t.is(typeof readPolicy(verifier, mutate(policy, chance)).satisfiedBy(new Set()), 'boolean');
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
    const bytes = mutate(utf8(v.checkpoint), chance);
    const note = readOr(bytes);
    const signed = note?.signatures.some((item) => isSignedBy(verifier, note, item, log)) ?? false;
    if (signed) t.is(note!.text, readNote(utf8(v.checkpoint)).text);
  }
});

function readOr(bytes: Uint8Array) {
  try {
    return readNote(bytes);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return undefined;
  }
}

/** We write no extension lines, and no origins but our own: those are read, and left out here. */
function checkpointAgain(bytes: Uint8Array): Uint8Array | undefined {
  const { extensions, note, ...checkpoint } = readCheckpoint(bytes);
  const ours = extensions.length === 0 && isOrigin(checkpoint.origin);
  return ours ? encodeNote({ ...note, text: checkpointText(checkpoint) }) : undefined;
}

function requestAgain(bytes: Uint8Array): Uint8Array {
  const { old, path, checkpoint } = readRequest(bytes);
  return encodeRequest(old, path, encodeNote(checkpoint.note));
}

function pathAgain<T>(place: T | undefined, write: (place: T) => string, prefix: number): Uint8Array | undefined {
  return place && utf8(write(place).slice(prefix));
}
