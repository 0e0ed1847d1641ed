/** "Exactly this and nothing else": every key more, less or elsewhere is refused before any signature is looked at. */
import {
  asArray,
  asMap,
  type CborMap,
  decode,
  decodeSign1,
  encode,
  encodeRoot,
  encodeSign1,
  encodeSignedRoot,
  hex,
  ROLES,
  type Role,
  readAnnouncement,
  readAnswer,
  readBlock1,
  readBlock2,
  readEnvelope,
  readHead,
  readIndexEntry,
  readManifest,
  readProvision,
  readReceipt,
  readReport,
  readRequest,
  readRollout,
  readSignedRoot,
  readStatement,
  type Sign1,
  signDetached,
  Tagged,
  type TrustRoot,
  unwrap,
  type Value,
} from '@countersign/device-sdk/format';
import test from 'ava';
import { codeOfRefusal } from '../support/refused.ts';
import { bytesOf, classId, makeWorld, sha256, signers, trustRoot } from '../support/world.ts';

const w = await makeWorld();

/** Everything with a protected header, and how it is read. */
const SIGNED: Record<string, [Uint8Array, (bytes: Uint8Array) => unknown]> = {
  block1: [w.leaf, readBlock1],
  block2: [w.block2, readBlock2],
  head: [w.head, readHead],
  receipt: [w.receipt, readReceipt],
  rollout: [w.rollout, (bytes) => readStatement(bytes, 'rollout')],
  report: [w.report, (bytes) => readStatement(bytes, 'report')],
  tx: [w.tx, (bytes) => readStatement(bytes, 'tx')],
  login: [w.login, (bytes) => readStatement(bytes, 'login')],
  ack: [w.ack, (bytes) => readStatement(bytes, 'ack')],
  fresh: [w.fresh, (bytes) => readStatement(bytes, 'fresh')],
  cmd: [w.cmd, (bytes) => readStatement(bytes, 'cmd')],
};

for (const [name, [bytes, read]] of Object.entries(SIGNED)) {
  const sign1 = decodeSign1(bytes);
  const withProtected = (map: CborMap) => encodeSign1({ ...sign1, protectedBytes: encode(map) });

  test(`${name} has exactly its protected labels`, (t) => {
    t.is(
      codeOfRefusal(() => read(bytes)),
      'accepted',
    );
    for (const label of sign1.protected.keys()) {
      const less = new Map(sign1.protected);
      less.delete(label);
      t.is(
        codeOfRefusal(() => read(withProtected(less))),
        'MALFORMED',
        `without ${label}`,
      );
      const other = new Map([...less, [98, sign1.protected.get(label)!] as const]);
      t.is(
        codeOfRefusal(() => read(withProtected(other))),
        'MALFORMED',
        `98 for ${label}`,
      );
    }
    const more = new Map([...sign1.protected, [2, [1]] as const]);
    t.is(
      codeOfRefusal(() => read(withProtected(more))),
      'MALFORMED',
      'a critical list',
    );
    t.is(
      codeOfRefusal(() => read(encodeSign1({ ...sign1, protectedBytes: new Uint8Array() }))),
      'MALFORMED',
    );
  });

  test(`${name} has values of the right kind in its protected header`, (t) => {
    for (const [label, value] of sign1.protected) {
      for (const wrong of ['text', 77, null, [value], new Uint8Array(7)] as Value[]) {
        if (label === 1 && wrong === 77) continue; // any integer may stand there: it is compared with the key's later
        const code = codeOfRefusal(() => read(withProtected(new Map([...sign1.protected, [label, wrong] as const]))));
        t.not(code, 'accepted', `${label}: ${String(wrong)}`);
      }
    }
  });

  test(`${name} has nothing unsigned, a payload in its place and 64 signature bytes`, (t) => {
    const changed = (change: Partial<Sign1>) => codeOfRefusal(() => read(encodeSign1({ ...sign1, ...change })));
    t.is(changed({ unprotected: new Map([...sign1.unprotected, [4, new Uint8Array(8)] as const]) }), 'MALFORMED');
    t.is(changed({ payload: sign1.payload ? null : new Uint8Array(32) }), 'MALFORMED');
    t.is(changed({ signature: new Uint8Array(63) }), 'MALFORMED');
    t.is(changed({ signature: new Uint8Array(65) }), 'MALFORMED');
    const untagged = encode((decode(bytes) as Tagged).value);
    t.is(
      codeOfRefusal(() => read(untagged)),
      'MALFORMED',
    );
    t.is(
      codeOfRefusal(() => read(encode(new Tagged(98, (decode(bytes) as Tagged).value)))),
      'MALFORMED',
    );
    t.is(
      codeOfRefusal(() => read(Uint8Array.from([...bytes, 0]))),
      'MALFORMED',
    );
  });
}

