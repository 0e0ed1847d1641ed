/** Rows 18 and 19: more than was promised, or promises that no device can keep. */
import { FRAMES } from '@countersign/device-sdk/format';
import type { Attack, Variant } from '../attack.ts';
import { flipped } from '../forge.ts';
import { found, heard, lied, makeScene } from '../scene.ts';
import { DELTA, FRESH, FULL, full, header, numbers, WORKSPACE_BYTES } from './containers.ts';
import { peerDataRows } from './server-copies.ts';

export const endlessData: Attack = {
  id: 18,
  name: 'endless data',
  source: 'TUF, Uptane',
  against: ['device', 'server'],
  variants: [
    heard('announces more than an announcement can hold', 'TOO_LARGE', () => new Uint8Array(1 << 20)),
    lied(
      'answers with a frame that is too long',
      'BAD_FRAME',
      () => (answer) => (answer.kind === FRAMES ? { ...answer, frame: new Uint8Array(20_000) } : answer),
    ),
    lied(
      'answers with more than an answer can hold',
      'TOO_LARGE',
      () => (answer) => (answer.kind === FRAMES ? new Uint8Array(30_000) : answer),
    ),
    beyond(),
    heard(
      'sends a command of a megabyte',
      'TOO_LARGE',
      async (s) => {
        await s.victim.hear(new Uint8Array(1 << 20), 'command');
        return s.server.announcement(s.first);
      },
      { spare: ['head'] },
    ),
    full('goes on after the image is complete', 'BAD_DELTA', Uint8Array.from([...FULL, ...new Uint8Array(5_000)])),
    full(
      'promises more output than the manifest',
      'BAD_DELTA',
      numbers((list) => list.with(4, list[4]! + 1)),
    ),
    ...peerDataRows,
  ],
};

/** Frames behind the last, again and again: what nobody waits for is no progress, and the fetch ends in time. */
function beyond(): Variant {
  return {
    how: 'sends frames beyond the last for as long as it is listened to',
    expect: 'LINK_LOST',
    async run(ground) {
      const s = await makeScene(ground, { image: FRESH });
      const { lie } = s.victim;
      s.victim.lie = (answer, request) =>
        answer.kind === FRAMES ? { ...answer, index: 4_000_000 } : lie(answer, request);
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(120_000);
      return found(s, ['head', 'other']);
    },
  };
}

export const patchBomb: Attack = {
  id: 19,
  name: 'patch bomb',
  source: 'FreeBSD-SA-14:18 and later bspatch advisories',
  against: ['device'],
  variants: [
    full(
      'promises an image of a gigabyte',
      'NO_SPACE',
      numbers((list) => list.with(4, 2 ** 30 - 1)),
    ),
    full(
      'promises an empty image',
      'BAD_DELTA',
      numbers((list) => list.with(4, 0)),
    ),
    full(
      'asks for no workspace',
      'BAD_DELTA',
      numbers((list) => list.with(0, 0)),
    ),
    full(
      'asks for more workspace than its class',
      'BAD_DELTA',
      numbers((list) => list.with(0, 2 ** 29)),
    ),
    full('writes a number in a longer form', 'BAD_DELTA', longer()),
    full('writes a number beyond 30 bits', 'BAD_DELTA', beyond30()),
    full(
      'writes a number that does not end',
      'BAD_DELTA',
      Uint8Array.from([...FULL.slice(0, 12), 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]),
    ),
    full(
      'brings a model section without a predictor',
      'BAD_DELTA',
      numbers((list) => list.with(1, 40)),
    ),
    full(
      'brings runs without a predictor',
      'BAD_DELTA',
      numbers((list) => list.with(2, 4_097)),
    ),
    full('takes pages of two gigabytes', 'BAD_DELTA', header(10, 31)),
    full('takes pages of one byte', 'BAD_DELTA', header(10, 0)),
    full('takes checkpoints at every byte', 'BAD_DELTA', header(11, 1)),
    full('takes a window of no bits', 'BAD_DELTA', header(8, 0)),
    full('takes a window of 200 bits', 'BAD_DELTA', header(8, 200)),
    full('takes a lookahead of 200 bits', 'BAD_DELTA', header(9, 200)),
    full('names a predictor in a full image', 'BAD_DELTA', header(6, 1)),
    ...[0, 1, 2, 3].flatMap((coder) => [
      full(`gives coder ${coder} parameters out of range`, 'BAD_DELTA', header(9, 99, header(8, 99, header(7, coder)))),
      full(`gives coder ${coder} no parameters`, 'BAD_DELTA', header(9, 0, header(8, 0, header(7, coder)))),
    ]),
    full('ends inside its header', 'BAD_DELTA', FULL.slice(0, 20)),
    full('ends inside its stream', 'BAD_DELTA', FULL.slice(0, FULL.length - 9)),
    full('is one byte', 'BAD_DELTA', FULL.slice(0, 1)),
    mutated('turns any bit of a full container before it is signed', FULL, 'full'),
    mutated('turns any bit of a delta before it is signed', DELTA, 'delta'),
  ],
};

function longer(): Uint8Array {
  const whole = numbers((list) => list);
  let end = 12;
  while (whole[end]! >= 0x80) end++;
  const first = [...whole.slice(12, end), whole[end]! | 0x80, 0];
  return Uint8Array.from([...whole.slice(0, 12), ...first, ...whole.slice(end + 1)]);
}

function beyond30(): Uint8Array {
  return Uint8Array.from([...FULL.slice(0, 12), 0x80, 0x80, 0x80, 0x80, 0x7f, ...FULL.slice(13)]);
}

const MUTANTS = 24;

/** Signed by both, and wrong anywhere: never another image than the signed one, never a fault, never outside the slot. */
function mutated(how: string, container: Uint8Array, place: 'full' | 'delta'): Variant {
  return {
    how,
    expect: 'held',
    async run(ground) {
      for (let i = 0; i < MUTANTS; i++) {
        const at = Math.floor((i * container.length) / MUTANTS);
        const bad = flipped(container, at, 1 << (i & 7));
        const containers = place === 'full' ? { full: bad } : { full: bad, delta: bad };
        const bases = place === 'full' ? { bases: [] } : {};
        const publish = { containers, workspaceBytes: WORKSPACE_BYTES, ...bases };
        const s = await makeScene(ground, { image: FRESH, publish });
        await s.victim.hear(await s.server.announcement());
        await s.victim.pass(30_000);
        const now = await s.victim.look();
        // A turned bit that means nothing gives the signed image all the same.
        if (now.sequence === 2) continue;
        const { harm } = await found(s, ['head', 'other', 'failed']);
        if (harm) return { harm: `bit ${i & 7} of byte ${at}: ${harm}`, codes: s.victim.codes };
      }
      return { harm: undefined, codes: [] };
    },
  };
}
