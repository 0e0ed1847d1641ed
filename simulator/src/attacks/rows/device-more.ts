/** Limits and corners of what a device reads: too many, too large, of the wrong kind, out of order. */
import {
  type Announcement,
  decode,
  decodeSign1,
  encode,
  encodeAnnouncement,
  encodeManifest,
  encodeProvision,
  encodeRoot,
  encodeSignedRoot,
  HEADER_ALG,
  type Manifest,
  ROOTS,
  readManifest,
  readProvision,
  signDetached,
  signStatement,
  type TrustRoot,
  type Value,
} from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import { altered, relabelled, resigned } from '../forge.ts';
import { PocketServer, verifier } from '../pocket/publisher.ts';
import { found, heard, image, makeScene, type Scene } from '../scene.ts';
import { rotated } from '../stolen.ts';
import { DEVICE_ID, Victim } from '../victim.ts';
import { twisted } from './loose.ts';
import { differs } from './twist-codes.ts';

const { sha256 } = verifier;
const rootKeys = (s: Scene) => s.server.root.roles.root;

/** CBOR numbers beyond what is exact, and keys that are no names. */
export const numberRows: Variant[] = [
  heard('writes an integer beyond 2^53', 'MALFORMED', () =>
    Uint8Array.from([0x86, 0x1b, ...new Array<number>(8).fill(0xff)]),
  ),
  heard('writes a negative integer beyond 2^53', 'MALFORMED', async (s) => {
    const rest = (await s.server.announcement()).subarray(2);
    return Uint8Array.from([0x86, 0x3b, 0, 0x1f, ...new Array<number>(6).fill(0xff), ...rest]);
  }),
  heard('announces a map that is longer than its bytes', 'MALFORMED', () =>
    Uint8Array.from([0xbb, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
  ),
  ...twistedPlaces(),
];

/** What is signed by the root keys, or written by the factory, value by value. */
function twistedPlaces(): Variant[] {
  return [
    {
      how: 'exchanges every value in a trust root, and signs it with the root keys',
      expect: 'held',
      async run(ground) {
        const said: (string | undefined)[] = [];
        let s = await makeScene(ground);
        const list = () => twisted(decode(encodeRoot({ ...s.server.root, version: 2, ...FULL_ROOT(s) })));
        for (let i = 0; i < list().length; i++) {
          if (i % 20 === 19) s = await makeScene(ground);
          s.victim.codes = [];
          const { what, value } = list()[i]!;
          await s.victim.hear(await underRoot(s, encode(value), i));
          await s.victim.pass(2_500);
          const { harm, codes } = await found(s);
          // What was taken is a trust root that says something else, signed by those who may say it.
          if (harm && !harm.startsWith('changed: root 1 → 2')) return { harm: `${what}: ${harm}`, codes };
          said.push(harm ? 'TAKEN' : codes[0]);
          if (harm) s = await makeScene(ground);
        }
        return { harm: undefined, odd: differs('trust root', said), codes: [] };
      },
    },
    {
      how: 'exchanges every value in a provisioning record',
      expect: 'held',
      async run(ground) {
        const server = await PocketServer.create('M');
        server.pageBytes = ground.port.pageBytes;
        const first = await server.publish(image(3));
        const said: string[] = [];
        for (const { value } of twisted(decode(server.provision(first, DEVICE_ID)))) {
          const victim = await Victim.born(ground.port, server, first, { record: encode(value) });
          if (victim.faults[0]) return { harm: victim.faults[0], codes: victim.codes };
          said.push(victim.codes[0] ?? 'TAKEN');
        }
        await ground.port.close();
        return { harm: undefined, odd: differs('provisioning record', said), codes: [] };
      },
    },
  ];
}

/** Every optional part filled, so that each can be exchanged. */
const FULL_ROOT = (s: Scene): Partial<TrustRoot> => ({
  restart: { size: 9, root: new Uint8Array(32).fill(1), indexRoot: new Uint8Array(32).fill(2) },
  floors: [{ classId: s.server.classId, floor: 0 }],
  revocations: [{ thumbprint: new Uint8Array(32).fill(5), logSize: 9 }],
});

/** An announcement that needs trust root 2, which is answered with this payload. */
async function underRoot(s: Scene, payload: Uint8Array, nonce: number): Promise<Uint8Array> {
  const bytes = encodeSignedRoot(payload, [await signDetached(sha256, 'root', payload, s.server.signers.root)]);
  return answered(s, bytes, nonce);
}

async function answered(s: Scene, bytes: Uint8Array, nonce = 0): Promise<Uint8Array> {
  s.victim.lie = (answer) =>
    answer.kind === ROOTS
      ? { ...answer, roots: [bytes] }
      : answer.kind === 6
        ? { ...answer, announcement: null }
        : answer;
  s.server.root.version = 2;
  // Each announcement is its own message: one that was refused is not looked at again.
  s.server.time += nonce + 1;
  const announcement = await s.server.announcement();
  s.server.time -= nonce + 1;
  s.server.root.version = 1;
  return announcement;
}

/** A factory that was tampered with: the device is never enrolled. */
function provisioned(
  how: string,
  expect: 'BAD_PROVISION' | 'BAD_ROOT' | 'TOO_LARGE',
  change: (server: PocketServer) => object | Uint8Array,
): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const server = await PocketServer.create('M');
      server.pageBytes = ground.port.pageBytes;
      const first = await server.publish(image(3));
      const changed = change(server);
      const honest = readProvision(server.provision(first, DEVICE_ID));
      const record = changed instanceof Uint8Array ? changed : encodeProvision({ ...honest, ...changed });
      const victim = await Victim.born(ground.port, server, first, { record });
      ground.after(() => ground.port.close());
      return { harm: victim.codes.length > 0 ? victim.faults[0] : 'it was enrolled', codes: victim.codes };
    },
  };
}

