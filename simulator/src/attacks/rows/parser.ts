/** Rows 23 and 24: what is read twice, or read loosely. */
import {
  type CborMap,
  decode,
  decodeSign1,
  encode,
  encodeAnnouncement,
  signStatement,
  type Tagged,
  type Value,
} from '@countersign/device-sdk/format';
import type { Attack, Variant } from '../attack.ts';
import { altered, withEnvelopeMap, withWrapper } from '../forge.ts';
import { verifier } from '../pocket/publisher.ts';
import { changed, found, heard, makeScene, type Scene } from '../scene.ts';
import { DEVICE_ID } from '../victim.ts';
import { bundleFormRows } from './bundle-files.ts';
import { numberRows, partRows } from './device-more.ts';
import { type Looseness, loose, twisted } from './loose.ts';
import { certificateRows } from './server-certificates.ts';
import { wordRows } from './server-words.ts';
import { differs } from './twist-codes.ts';
import { weakKeyRows } from './weak-keys.ts';

const { sha256 } = verifier;

export const toctou: Attack = {
  id: 23,
  name: 'manifest changed between check and use',
  source: 'RFC 9124 THREAT.MFST.TOCTOU',
  against: ['device'],
  variants: [
    {
      how: 'overwrites the message in memory after it was handed over',
      expect: 'held',
      async run(ground) {
        const s = await makeScene(ground);
        const bytes = await s.server.announcement();
        const heardOf = s.victim.hear(bytes);
        bytes.fill(0);
        await heardOf;
        await s.victim.pass(20_000);
        const { sequence, slots } = await s.victim.look();
        // Refused or taken as it was when it was handed over: both are right, and nothing else is.
        return { harm: sequence === 2 ? undefined : harmless(s, slots[0], s.before.slots[0]), codes: [] };
      },
    },
    {
      how: 'overwrites every answer in memory after it was handed over',
      expect: 'held',
      async run(ground) {
        const s = await makeScene(ground);
        const deliver = s.victim.port.deliver;
        s.victim.port.deliver = (ear, bytes) => {
          const said = deliver(ear, bytes);
          queueMicrotask(() => bytes.fill(0x55));
          return said;
        };
        ground.after(() => {
          s.victim.port.deliver = deliver;
        });
        await s.victim.hear(await s.server.announcement());
        await s.victim.pass(20_000);
        return sequenceOr(s);
      },
    },
    heard(
      'announces a newer release while one is fetched, and takes it back',
      'NOT_OPEN',
      async (s) => {
        const open = await s.server.announcement();
        await s.server.roll(s.second, 1);
        const paused = await s.server.announcement();
        s.victim.lie = async (answer) => {
          if ('frame' in answer) await s.victim.port.deliver('announcement', paused);
          return answer.kind === 6 ? { ...answer, announcement: null } : answer;
        };
        return open;
      },
      { spare: ['head', 'other'] },
    ),
  ],
};

function harmless(s: Scene, now: string, before: string): string | undefined {
  return now === before && s.victim.faults.length === 0 ? undefined : 'the running slot changed';
}

async function sequenceOr(s: Scene) {
  const { sequence } = await s.victim.look();
  if (sequence === 2) return { harm: s.victim.faults[0], codes: [] };
  const { harm } = await found(s, ['head', 'other']);
  return { harm, codes: [] };
}

/** Where a value stands in an announcement that is signed again after it was changed. */
type Place = 'announcement' | 'envelope' | 'wrapper' | 'block 1' | 'block 2' | 'manifest' | 'receipt' | 'rollout';