test('a receipt holds one inclusion proof for the size that is signed, and nothing else', (t) => {
  const sign1 = decodeSign1(w.receipt);
  const proofs = (value: Value) => encodeSign1({ ...sign1, unprotected: new Map<number, Value>([[396, value]]) });
  const code = (value: Value) => codeOfRefusal(() => readReceipt(proofs(value)));
  const proof = (size: number) => encode([size, 2, [bytesOf('a'), bytesOf('b')]]);
  t.is(code(new Map<number, Value>([[-1, [proof(4)]]])), 'accepted');
  t.is(code(new Map<number, Value>([[-1, [proof(5)]]])), 'NO_RECEIPT');
  t.is(code(new Map<number, Value>([[-1, [proof(4), proof(4)]]])), 'MALFORMED');
  t.is(code(new Map<number, Value>([[-1, []]])), 'MALFORMED');
  t.is(code(new Map<number, Value>([[-2, [proof(4)]]])), 'MALFORMED');
  t.is(
    code(
      new Map<number, Value>([
        [-1, [proof(4)]],
        [-2, [proof(4)]],
      ]),
    ),
    'MALFORMED',
  );
  t.is(code(new Map<number, Value>([[-1, [encode([4, 2, [new Uint8Array(31)]])]]])), 'MALFORMED');
  t.is(code(new Map<number, Value>([[-1, [encode([4, 2, new Array(54).fill(bytesOf('a'))])]]])), 'MALFORMED');
});

test('a head of another tree structure is UNSUPPORTED', (t) => {
  const sign1 = decodeSign1(w.head);
  const other = encode(new Map([...sign1.protected, [395, 2] as const]));
  t.is(
    codeOfRefusal(() => readHead(encodeSign1({ ...sign1, protectedBytes: other }))),
    'UNSUPPORTED',
  );
});

test('an envelope has the tag, two keys, the digest and two blocks in role order', (t) => {
  const map = asMap((decode(w.envelope) as Tagged).value, 'envelope');
  const [digest, block1, block2] = asArray(unwrap(map.get(2), 'wrapper'), 'wrapper') as [Value, Value, Value];
  const manifest = map.get(3)!;
  const make = (wrapper: Value[], extra: [number | string, Value][] = [], tag = 107) =>
    encode(new Tagged(tag, new Map<number | string, Value>([[2, encode(wrapper)], [3, manifest], ...extra])));
  const code = (bytes: Uint8Array) => codeOfRefusal(() => readEnvelope(sha256, bytes));
  t.is(code(make([digest, block1, block2])), 'accepted');
  const rows: [string, Uint8Array][] = [
    ['another tag', make([digest, block1, block2], [], 1070)],
    ['no tag', encode(map)],
    ['an integrated payload', make([digest, block1, block2], [['#image', new Uint8Array(4)]])],
    ['a severed member', make([digest, block1, block2], [[20, new Uint8Array(4)]])],
    ['delegation', make([digest, block1, block2], [[1, new Uint8Array(4)]])],
    ['no block', make([digest])],
    ['one block', make([digest, block1])],
    ['three blocks', make([digest, block1, block2, block2])],
    ['blocks in the other order', make([digest, block2, block1])],
    ['block 1 twice', make([digest, block1, block1])],
    ['block 2 twice', make([digest, block2, block2])],
    ['a digest of something else', make([encode([-16, bytesOf('other')]), block1, block2])],
    ['a digest by another algorithm', make([encode([-44, bytesOf('other')]), block1, block2])],
    ['block 1 with its payload', make([digest, w.leaf, block2])],
    ['a block that is not a byte string', make([digest, decode(block1 as Uint8Array), block2])],
    [
      'a wrapper that is not a byte string',
      encode(
        new Tagged(
          107,
          new Map<number, Value>([
            [2, [digest]],
            [3, manifest],
          ]),
        ),
      ),
    ],
  ];
  for (const [name, bytes] of rows) t.is(code(bytes), 'MALFORMED', name);
});