const provisionRows: Variant[] = [
  provisioned('enrols a device without an id', 'BAD_PROVISION', () => ({ deviceId: undefined })),
  provisioned('enrols a device with the head of another ledger', 'BAD_PROVISION', (server) => ({
    head: { ...server.head(), origin: 'another.example' },
  })),
  provisioned('enrols a device with a trust root that nobody signed', 'BAD_ROOT', ({ rootBytes }) => {
    const bytes = rootBytes.slice();
    bytes[bytes.length - 3]! ^= 1;
    return { trustRoot: bytes };
  }),
  provisioned('enrols a device with a record of ten kilobytes', 'TOO_LARGE', () => new Uint8Array(10_000)),
];

/** Trust roots that are too many or too much. */
export const rootRows: Variant[] = [
  ...provisionRows,
  heard('offers a trust root of five kilobytes', 'TOO_LARGE', (s) => answered(s, new Uint8Array(5_000))),
  heard('offers a trust root without a signature', 'BAD_ROOT', (s) =>
    answered(s, encodeSignedRoot(encodeRoot({ ...s.server.root, version: 2 }), [])),
  ),
  heard('offers a trust root with seventeen signatures', 'BAD_ROOT', async (s) => {
    const payload = encodeRoot({ ...s.server.root, version: 2 });
    const one = await signDetached(sha256, 'root', payload, s.server.signers.root);
    return answered(s, encodeSignedRoot(payload, new Array<Uint8Array>(17).fill(one)));
  }),
  heard('offers a trust root with 65 revocations', 'TOO_LARGE', (s) =>
    rotated(s, [s.server.signers.root], rootKeys(s), {
      revocations: Array.from({ length: 65 }, (_, i) => ({ thumbprint: new Uint8Array(32).fill(i), logSize: 1 })),
    }),
  ),
  heard('offers a trust root with seventeen keys for one role', 'BAD_ROOT', (s) => {
    const implicit = Array.from({ length: 17 }, (_, i) => new Uint8Array(32).fill(i));
    const roles = { ...s.server.root.roles, root: rootKeys(s), peer: { threshold: 0, keys: [], implicit } };
    return rotated(s, [s.server.signers.root], rootKeys(s), { roles });
  }),
  heard('signs with an algorithm that the trust root does not accept', 'UNSUPPORTED', (s) => s.server.announcement(), {
    root: { algorithms: [-9] },
  }),
  manyRoots(),
  restartedTwice(),
];

/** Each is signed rightly, one in each answer: a device that is asked for ever gives up for now. */
function manyRoots(): Variant {
  return {
    how: 'gives one trust root in each answer, for ever',
    expect: 'BAD_ROOT',
    async run(ground) {
      const s = await makeScene(ground);
      const roots: Uint8Array[] = [];
      for (let version = 2; version <= 20; version++) {
        const payload = encodeRoot({ ...s.server.root, version });
        roots.push(encodeSignedRoot(payload, [await signDetached(sha256, 'root', payload, s.server.signers.root)]));
      }
      s.victim.lie = (answer, request) => {
        if (answer.kind === 6) return { ...answer, announcement: null };
        if (answer.kind !== ROOTS || request.kind !== ROOTS) return answer;
        return { ...answer, roots: roots.slice(request.from - 2, request.from - 1) };
      };
      s.server.root.version = 20;
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(1_000);
      return found(s, ['root']);
    },
  };
}

