/** One signature, one meaning: every signed thing in every place made for another, and every signed thing with one other bit. */
import {
  aadOf,
  ackValue,
  checkStatement,
  commandValue,
  concat,
  decode,
  decodeSign1,
  encodeSign1,
  freshValue,
  headProtected,
  KINDS,
  type Kind,
  loginValue,
  makeSign1,
  type PublicKey,
  publicKeyOf,
  readAck,
  readAnnouncement,
  readBlock1,
  readBlock2,
  readCommand,
  readEnvelope,
  readFresh,
  readHead,
  readIndexEntry,
  readLogin,
  readReceipt,
  readReport,
  readRollout,
  readSignedRoot,
  readStatement,
  readTransaction,
  type Sign1,
  signStatement,
  toBeSigned,
  typOf,
} from '@countersign/device-sdk/format';
import test from 'ava';
import { codeOfRefusal } from '../support/refused.ts';
import { bytesOf, deviceId, makeWorld, sha256, signers, verifier } from '../support/world.ts';

const w = await makeWorld();
const signer = signers.service;
const key = publicKeyOf(signer);
const STATEMENTS = KINDS.filter((kind) => kind !== 'head');
const NONE = new Uint8Array();

test('a statement of any kind is refused in the slot of every other kind', async (t) => {
  for (const kind of STATEMENTS) {
    const bytes = await signStatement(sha256, kind, [1], signer);
    for (const slot of KINDS) {
      const code = codeOfRefusal(() => checkStatement(verifier, readStatement(bytes, slot), key));
      t.is(code, slot === kind ? 'accepted' : 'WRONG_TYPE', `${kind} as ${slot}`);
    }
  }
});

test('a statement relabelled as another kind does not verify', async (t) => {
  for (const kind of STATEMENTS) {
    const sign1 = decodeSign1(await signStatement(sha256, kind, [1], signer));
    for (const slot of STATEMENTS.filter((other) => other !== kind)) {
      const map = new Map([...sign1.protected, [16, typOf(slot)] as const]);
      const relabelled = await makeSign1({ ...signer, sign: async () => sign1.signature }, map, sign1.payload!);
      const code = codeOfRefusal(() => checkStatement(verifier, readStatement(encodeSign1(relabelled), slot), key));
      t.is(code, 'BAD_SIGNATURE', `${kind} as ${slot}`);
    }
  }
});

test('the right typ signed under the external data of another kind, or of none, does not verify', async (t) => {
  const { protected: map, payload } = decodeSign1(await signStatement(sha256, 'cmd', [1], signer));
  for (const externalAad of [NONE, ...KINDS.filter((kind) => kind !== 'cmd').map(aadOf)]) {
    const bytes = encodeSign1(await makeSign1(signer, map, payload!, { externalAad }));
    t.is(
      codeOfRefusal(() => checkStatement(verifier, readStatement(bytes, 'cmd'), key)),
      'BAD_SIGNATURE',
    );
  }
});

test('heads, receipts, blocks, roots, entries, envelopes and announcements are no statements', (t) => {
  const { head, receipt, leaf, block2, root, indexEntry, envelope, announcement } = w;
  const foreign = { head, receipt, leaf, block2, root, indexEntry, envelope, announcement };
  for (const [name, bytes] of Object.entries(foreign)) {
    for (const slot of KINDS) {
      const code = codeOfRefusal(() => readStatement(bytes, slot));
      t.true(code === 'MALFORMED' || code === 'TOO_LARGE', `${name} as ${slot}: ${code}`);
    }
  }
});

test('no statement is a head, a receipt, a block, an envelope, an index entry, an announcement or a root', async (t) => {
  const readers = { readHead, readReceipt, readBlock1, readBlock2, readIndexEntry, readAnnouncement };
  for (const kind of STATEMENTS) {
    const bytes = await signStatement(sha256, kind, [1], signer);
    for (const [name, read] of Object.entries(readers))
      t.is(
        codeOfRefusal(() => read(bytes)),
        'MALFORMED',
        `${kind}, ${name}`,
      );
    t.is(
      codeOfRefusal(() => readEnvelope(sha256, bytes)),
      'MALFORMED',
    );
    t.is(
      codeOfRefusal(() => readSignedRoot(sha256, bytes)),
      'MALFORMED',
    );
  }
});

test('the two blocks, the head and the receipt are refused in each other’s place', (t) => {
  const things = { head: w.head, receipt: w.receipt, block1: w.leaf, block2: w.block2 };
  const readers = { head: readHead, receipt: readReceipt, block1: readBlock1, block2: readBlock2 };
  for (const [thing, bytes] of Object.entries(things)) {
    for (const [slot, read] of Object.entries(readers)) {
      t.is(
        codeOfRefusal(() => read(bytes)),
        thing === slot ? 'accepted' : 'MALFORMED',
        `${thing} as ${slot}`,
      );
    }
  }
});

test('the payload of each kind is refused by the reader of every other kind', (t) => {
  const payloads: Partial<Record<Kind, [Uint8Array, (payload: Uint8Array) => unknown]>> = {
    tx: [w.tx, readTransaction],
    report: [w.report, readReport],
    rollout: [w.rollout, readRollout],
    login: [w.login, readLogin],
    ack: [w.ack, readAck],
    fresh: [w.fresh, readFresh],
    cmd: [w.cmd, readCommand],
  };
  for (const [kind, [bytes]] of Object.entries(payloads)) {
    for (const [slot, [, read]] of Object.entries(payloads)) {
      const code = codeOfRefusal(() => read(decodeSign1(bytes).payload!));
      t.is(code, kind === slot ? 'accepted' : 'MALFORMED', `${kind} as ${slot}`);
    }
  }
});

