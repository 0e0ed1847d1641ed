/** The auditors' formats: every text written anew, read by us, and recomputed by an auditor without our code. */
import { readFileSync } from 'node:fs';
import { readBundle } from '@countersign/broker/ledger/c2sp/bundle';
import { checkpointText, isOrigin, readCheckpoint } from '@countersign/broker/ledger/c2sp/checkpoint';
import { encodeNote, readNote } from '@countersign/broker/ledger/c2sp/note';
import { checkNote, cosignText, isSignedBy, signText } from '@countersign/broker/ledger/c2sp/note-signatures';
import { readPolicy } from '@countersign/broker/ledger/c2sp/policy';
import { checkProof, encodeProof, readProof } from '@countersign/broker/ledger/c2sp/proof';
import {
  entriesPath,
  hashTilePath,
  levelWidth,
  readEntriesPath,
  readHashTilePath,
  tilesBetween,
} from '@countersign/broker/ledger/c2sp/tile-path';
import {
  COSIGNATURE_V1,
  ED25519_NOTE,
  encodeVkey,
  type NoteKey,
  noteKey,
  readVkey,
} from '@countersign/broker/ledger/c2sp/vkey';
import { encodeRequest, readRequest } from '@countersign/broker/ledger/c2sp/witness';
import { type Code, codeOf } from '@countersign/device-sdk';
import {
  ALG_ED25519,
  checkConsistency,
  concat,
  leafHash,
  readHead,
  signHead,
  toBeSigned,
  utf8,
} from '@countersign/device-sdk/format';
import { nodeKeyStore, nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { derOf, rawOf } from '@countersign/device-sdk/host/der';
import { checkSign1 } from '@countersign/device-sdk/verify';
import test, { type ExecutionContext } from 'ava';
import { auditorKey, checkpointOf, isSignedNote, tilePaths, verifyProof } from '../support/c2sp-auditor.ts';

const verifier = nodeVerifier();
const v = JSON.parse(readFileSync(new URL('../../vectors/c2sp.json', import.meta.url), 'utf8'));
const [logKey, log256, peer] = [v.vkeys.log, v.vkeys.logP256, v.vkeys.peer].map((key: string) =>
  readVkey(verifier, key),
) as [ReturnType<typeof readVkey>, ReturnType<typeof readVkey>, ReturnType<typeof readVkey>];
const entry = (i: number) => utf8(`entry ${i}`);

function refuses(t: ExecutionContext, code: Code, what: string, run: () => unknown): void {
  t.is(codeOf(t.throws(run, undefined, what)), code, what);
}

test('what is read is written again, byte for byte', (t) => {
  for (const name of ['checkpoint', 'checkpointP256', 'cosigned', 'before']) {
    const note = readNote(utf8(v[name]));
    t.deepEqual(Buffer.from(encodeNote(note)).toString(), v[name], name);
    const { origin, size, root, extensions } = readCheckpoint(utf8(v[name]));
    t.is(checkpointText({ origin, size, root }), note.text);
    t.deepEqual(extensions, []);
  }
  for (const key of [logKey, log256, peer])
    t.is(encodeVkey(key), v.vkeys[key === peer ? 'peer' : key === logKey ? 'log' : 'logP256']);
  const { old, path } = readRequest(utf8(v.request));
  t.is(Buffer.from(encodeRequest(old, path, utf8(v.checkpoint))).toString(), v.request);
  t.is(Buffer.from(encodeProof(readProof(utf8(v.proof)))).toString(), v.proof);
  const extra = encodeProof({ ...readProof(utf8(v.proof)), extra: Uint8Array.of(1, 2, 3) });
  t.deepEqual(readProof(extra).extra, Uint8Array.of(1, 2, 3));
  t.deepEqual(readBundle(new Uint8Array(Buffer.from(v.bundle, 'hex')), 44)[43], entry(299));
  for (const { level, n, width, hashes, entries } of v.paths) {
    t.is(hashTilePath({ level, n, width }), hashes);
    t.is(entriesPath({ n, width }), entries);
    t.deepEqual(readHashTilePath(hashes.slice(5)), { level, n, width });
    t.deepEqual(readEntriesPath(entries.slice(13)), { n, width });
  }
});

test('signatures verify for us, and for an auditor who has node:crypto and the pages', (t) => {
  for (const [note, vkey, key] of [
    [v.checkpoint, v.vkeys.log, logKey],
    [v.checkpointP256, v.vkeys.logP256, log256],
    [v.cosigned, v.vkeys.peer, peer],
  ]) {
    t.is(checkNote(verifier, readNote(utf8(note)), [key]).length, 1);
    t.true(isSignedNote(Buffer.from(note), auditorKey(vkey)));
    const changed = note.replace('\n300\n', '\n301\n');
    refuses(t, 'BAD_SIGNATURE', vkey, () => checkNote(verifier, readNote(utf8(changed)), [key]));
    t.false(isSignedNote(Buffer.from(changed), auditorKey(vkey)));
  }
  t.is(checkNote(verifier, readNote(utf8(v.cosigned)), [peer])[0]!.time, 1_800_000_000);
  t.deepEqual(checkNote(verifier, readNote(utf8(v.checkpoint)), [peer]), [], 'an unknown key is no failure');
  const [signature] = readNote(utf8(v.checkpoint)).signatures;
  t.false(isSignedBy(verifier, readNote(utf8(v.checkpoint)), { ...signature!, name: 'example.com/other' }, logKey));
});

test('a published note of the Go checksum database verifies', (t) => {
  const key = readVkey(verifier, 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW');
  const note =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n" +
    '\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n';
  t.is(checkNote(verifier, readNote(utf8(note)), [key]).length, 1);
});

test('proofs lead to the root, for us and for the other auditor; changed ones do not', (t) => {
  const keys = { log: [logKey], witnesses: [peer] };
  const { checkpoint, witnesses } = checkProof(verifier, utf8(v.proof), leafHash(verifier.sha256, entry(7)), keys);
  t.is(checkpoint.size, 300);
  t.is(witnesses.length, 1);
  t.is(verifyProof(Buffer.from(v.proof), entry(7), v.vkeys.log), 300);
  const { old, path, checkpoint: now } = readRequest(utf8(v.request));
  const before = readCheckpoint(utf8(v.before));
  t.notThrows(() => checkConsistency(verifier.sha256, old, now.size, before.root, now.root, path));
  const of = (i: number) => leafHash(verifier.sha256, entry(i));
  const rows: [string, Code, () => unknown][] = [
    ['another entry', 'NO_RECEIPT', () => checkProof(verifier, utf8(v.proof), of(8), keys)],
    [
      'another index',
      'NO_RECEIPT',
      () => checkProof(verifier, utf8(v.proof.replace('index 7', 'index 6')), of(7), keys),
    ],
    ['unknown log', 'UNKNOWN_KEY', () => checkProof(verifier, utf8(v.proof), of(7), { log: [log256] })],
    ['a cosigner is no log', 'UNKNOWN_KEY', () => checkProof(verifier, utf8(v.proof), of(7), { log: [peer] })],
  ];
  for (const [what, code, run] of rows) refuses(t, code, what, run);
  t.throws(() => verifyProof(Buffer.from(v.proof), entry(8), v.vkeys.log));
});

test('a note has one form', (t) => {
  const line = v.checkpoint.split('\n')[4] as string;
  const text = v.checkpoint.slice(0, v.checkpoint.indexOf('\n\n') + 1) as string;
  const rows: [string, string][] = [
    ['no signature', `${text}\n`],
    ['no empty line', `${text}${line}\n`],
    ['no newline at the end', `${text}\n${line}`],
    ['a carriage return', `${text}\n${line}\r\n`],
    ['a tab', `a\tb\n\n${line}\n`],
    ['a hyphen for the dash', `${text}\n-${line.slice(1)}\n`],
    ['two spaces', `${text}\n${line.replace(' e', '  e')}\n`],
    ['a no-break space in the name', `${text}\n${line.replace('/pumps', '/pum\u00a0ps')}\n`],
    ['a plus in the name', `${text}\n${line.replace('/pumps', '/pum+ps')}\n`],
    ['base64 without padding', `${text}\n${line.replace(/=+$/, '')}\n`],
    ['base64 of another alphabet', `${text}\n${line.replace(/[+/](?=[^ ]*$)/, '-')}\n`],
    ['a key id and nothing more', `${text}\n\u2014 a AAAAAA==\n`],
  ];
  for (const [what, note] of rows) refuses(t, 'MALFORMED', what, () => readNote(utf8(note)));
  const many = (count: number) => utf8(`${text}\n${`${line}\n`.repeat(count)}`);
  t.is(readNote(many(64)).signatures.length, 64);
  refuses(t, 'TOO_LARGE', '65 signatures', () => readNote(many(65)));
  refuses(t, 'TOO_LARGE', '200 kB', () => readNote(new Uint8Array(200_000)));
  t.is(readNote(utf8(`a\n\nb\n\n${line}\n`)).text, 'a\n\nb\n', 'an empty line may stand in the text');
});

test('a checkpoint has one form', (t) => {
  const signed = (text: string) => utf8(`${text}\n${v.checkpoint.split('\n')[4]}\n`);
  const root = v.checkpoint.split('\n')[2];
  const rows: [string, string][] = [
    ['a leading zero', `o\n0300\n${root}\n`],
    ['a sign', `o\n+300\n${root}\n`],
    ['hex', `o\n0x12c\n${root}\n`],
    ['beyond 2^53', `o\n9007199254740992\n${root}\n`],
    ['half a root', `o\n300\n${root.slice(0, 24)}\n`],
    ['no root', 'o\n300\n'],
    ['no origin', `\n300\n${root}\n`],
    ['an empty extension line', `o\n300\n${root}\n\nx\n`],
  ];
  for (const [what, text] of rows) refuses(t, 'MALFORMED', what, () => readCheckpoint(signed(text)));
  t.deepEqual(readCheckpoint(signed(`o\n0\n${root}\nmore\n`)).extensions, ['more']);
});

test('no text that a log signs as a checkpoint is one that it signs as a head', (t) => {
  t.is(toBeSigned(Uint8Array.of(0xa1, 1, 0x32), new Uint8Array(), new Uint8Array(32))[0], 0x84);
  for (const origin of ['\u0084a', 'a b', 'a+b', 'a\u00a0b', '', 'p\u00e4', 'a\nb', 'x'.repeat(65), '\u007f']) {
    t.false(isOrigin(origin), origin);
    refuses(t, 'UNSUPPORTED', origin, () => checkpointText({ origin, size: 1, root: new Uint8Array(32) }));
  }
  for (const origin of ['localhost/countersign-0a1b2c3d', 'example.com/log', '!', '~', 'x'.repeat(64)]) {
    t.true(isOrigin(origin), origin);
    const first = checkpointText({ origin, size: 1, root: new Uint8Array(32) }).charCodeAt(0);
    t.true(first >= 0x21 && first <= 0x7e);
  }
  // A cosignature's second line says `time`, where a checkpoint has its size: even an origin of that name is apart.
  t.regex(checkpointText({ origin: 'cosignature/v1', size: 9, root: new Uint8Array(32) }), /^cosignature\/v1\n9\n/);
});

test('no signature of one kind is taken for another, though one key makes them all', async (t) => {
  const log = nodeKeyStore(ALG_ED25519, new Uint8Array(32).fill(1));
  const origin = 'cosignature/v1';
  const head = { origin, size: 9, root: new Uint8Array(32), indexRoot: new Uint8Array(32), time: 9, rootVersion: 1 };
  const { sign1, alg } = readHead(await signHead(verifier.sha256, head, log));
  const text = checkpointText(head);
  const own = await signText(verifier.sha256, origin, log, text);
  const cosigned = await cosignText(verifier.sha256, origin, log, text, 9);
  const key = { alg, bytes: log.publicKey };
  const [asLog, asWitness] = ([ED25519_NOTE, COSIGNATURE_V1] as const).map((type) =>
    noteKey(verifier.sha256, origin, type, key),
  );
  const isNote = (signature: Uint8Array, by: NoteKey) =>
    isSignedBy(verifier, { text, signatures: [] }, { name: origin, keyId: by.keyId, signature }, by);
  const isHead = (signature: Uint8Array) => {
    try {
      checkSign1(verifier, { ...sign1, signature }, alg, key, head.root, 'head');
      return true;
    } catch (error) {
      t.is(codeOf(error), 'BAD_SIGNATURE');
      return false;
    }
  };
  const time = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 9]);
  const bare = cosigned.signature.slice(8);
  const rows: [string, boolean[], boolean[]][] = [
    ['head', [isHead(sign1.signature), isNote(sign1.signature, asLog!)], [true, false]],
    ['head as a cosignature', [isNote(concat(time, sign1.signature), asWitness!)], [false]],
    ['checkpoint', [isNote(own.signature, asLog!), isHead(own.signature)], [true, false]],
    ['checkpoint as a cosignature', [isNote(concat(time, own.signature), asWitness!)], [false]],
    ['cosignature', [isNote(cosigned.signature, asWitness!), isHead(bare), isNote(bare, asLog!)], [true, false, false]],
  ];
  for (const [what, found, expected] of rows) t.deepEqual(found, expected, what);
});