/** A restart counts once: a later trust root that still carries it does not throw the device back. */
function restartedTwice(): Variant {
  return {
    how: 'carries an old restart of the log in the next trust root, to throw devices back',
    expect: 'held',
    async run(ground) {
      const s = await makeScene(ground, { publish: { state: 1 } });
      const { size, root, indexRoot } = s.server.head();
      const restart = { size, root, indexRoot };
      await s.victim.hear(await rotated(s, [s.server.signers.root], rootKeys(s), { restart }));
      await s.victim.pass(10_000);
      for (let i = 0; i < 3; i++) s.server.entries.push(new Uint8Array(40).fill(i));
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(10_000);
      s.before = await s.victim.look();
      s.server.root.restart = restart;
      s.server.entries.splice(-3);
      await s.victim.hear(await rotated(s, [s.server.signers.root], rootKeys(s), { restart }));
      await s.victim.pass(10_000);
      const { harm } = await found(s, ['root']);
      return { harm, codes: s.victim.codes };
    },
  };
}

/** Parts of an announcement that are too many, too large, or in the wrong place. */
export const partRows: Variant[] = [
  heard('adds seventeen cosignatures', 'MALFORMED', (s) => {
    const one: Announcement['cosignatures'][number] = {
      kid: new Uint8Array(8),
      alg: -19,
      signature: new Uint8Array(64),
    };
    return altered(s, () => ({ cosignatures: new Array(17).fill(one) }));
  }),
  heard('announces an envelope of three kilobytes', 'TOO_LARGE', (s) =>
    altered(s, () => ({ envelope: new Uint8Array(3_000).fill(0x81) })),
  ),
  heard('signs a manifest of more than two kilobytes', 'TOO_LARGE', (s) => s.server.announcement(), {
    publish: {
      rewrite: (bytes) => encode((decode(bytes) as Map<number, Value>).set(99, new Uint8Array(2_100 - bytes.length))),
    },
  }),
  heard('signs a manifest with nine branches', 'MALFORMED', (s) => s.server.announcement(), {
    publish: { rewrite: nineBranches },
    spare: ['head'],
  }),
  branch('signs a frame too many', ({ frameCount }) => ({ frameCount: frameCount + 1 })),
  branch('signs a frame too few', ({ bytes, frameBytes }) => ({ bytes: bytes + 2 * frameBytes })),
  branch('signs frames of one byte', ({ bytes }) => ({ frameBytes: 1, frameCount: bytes })),
  branch('signs an empty payload', () => ({ bytes: 0, frameCount: 0 })),
  heard('signs a rollout of more than a kilobyte', 'TOO_LARGE', (s) =>
    altered(s, async () => ({
      rollout: await signStatement(sha256, 'rollout', [new Uint8Array(1_200)], s.server.signers.command),
    })),
  ),
  heard('signs a rollout whose payload is elsewhere', 'MALFORMED', (s) =>
    altered(s, ({ rollout }) => ({ rollout: relabelled(rollout, { payload: null }) })),
  ),
  heard('attaches the root to the head that signs it', 'MALFORMED', (s) =>
    altered(s, ({ receipt }) => ({ receipt: relabelled(receipt, { payload: s.server.head().root }) })),
  ),
  heard('names another algorithm for the command key', 'BAD_SIGNATURE', async (s) => {
    const { payload } = decodeSign1(s.server.rollout);
    const aad = new TextEncoder().encode('countersign/v1/rollout');
    const rollout = await resigned(
      s.server.rollout,
      s.server.signers.command,
      payload!,
      (map) => void map.set(HEADER_ALG, -9),
      aad,
    );
    return altered(s, () => ({ rollout }));
  }),
  heard('sends a command of a kind that nobody knows', 'WRONG_TYPE', async (s) => {
    const made = await signStatement(sha256, 'fresh', [1], s.server.signers.command);
    await s.victim.hear(
      relabelled(made, ({ protected: map }) => ({ protectedBytes: encode(new Map(map).set(16, 'application/other')) })),
      'command',
    );
    return encodeAnnouncement({ ...(await s.server.parts()), rollout: new Uint8Array() });
  }),
];

function nineBranches(bytes: Uint8Array): Uint8Array {
  const map = decode(bytes) as Map<number, Value>;
  const install = decode(map.get(20) as Uint8Array) as Value[];
  const branches = install[1] as Value[];
  const [delta, full] = [branches[0]!, branches.at(-1)!];
  map.set(20, encode(install.with(1, [...new Array<Value>(8).fill(delta), full])));
  return encode(map);
}

/** A manifest whose first payload does not add up. */
function branch(how: string, change: (payload: Manifest['branches'][number]['payload']) => object): Variant {
  const rewrite = (bytes: Uint8Array) => {
    const manifest = readManifest(bytes);
    const [first, ...rest] = manifest.branches;
    return encodeManifest({
      ...manifest,
      branches: [{ ...first!, payload: { ...first!.payload, ...change(first!.payload) } }, ...rest],
    });
  };
  return heard(how, 'MALFORMED', (s) => s.server.announcement(), { publish: { rewrite }, spare: ['head'] });
}