test('a manifest of any other commands, keys, components or order is refused', (t) => {
  const map = asMap(decode(w.manifest), 'manifest');
  const common = asMap(unwrap(map.get(3), 'common'), 'common');
  const shared = asArray(unwrap(common.get(4), 'shared'), 'shared');
  const install = asArray(unwrap(map.get(20), 'install'), 'install');
  const code = (m: CborMap) => codeOfRefusal(() => readManifest(encode(m)));
  const change = (key: number, value: Value) => code(new Map([...map, [key, value] as const]));
  const changeCommon = (key: number, value: Value) => change(3, encode(new Map([...common, [key, value] as const])));
  t.is(code(map), 'accepted');
  for (const key of map.keys()) {
    const less = new Map(map);
    less.delete(key);
    t.is(code(less), key === 1 ? 'UNSUPPORTED' : 'MALFORMED', `without ${key}`);
  }
  t.is(change(1, 2), 'UNSUPPORTED', 'manifest version 2');
  for (const key of [4, 5, 6, 8, 14, 15, 16, 18, 23, 24, 99]) {
    t.is(change(key, encode([12, 0])), 'MALFORMED', `with ${key}`);
  }
  t.is(change(20, [-16, bytesOf('severed')]), 'MALFORMED', 'a severed install sequence');
  t.is(change(7, encode([12, 0])), 'MALFORMED', 'validate without a check');
  t.is(change(7, encode([12, 0, 3, 2])), 'MALFORMED', 'another reporting policy');
  t.is(change(9, encode([12, 1, 23, 2])), 'MALFORMED', 'invoke of another component');
  t.is(change(20, encode([...install, 23, 2])), 'MALFORMED', 'a command after the check');
  t.is(change(20, encode(install.slice(0, 4))), 'MALFORMED', 'no check of the result');
  t.is(change(20, encode([...install.slice(2), ...install.slice(0, 2)])), 'MALFORMED', 'the check before the fetch');
  t.is(changeCommon(2, [[Uint8Array.of(0)]]), 'MALFORMED', 'other components');
  t.is(changeCommon(1, new Map()), 'MALFORMED', 'dependencies');
  t.is(changeCommon(4, encode(shared.slice(0, 4))), 'MALFORMED', 'no vendor and class check');
  t.is(changeCommon(4, encode([...shared, 21, 2])), 'MALFORMED', 'a fetch in the shared sequence');
  const parameters = new Map([...asMap(shared[3], 'parameters'), [21, 'http://example.com'] as const]);
  t.is(changeCommon(4, encode([...shared.slice(0, 3), parameters, ...shared.slice(4)])), 'MALFORMED', 'a uri');
});