export const parser: Attack = {
  id: 24,
  name: 'parser attacks',
  source: 'RFC 9124 REQ.USE.PARSE',
  against: ['device', 'server'],
  variants: [
    ...(
      ['indefinite', 'longer', 'float', 'undefined', 'trailing', 'cut', 'deep', 'huge', 'reserved'] as Looseness[]
    ).map((how) =>
      heard(`writes CBOR that is ${how}`, 'MALFORMED', async (s) => loose(await s.server.announcement(), how)),
    ),
    heard('writes a map key twice', 'MALFORMED', (s) =>
      altered(s, ({ envelope }) => ({ envelope: doubled(envelope) })),
    ),
    heard('writes map keys in another order', 'MALFORMED', (s) =>
      altered(s, ({ envelope }) => ({ envelope: unsorted(envelope) })),
    ),
    heard('announces in another version', 'UNSUPPORTED', async (s) => {
      const items = decode(await s.server.announcement()) as Value[];
      return encode(items.with(0, 2));
    }),
    everyPlace('announcement'),
    everyPlace('envelope'),
    everyPlace('wrapper'),
    everyPlace('block 1'),
    everyPlace('block 2'),
    everyPlace('manifest'),
    everyPlace('receipt'),
    everyPlace('rollout'),
    answers(),
    commands(),
    ...numberRows,
    ...partRows,
    ...wordRows,
    ...certificateRows,
    ...weakKeyRows,
    ...bundleFormRows,
  ],
};

/** A device forgets nothing of what it refused: after so many a fresh one goes on. */
const PER_SCENE = 24;

/**
 * Every value of a part, one after another, of another kind, longer, shorter, negative, empty, doubled or gone. What each
 * is refused with stands in a table: a reader that is laxer in one place says something else, or nothing.
 */
function everyPlace(place: Place): Variant {
  return {
    how: `exchanges every value in the ${place}, one at a time, and signs what can be signed`,
    expect: 'held',
    async run(ground) {
      let s = await makeScene(ground);
      let list = await twistsOf(place, s);
      const said: (string | undefined)[] = [];
      for (let i = 0; i < list.length; i++) {
        if (i % PER_SCENE === PER_SCENE - 1) {
          s = await makeScene(ground);
          list = await twistsOf(place, s);
        }
        s.victim.codes = [];
        const { what, make } = list[i]!;
        await s.victim.hear(await make());
        await s.victim.pass(2_500);
        const { harm, codes } = await found(s, ['head']);
        if (harm) return { harm: `${what}: ${harm}`, codes };
        said.push(codes[0]);
      }
      return { harm: undefined, odd: differs(place, said), codes: [] };
    },
  };
}

/** Where byte strings wrap more: protected headers, tuples, sequences. */
const NESTED: ReadonlySet<Place> = new Set(['block 1', 'block 2', 'receipt', 'rollout']);

interface Twist {
  what: string;
  make(): Promise<Uint8Array>;
}

async function twistsOf(place: Place, s: Scene): Promise<Twist[]> {
  const parts = await s.server.parts();
  const whole = encodeAnnouncement(parts);
  const whatIsIn = (bytes: Uint8Array, put: (changed: Uint8Array) => Uint8Array | Promise<Uint8Array>): Twist[] =>
    twisted(decode(bytes), NESTED.has(place)).map(({ what, value }) => ({
      what,
      make: async () => put(encode(value)),
    }));
  switch (place) {
    case 'announcement':
      return whatIsIn(whole, (bytes) => bytes);
    case 'envelope':
      return whatIsIn(parts.envelope, (envelope) => encodeAnnouncement({ ...parts, envelope }));
    case 'wrapper': {
      const map = (decode(parts.envelope) as Tagged).value as CborMap;
      return whatIsIn(map.get(2) as Uint8Array, (wrapper) =>
        encodeAnnouncement({ ...parts, envelope: withEnvelopeMap(parts.envelope, (m) => void m.set(2, wrapper)) }),
      );
    }
    case 'block 1':
    case 'block 2': {
      const at = place === 'block 1' ? 1 : 2;
      const map = (decode(parts.envelope) as Tagged).value as CborMap;
      const block = (decode(map.get(2) as Uint8Array) as Value[])[at] as Uint8Array;
      const put = (bytes: Uint8Array) =>
        encodeAnnouncement({ ...parts, envelope: withWrapper(parts.envelope, (items) => items.with(at, bytes)) });
      return whatIsIn(block, put);
    }
    case 'receipt': {
      const put = (receipt: Uint8Array) => encodeAnnouncement({ ...parts, receipt });
      return whatIsIn(parts.receipt, put);
    }
    case 'rollout': {
      const put = (rollout: Uint8Array) => encodeAnnouncement({ ...parts, rollout });
      const payload = decode(decodeSign1(parts.rollout).payload!);
      const signed = twisted(payload).map(({ what, value }) => ({
        what: `payload ${what}`,
        make: async () => {
          const { rollout, index } = s.server;
          s.server.rollout = await signStatement(sha256, 'rollout', value, s.server.signers.command);
          s.server.index = { ...index!, rolloutDigest: sha256(s.server.rollout) };
          const announcement = await s.server.announcement();
          Object.assign(s.server, { rollout, index });
          return announcement;
        },
      }));
      return [...whatIsIn(parts.rollout, put), ...signed];
    }
    case 'manifest':
      return twisted(decode(s.second.manifestBytes), true).map(({ what, value }) => ({
        what,
        make: async () => {
          s.server.releases.splice(1);
          await s.server.publish(changed(s.first.image, 5), { bases: [s.first], rewrite: () => encode(value) });
          return s.server.announcement();
        },
      }));
  }
}