test('the algorithm is the key’s, whatever the header says', async (t) => {
  const login = await signStatement(sha256, 'login', loginValue({ deviceId, brokerId: 'b', counter: 1 }), signer);
  const other: PublicKey = { alg: -9, bytes: new Uint8Array(65) };
  t.is(
    codeOfRefusal(() => checkStatement(verifier, readStatement(login, 'login'), other)),
    'BAD_SIGNATURE',
  );
});

/** Reads a signed thing strictly and checks its signature under the key it should have. */
const CHECKS: Record<string, { bytes: Uint8Array; check: (bytes: Uint8Array) => void }> = {
  ...statementCheck('rollout', w.rollout, signers.command),
  ...statementCheck('report', w.report, signers.device),
  ...statementCheck('tx', w.tx, signers.person),
  ...statementCheck('login', w.login, signers.device),
  ...statementCheck('ack', w.ack, signers.command),
  ...statementCheck('fresh', w.fresh, signers.command),
  ...statementCheck('cmd', w.cmd, signers.command),
  block1: {
    bytes: w.leaf,
    check: (bytes) => signedBy(readBlock1(bytes).sign1, signers.collection, readBlock1(bytes).sign1.payload!),
  },
  block2: {
    bytes: w.block2,
    check: (bytes) => signedBy(readBlock2(bytes).sign1, signers.distribution, readBlock1(w.leaf).sign1.payload!),
  },
  envelope: {
    bytes: w.envelope,
    check: (bytes) => {
      const { block1, block2, suitDigest } = readEnvelope(sha256, bytes);
      signedBy(block1.sign1, signers.collection, suitDigest);
      signedBy(block2.sign1, signers.distribution, suitDigest);
    },
  },
  head: { bytes: w.head, check: (bytes) => signedBy(readHead(bytes).sign1, signers.log, w.headFields.root) },
  cosignature: {
    bytes: w.cosignature,
    check: (bytes) => signedBy(readHead(bytes).sign1, signers.peer, w.headFields.root),
  },
  root: {
    bytes: w.root,
    check: (bytes) => {
      for (const statement of readSignedRoot(sha256, bytes).signatures) {
        checkStatement(verifier, statement, publicKeyOf(signers.root));
      }
    },
  },
};

for (const [name, { bytes, check }] of Object.entries(CHECKS)) {
  test(`${name} with one other bit is refused`, (t) => {
    t.is(
      codeOfRefusal(() => check(bytes)),
      'accepted',
    );
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at]! ^= 1 << (at % 8);
      if (!refuses(() => check(changed))) t.fail(`byte ${at}`);
    }
    t.pass();
  });
}

test('a cosignature is rebuilt from the head, the kid and the algorithm', (t) => {
  const { fields, alg, kid, sign1 } = readHead(w.cosignature);
  const rebuilt = decodeSign1(encodeSign1({ ...sign1, protectedBytes: sign1.protectedBytes }));
  t.deepEqual(headProtected(fields, alg, kid), decode(rebuilt.protectedBytes));
  t.notDeepEqual(readHead(w.head).kid, kid);
});

test('a signature over one message is none over another with the same bytes split elsewhere', async (t) => {
  const ack = await signStatement(sha256, 'ack', ackValue({ deviceId, counter: 4, leafHash: bytesOf('leaf') }), signer);
  const fresh = await signStatement(
    sha256,
    'fresh',
    freshValue({ nonce: deviceId, headDigest: bytesOf('leaf') }),
    signer,
  );
  const cmd = await signStatement(sha256, 'cmd', commandValue({ deviceId, counter: 4, command: 1 }), signer);
  const messages = [ack, fresh, cmd].map((bytes) => decodeSign1(bytes));
  for (const a of messages) {
    for (const b of messages) {
      const mixed = encodeSign1({ ...a, payload: b.payload });
      const kind = a === messages[0] ? 'ack' : a === messages[1] ? 'fresh' : 'cmd';
      const code = codeOfRefusal(() => checkStatement(verifier, readStatement(mixed, kind), key));
      t.is(code, a === b ? 'accepted' : 'BAD_SIGNATURE');
    }
  }
  t.notDeepEqual(toBeSigned(NONE, concat(NONE, Uint8Array.of(1)), NONE), toBeSigned(NONE, NONE, Uint8Array.of(1)));
});

function statementCheck(kind: Kind, bytes: Uint8Array, by: { alg: number; publicKey: Uint8Array }) {
  const check = (input: Uint8Array) =>
    checkStatement(verifier, readStatement(input, kind), { alg: by.alg, bytes: by.publicKey });
  return { [kind]: { bytes, check } };
}

class NotSigned extends Error {}

function signedBy(sign1: Sign1, by: { alg: number; publicKey: Uint8Array }, payload: Uint8Array): void {
  const message = toBeSigned(sign1.protectedBytes, NONE, payload);
  const same = sign1.protected.get(1) === by.alg;
  if (!same || !verifier.verify(by.alg, by.publicKey, message, sign1.signature)) throw new NotSigned();
}

function refuses(check: () => void): boolean {
  try {
    return codeOfRefusal(check) !== 'accepted';
  } catch (error) {
    if (error instanceof NotSigned) return true;
    throw error;
  }
}