test('branches stand in the profile’s one form, based ones first and one full image last', (t) => {
  const map = asMap(decode(w.manifest), 'manifest');
  const install = asArray(unwrap(map.get(20), 'install'), 'install');
  const branches = asArray(install[1], 'branches') as Uint8Array[];
  const code = (items: Value[]) =>
    codeOfRefusal(() =>
      readManifest(encode(new Map([...map, [20, encode([15, items, ...install.slice(2)])] as const]))),
    );
  const [first, second, full] = branches as [Uint8Array, Uint8Array, Uint8Array];
  t.is(code([first, full]), 'accepted');
  t.is(code([full]), 'accepted');
  t.is(code([]), 'MALFORMED');
  t.is(code([first, second]), 'MALFORMED', 'no full image');
  t.is(code([full, first]), 'MALFORMED', 'the full image first');
  t.is(code([full, full]), 'MALFORMED', 'two full images');
  t.is(code([first, full, null]), 'MALFORMED', 'a nil branch: "do nothing" is no update');
  t.is(code(new Array(9).fill(full)), 'MALFORMED', 'nine branches');
  const commands = asArray(decode(first), 'branch');
  const edit = (at: number, value: Value) => code([encode(commands.map((item, i) => (i === at ? value : item))), full]);
  for (const at of [0, 2, 4, 6, 8, 10, 12, 14])
    t.is(edit(at, 3), at === 4 ? 'accepted' : 'MALFORMED', `label at ${at}`);
  for (const at of [1, 5, 7, 11, 13]) t.is(edit(at, 9), 'MALFORMED', `argument at ${at}`);
  const stream = asMap(commands[9], 'stream');
  const frames = (value: Value[]) => edit(9, new Map([...stream, [25, encode(value)] as const]));
  const bytes = stream.get(14) as number;
  t.is(frames([bytesOf('chain'), 1024, Math.ceil(bytes / 1024)]), 'accepted');
  t.is(frames([bytesOf('chain'), 1024, Math.ceil(bytes / 1024) + 1]), 'MALFORMED', 'one frame too many');
  t.is(frames([bytesOf('chain'), 128, Math.ceil(bytes / 128)]), 'MALFORMED', 'frames under 256 bytes');
  t.is(frames([bytesOf('chain'), 8192, 1]), 'MALFORMED', 'frames over 4096 bytes');
  t.is(edit(9, new Map([...stream, [14, 0] as const])), 'MALFORMED', 'an empty payload');
  t.is(edit(15, [9, 4096, 1]), 'MALFORMED', 'an unknown memory class');
  t.is(edit(15, [0, 4096, 2]), 'MALFORMED', 'a base that is not component 1');
  t.is(edit(15, [0, 4096, null]), 'MALFORMED', 'a base check and a patch without base');
  const base = asMap(commands[3], 'base');
  t.is(edit(3, new Map([...base, [3, encode([-44, bytesOf('x')])] as const])), 'UNSUPPORTED', 'SHA-512');
});

test('arrays have exactly their elements', (t) => {
  const rows: [string, Uint8Array, (bytes: Uint8Array) => unknown][] = [
    ['announcement', w.announcement, readAnnouncement],
    ['index entry', w.indexEntry, readIndexEntry],
    ['rollout', decodeSign1(w.rollout).payload!, readRollout],
    ['report', decodeSign1(w.report).payload!, readReport],
    ['provisioning', w.provision, readProvision],
    ['trust root', w.root, (bytes) => readSignedRoot(sha256, bytes)],
    ['request', encode([1, 2, 4, 900]), readRequest],
    ['answer', encode([1, 1, 0, new Uint8Array(9)]), readAnswer],
  ];
  for (const [name, bytes, read] of rows) {
    const items = asArray(decode(bytes), name);
    t.is(
      codeOfRefusal(() => read(bytes)),
      'accepted',
      name,
    );
    t.is(
      codeOfRefusal(() => read(encode([...items, null]))),
      'MALFORMED',
      `${name}, one more`,
    );
    t.is(
      codeOfRefusal(() => read(encode(items.slice(0, -1)))),
      'MALFORMED',
      `${name}, one less`,
    );
    t.is(
      codeOfRefusal(() => read(encode([]))),
      'MALFORMED',
      `${name}, none`,
    );
    for (const wrong of [null, 'text', new Map(), -1] as Value[]) {
      t.is(
        codeOfRefusal(() => read(encode(wrong))),
        'MALFORMED',
        `${name} is ${String(wrong)}`,
      );
    }
  }
});

test('versions, kinds and states that this build does not have are UNSUPPORTED or MALFORMED', (t) => {
  const first = (bytes: Uint8Array, value: Value) => encode([value, ...asArray(decode(bytes), 'array').slice(1)]);
  t.is(
    codeOfRefusal(() => readAnnouncement(first(w.announcement, 2))),
    'UNSUPPORTED',
  );
  t.is(
    codeOfRefusal(() => readProvision(first(w.provision, 2))),
    'UNSUPPORTED',
  );
  t.is(
    codeOfRefusal(() => readRequest(encode([1, 7]))),
    'UNSUPPORTED',
  );
  t.is(
    codeOfRefusal(() => readRequest(encode([1, 0]))),
    'UNSUPPORTED',
  );
  t.is(
    codeOfRefusal(() => readAnswer(encode([1, 7]))),
    'UNSUPPORTED',
  );
  const rollout = asArray(decode(decodeSign1(w.rollout).payload!), 'rollout');
  const edit = (at: number, value: Value) =>
    codeOfRefusal(() => readRollout(encode(rollout.map((item, i) => (i === at ? value : item)))));
  t.is(edit(4, 3), 'MALFORMED', 'a fourth state');
  t.is(edit(6, [[2, 1]]), 'UNSUPPORTED', 'a third kind of cohort');
  t.is(edit(6, [[0, 2 ** 32 + 1]]), 'MALFORMED', 'a threshold above everyone');
  t.is(edit(8, [86_401, 1]), 'MALFORMED', 'more than a day of jitter');
});