function doubled(envelope: Uint8Array): Uint8Array {
  const body = mapBody(envelope);
  return Uint8Array.from([0xd8, 107, 0xa2, ...body[0]!, ...body[0]!]);
}

function unsorted(envelope: Uint8Array): Uint8Array {
  const body = mapBody(envelope);
  return Uint8Array.from([0xd8, 107, 0xa2, ...body[1]!, ...body[0]!]);
}

/** The envelope's two entries as they are encoded. */
function mapBody(envelope: Uint8Array): Uint8Array[] {
  const map = (decode(envelope) as Tagged).value as CborMap;
  return [...map].map(([key, value]) => Uint8Array.from([...encode(key), ...encode(value)]));
}

const ANSWERS: Value[][] = [
  [0, 'BUSY', 5],
  [1, 0, new Uint8Array(40)],
  [2, [new Uint8Array(32)]],
  [3, [new Uint8Array(90)]],
  [4, [new Uint8Array(90)]],
  [5, new Uint8Array(90)],
  [6, null, [new Uint8Array(16), 0, 1, [new Uint8Array(32)]]],
];

/** Answers of every kind, value by value: a device that asks is answered with what only looks like an answer. */
function answers(): Variant {
  return {
    how: 'exchanges every value in every kind of answer',
    expect: 'held',
    async run(ground) {
      const s = await makeScene(ground);
      const said: (string | undefined)[] = [];
      for (const { what, value } of ANSWERS.flatMap((answer) => twisted([1, ...answer]))) {
        s.victim.codes = [];
        await s.victim.hear(encode(value), 'answer');
        const { harm, codes } = await found(s);
        if (harm) return { harm: `${what}: ${harm}`, codes };
        said.push(codes[0]);
      }
      return { harm: undefined, odd: differs('answers', said), codes: [] };
    },
  };
}

/** Commands and acknowledgements, value by value, signed by the command key. */
function commands(): Variant {
  return {
    how: 'exchanges every value in a command and an acknowledgement, and signs it',
    expect: 'held',
    async run(ground) {
      const s = await makeScene(ground);
      const { command } = s.server.signers;
      const said: (string | undefined)[] = [];
      for (const kind of ['cmd', 'ack'] as const) {
        const tail: Value = kind === 'cmd' ? 1 : new Uint8Array(32);
        for (const { what, value } of twisted([DEVICE_ID, kind === 'cmd' ? 0 : 9, tail])) {
          s.victim.codes = [];
          await s.victim.hear(await signStatement(sha256, kind, value, command), 'command');
          const { harm, codes } = await found(s, ['head']);
          if (harm) return { harm: `${kind}, ${what}: ${harm}`, codes };
          said.push(codes[0]);
        }
      }
      return { harm: undefined, odd: differs('commands', said), codes: [] };
    },
  };
}