test('a key has one form, and its id is that of the key', (t) => {
  const [, name, id, encoded] = /^([^+]+)\+([^+]+)\+(.+)$/.exec(v.vkeys.log)! as unknown as string[];
  const rows: [string, Code, string][] = [
    ['another id', 'MALFORMED', `${name}+00000000+${encoded}`],
    ['another name', 'MALFORMED', `${name}x+${id}+${encoded}`],
    ['upper-case id', 'MALFORMED', v.vkeys.log.replace(id!, id!.toUpperCase())],
    ['no name', 'MALFORMED', `+${id}+${encoded}`],
    [
      'a type that we do not read',
      'UNSUPPORTED',
      `${name}+${id}+${Buffer.concat([Buffer.of(6), Buffer.alloc(40)]).toString('base64')}`,
    ],
    [
      'a key of small order',
      'BAD_KEY',
      `${name}+${id}+${Buffer.concat([Buffer.of(1, 1), Buffer.alloc(31)]).toString('base64')}`,
    ],
  ];
  for (const [what, code, vkey] of rows) refuses(t, code, what, () => readVkey(verifier, vkey));
});

test('a path has one form, and a tree the tiles of the page', (t) => {
  for (const path of [
    '000.p/0',
    '000.p/256',
    '00',
    '0000',
    'x000/000',
    '000.p/01',
    '000.p/',
    'x001',
    '000/',
    'X001/000',
    '-01',
    '000.p/44/',
    'x001/x000/000/x',
  ])
    t.is(readEntriesPath(path), undefined, path);
  for (const path of ['64/000', '00/000', '0', 'entries/000', '/000', '-1/000', '0//000', '0/../000'])
    t.is(readHashTilePath(path), undefined, path);
  const shape = [0, 1, 2].map((level) => tilePaths(String(level), levelWidth(70_000, level)));
  t.deepEqual(
    shape.map((paths) => paths.length),
    [274, 2, 1],
  );
  t.deepEqual(
    shape.map((paths) => paths.at(-1)),
    ['tile/0/273.p/112', 'tile/1/001.p/17', 'tile/2/000.p/1'],
  );
  for (const [level, paths] of shape.entries()) {
    const count = levelWidth(70_000, level);
    t.deepEqual(
      [...tilesBetween(0, count, count)].map((place) => hashTilePath({ level, ...place })),
      paths,
    );
  }
});