test('texts with control characters are refused wherever they stand', (t) => {
  for (const text of ['a\nb', 'a\u001b[2J', 'a\u0000', 'a\u009b31m', 'a\u007f']) {
    const login = encode([bytesOf('device', 16), text, 1]);
    t.is(
      codeOfRefusal(() => readRequest(encode([text]))),
      'MALFORMED',
    );
    t.is(
      codeOfRefusal(() => readAnswer(encode([1, 0, text, 1]))),
      'MALFORMED',
      hex(login),
    );
    const error = t.throws(() => readAnnouncement(encode([text, 1, 1, 1, 1, 1])));
    t.false(/\p{Cc}/u.test(error!.message));
  }
});

async function rootCode(change: Partial<TrustRoot>): Promise<string> {
  const payload = encodeRoot(trustRoot(change));
  const bytes = encodeSignedRoot(payload, [await signDetached(sha256, 'root', payload, signers.root)]);
  return codeOfRefusal(() => readSignedRoot(sha256, bytes));
}

const withRole = (role: Role, value: Partial<TrustRoot['roles'][Role]>) => {
  const { roles } = trustRoot();
  return { roles: { ...roles, [role]: { ...roles[role], ...value } } };
};

test('a trust root that names one thing twice, or cannot be met, is a BAD_ROOT', async (t) => {
  const { roles } = trustRoot();
  t.is(await rootCode({}), 'accepted');
  t.is(await rootCode({ version: 0 }), 'BAD_ROOT');
  for (const role of ROLES) {
    const other = role === 'log' ? 'peer' : 'log';
    t.is(await rootCode(withRole(role, { keys: [...roles[role].keys, ...roles[other].keys] })), 'BAD_ROOT', role);
    t.is(await rootCode(withRole(role, { threshold: 2 })), 'BAD_ROOT', `${role}, 2 of 1`);
    t.is(
      await rootCode(withRole(role, { threshold: 0 })),
      role === 'peer' ? 'accepted' : 'BAD_ROOT',
      `${role}, 0 of 1`,
    );
  }
  t.is(await rootCode(withRole('log', { implicit: [bytesOf('point'), bytesOf('point')] })), 'BAD_ROOT');
  t.is(await rootCode(withRole('log', { implicit: [bytesOf('point')] })), 'accepted');
  const floor = { classId, floor: 5 };
  t.is(await rootCode({ floors: [floor, { classId, floor: 6 }] }), 'BAD_ROOT');
  const revocation = { thumbprint: bytesOf('revoked'), logSize: 3 };
  t.is(await rootCode({ revocations: [revocation, { ...revocation, logSize: 4 }] }), 'BAD_ROOT');
});

test('a trust root carries 1 to 16 root signatures over its own payload, and nothing of another kind', async (t) => {
  const payload = encodeRoot(trustRoot());
  const good = await signDetached(sha256, 'root', payload, signers.root);
  const tx = await signDetached(sha256, 'tx', payload, signers.root);
  const code = (signatures: Uint8Array[]) =>
    codeOfRefusal(() => readSignedRoot(sha256, encodeSignedRoot(payload, signatures)));
  t.is(code([]), 'BAD_ROOT');
  t.is(code([good]), 'accepted');
  t.is(code(new Array(17).fill(good)), 'BAD_ROOT');
  t.is(code([good, tx]), 'WRONG_TYPE');
  const attached = encodeSign1({ ...decodeSign1(good), payload });
  t.not(code([attached]), 'accepted');
});