test('bundles and DER numbers have one form', (t) => {
  const bundle = new Uint8Array(Buffer.from(v.bundle, 'hex'));
  for (const [what, bytes, count] of [
    ['cut off', bundle.subarray(0, -1), 44],
    ['half a length', bundle.subarray(0, 12), 2],
    ['too few', bundle, 45],
    ['too many', bundle, 43],
  ] as const)
    refuses(t, 'MALFORMED', what, () => readBundle(bytes, count));
  const raw = new Uint8Array(64);
  raw[0] = 0x80;
  raw[63] = 1;
  t.deepEqual(rawOf(derOf(raw)), raw);
  t.is(Buffer.from(derOf(raw)).toString('hex'), `3026022100${'80'.padEnd(64, '0')}020101`);
  for (const hex of [
    '',
    '30',
    '3006020101020100ff',
    '300602010102018f',
    '30070202000102010f',
    '3006030101020101',
    '300602010102020101',
    '30050201010201',
  ])
    refuses(t, 'MALFORMED', hex, () => rawOf(new Uint8Array(Buffer.from(hex, 'hex'))));
});

test('a policy says who must have signed', (t) => {
  const witness = (name: string) => `witness ${name} ${v.vkeys.peer} https://w.example\n`;
  const read = (text: string) => readPolicy(verifier, utf8(text));
  const policy = read(
    `# ours\n log ${v.vkeys.log}\thttps://log.example\n\n${witness('one')}group g 1 one\ngroup all all g\nquorum all\n`,
  );
  t.is(policy.logs[0]!.url, 'https://log.example');
  t.true(policy.satisfiedBy(new Set(['one'])));
  t.false(policy.satisfiedBy(new Set(['g'])));
  t.true(read('quorum none\n').satisfiedBy(new Set()));
  const rows: [string, Code, string][] = [
    ['no quorum', 'MALFORMED', `log ${v.vkeys.log}\n`],
    ['two quorums', 'MALFORMED', 'quorum none\nquorum none\n'],
    ['an unknown name', 'MALFORMED', 'quorum one\n'],
    ['a name before its line', 'MALFORMED', `group g any one\n${witness('one')}quorum g\n`],
    ['a member twice', 'MALFORMED', `${witness('one')}group g 2 one one\nquorum g\n`],
    ['a member of two groups', 'MALFORMED', `${witness('one')}group g any one\ngroup h any one\nquorum h\n`],
    ['more than there are', 'MALFORMED', `${witness('one')}group g 2 one\nquorum g\n`],
    ['none of them', 'MALFORMED', `${witness('one')}group g 0 one\nquorum g\n`],
    ['a group of nobody', 'MALFORMED', 'group g all\nquorum g\n'],
    ['one key twice', 'MALFORMED', `${witness('one')}${witness('two')}quorum one\n`],
    ['the name none', 'MALFORMED', `${witness('none')}quorum none\n`],
    ['a witness as a log', 'UNSUPPORTED', `log ${v.vkeys.peer}\nquorum none\n`],
    ['a log as a witness', 'UNSUPPORTED', `witness one ${v.vkeys.log}\nquorum one\n`],
    ['a line of another kind', 'MALFORMED', 'trust everybody\nquorum none\n'],
    ['no end of line', 'MALFORMED', 'quorum none'],
    ['a carriage return', 'MALFORMED', 'quorum none\r\n'],
  ];
  for (const [what, code, text] of rows) refuses(t, code, what, () => read(text));
});

test('the other auditor reads the same checkpoint', (t) => {
  const { size, root } = readCheckpoint(utf8(v.checkpoint));
  t.deepEqual(checkpointOf(Buffer.from(v.checkpoint), auditorKey(v.vkeys.log)), {
    size,
    root: Buffer.from(root).toString('base64'),
  });
});
