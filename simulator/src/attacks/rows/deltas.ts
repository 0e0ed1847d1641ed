/** Rows 15, 16 and 18 to 22: payloads that are not what they should be, signed all the same. */
import { makeDelta, makeFull } from '@countersign/broker/delta/index';
import type { Code } from '@countersign/device-sdk';
import {
  ANNOUNCE,
  encodeEnvelope,
  encodeManifest,
  FRAMES,
  type Manifest,
  signBlock2,
} from '@countersign/device-sdk/format';
import type { Attack, Variant } from '../attack.ts';
import { altered, flipped } from '../forge.ts';
import { type PublishOptions, verifier } from '../pocket/publisher.ts';
import { changed, found, heard, image, lied, makeScene, NOISE, recovers } from '../scene.ts';

const { sha256 } = verifier;
const FIRST = image(3);
/** What is published after it, unless a variant says otherwise. */
const FRESH = changed(FIRST, 5);
const OPTIONS = { class: 'M' } as const;
const FULL = makeFull(FRESH, OPTIONS).delta;
const DELTA = makeDelta(FIRST, FRESH, OPTIONS).delta;
/** More than any container here asks for. */
const WORKSPACE_BYTES = 4096;

/** A release whose only payload is this container: both servers have signed it, and the ledger has it. */
function full(how: string, expect: Code | 'held', container: Uint8Array, change: PublishOptions = {}): Variant {
  return installed(how, expect, { containers: { full: container }, bases: [], ...change });
}

/** The same as a delta from what runs; the full image behind it is true, and must not be blamed. */
function delta(how: string, expect: Code | 'held', container: Uint8Array, change: PublishOptions = {}): Variant {
  return installed(how, expect, { containers: { delta: container, full: container }, ...change });
}

function installed(how: string, expect: Code | 'held', publish: PublishOptions): Variant {
  const options = { workspaceBytes: WORKSPACE_BYTES, ...publish };
  return heard(how, expect, (s) => s.server.announcement(), {
    publish: options,
    image: FRESH,
    spare: ['head', 'other', 'failed'],
    passMs: 60_000,
  });
}

/** A container with one byte of its header set. */
const header = (at: number, value: number, container = FULL) => {
  const out = container.slice();
  out[at] = value;
  return out;
};

/** The numbers of the header are varints from byte 12 on. */
function numbers(change: (list: number[]) => number[], container = FULL): Uint8Array {
  const full = (container[4]! & 1) === 1;
  const list: number[] = [];
  let at = 12;
  for (let i = 0; i < (full ? 5 : 6); i++) {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = container[at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    list.push(value);
  }
  const encoded = change(list).flatMap(varint);
  return Uint8Array.from([...container.slice(0, 12), ...encoded, ...container.slice(at)]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(Math.floor(value / 128))];
}

export const wrongPrecursor: Attack = {
  id: 15,
  name: 'wrong precursor',
  source: 'RFC 9124 THREAT.UPD.WRONG_PRECURSOR',
  against: ['device'],
  variants: [
    delta(
      'signs a delta that starts from another image',
      'WRONG_BASE',
      makeDelta(changed(FRESH, 9), FRESH, OPTIONS).delta,
    ),
    delta(
      'signs a delta that names the right base and has the length of another',
      'BAD_DELTA',
      numbers((list) => list.with(5, list[5]! - 1), DELTA),
    ),
    delta(
      'signs a delta from the right base to another image',
      'BAD_DELTA',
      makeDelta(FIRST, changed(FIRST, 9), OPTIONS).delta,
    ),
    heard('rewrites which image the delta starts from, with D’s key', 'BAD_SIGNATURE', async (s) => {
      const { manifest, leaf, releaseLeaf } = s.second;
      const branches = manifest.branches.map((b) => (b.base ? { ...b, base: { ...b.base, bytes: 1 } } : b));
      const edited = encodeManifest({ ...manifest, branches });
      const { size, root } = s.server.head();
      const block2 = await signBlock2(sha256, edited, { releaseLeaf, size, root }, s.server.signers.distribution);
      return altered(s, () => ({ envelope: encodeEnvelope(sha256, edited, leaf, block2) }));
    }),
    anotherBase('offers a delta whose base has another digest', (base) => ({ ...base, digest: new Uint8Array(32) })),
    anotherBase('offers a delta whose base has another length', (base) => ({ ...base, bytes: base.bytes + 1 })),
  ],
};

/** A delta that does not fit is left aside: the device takes the full image, and asks for no frame of the delta. */
function anotherBase(
  how: string,
  change: (base: { digest: Uint8Array; bytes: number }) => { digest: Uint8Array; bytes: number },
): Variant {
  return {
    how,
    expect: 'held',
    async run(ground) {
      let branches: Manifest['branches'] = [];
      const s = await makeScene(ground, {
        first: (server) => {
          const base = change({ digest: sha256(FIRST), bytes: FIRST.length });
          branches = [server.branch(DELTA, base), server.branch(FULL)];
        },
        publish: {
          change: {
            get branches() {
              return branches;
            },
          },
        },
        image: FRESH,
      });
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(20_000);
      const asked = s.victim.requests.some(
        (request) => request.kind === FRAMES && Buffer.compare(request.chainHead, branches[0]!.payload.chainHead) === 0,
      );
      const { sequence } = await s.victim.look();
      const harm = asked ? 'a delta for another image was asked for' : undefined;
      return { harm: harm ?? (sequence === 2 ? undefined : 'the full image was not taken'), codes: s.victim.codes };
    },
  };
}

export const wrongFormat: Attack = {
  id: 16,
  name: 'wrong format',
  source: 'RFC 9124 THREAT.IMG.FORMAT',
  against: ['device'],
  variants: [
    full('signs a plain image as a payload', 'BAD_DELTA', FRESH),
    full('signs a container of a later version', 'UNSUPPORTED', header(3, 99)),
    full('signs a container with unknown flags', 'BAD_DELTA', header(4, 0x81)),
    full('signs a container that is applied backwards', 'UNSUPPORTED', header(4, FULL[4]! | 2)),
    full('signs a container of an unknown memory class', 'BAD_DELTA', header(5, 200)),
    full('signs a container with an unknown predictor', 'UNSUPPORTED', header(6, 200)),
    full('signs a container with an unknown coder', 'UNSUPPORTED', header(7, 200)),
    full(
      'signs a delta from another image where the full one belongs',
      'WRONG_BASE',
      makeDelta(changed(FRESH, 9), FRESH, OPTIONS).delta,
    ),
  ],
};

export const endlessData: Attack = {
  id: 18,
  name: 'endless data',
  source: 'TUF, Uptane',
  against: ['device'],
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

export const extraData: Attack = {
  id: 20,
  name: 'extra data after the image',
  source: 'RFC 9124 THREAT.IMG.EXTRA',
  against: ['device'],
  variants: [
    full('appends a byte to the container', 'BAD_DELTA', Uint8Array.from([...FULL, 0])),
    full(
      'writes a longer image than the manifest names',
      'BAD_DELTA',
      makeFull(Uint8Array.from([...FRESH, 1, 2, 3, 4]), OPTIONS).delta,
    ),
    full(
      'writes a longer image under the tag of the signed one',
      'BAD_DELTA',
      tagged(makeFull(Uint8Array.from([...FRESH, 1]), OPTIONS).delta),
    ),
    cleared(),
  ],
};

/** The container's tag of the new image, which stands at the end of its header, set to that of the signed one. */
function tagged(container: Uint8Array): Uint8Array {
  let at = 12;
  for (let i = 0; i < 5; i++) while (container[at++]! >= 0x80);
  const out = container.slice();
  out.set(sha256(FRESH).slice(0, 8), at);
  return out;
}

/** What lay behind the old image in the slot is gone: it is not signed, and might be run. */
function cleared(): Variant {
  return {
    how: 'leaves code in the slot behind where the new image ends',
    expect: 'held',
    async run(ground) {
      const s = await makeScene(ground, { image: FRESH });
      await s.victim.port.corrupt(1, 12_000, 0x5a);
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(20_000);
      const { sequence, slots } = await s.victim.look();
      const erased = new Uint8Array(16_384).fill(0xff);
      erased.set(FRESH);
      const clean = slots[1] === Buffer.from(sha256(erased)).toString('hex');
      const harm = clean ? undefined : 'something unsigned is left in the slot';
      return { harm: sequence === 2 ? harm : 'the release was not taken', codes: s.victim.codes };
    },
  };
}

export const coverage: Attack = {
  id: 21,
  name: 'a hash that covers too little',
  source: 'RAUC CVE-2026-34155',
  against: ['device'],
  variants: [
    ...[0, 1_499, FRESH.length - 1].map((at) =>
      full(
        `changes byte ${at} of an image under the signed digest`,
        'RESULT_MISMATCH',
        tagged(makeFull(flipped(FRESH, at), OPTIONS).delta),
      ),
    ),
    full('signs the digest of the image’s first half', 'BAD_DELTA', FULL, {
      change: { image: { digest: sha256(FRESH.slice(0, 1_500)), bytes: 1_500 } },
    }),
    ...[2 ** 31, 2 ** 32 - 1].map((bytes) =>
      full(`signs a length of ${bytes}`, 'NO_SPACE', FULL, { change: { image: { digest: sha256(FRESH), bytes } } }),
    ),
    ...[2 ** 32, 2 ** 32 + FRESH.length].map((bytes) =>
      full(`signs a length of ${bytes}`, 'MALFORMED', FULL, { change: { image: { digest: sha256(FRESH), bytes } } }),
    ),
  ],
};

export const payloadSwap: Attack = {
  id: 22,
  name: 'payload swapped after the check',
  source: 'RFC 9124 THREAT.IMG.REPLACE; RAUC CVE-2020-25860',
  against: ['device'],
  variants: [
    swap('changes the slot between its proof and its trial', 'RESULT_MISMATCH', async (s) => {
      s.victim.restarts = false;
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(20_000);
      await s.victim.port.corrupt(1, 1_000, 0x01);
      s.victim.restarts = true;
      await s.victim.boot();
      await s.victim.pass(20_000);
    }),
    swap('changes the slot while the image is written', 'RESULT_MISMATCH', async (s) => {
      const { victim } = s;
      victim.lie = async (answer) => {
        if (answer.kind === FRAMES && answer.index === 3) await victim.port.corrupt(1, 100, 0x01);
        return answer.kind === ANNOUNCE ? { ...answer, announcement: null } : answer;
      };
      await victim.hear(await s.server.announcement());
      await victim.pass(60_000);
    }),
    lied(
      'exchanges a frame that was asked for again',
      'BAD_FRAME',
      () => {
        let lost = false;
        return (answer) => {
          if (answer.kind !== FRAMES) return answer;
          if (!lost) {
            lost = true;
            return [];
          }
          return { ...answer, frame: flipped(answer.frame, answer.frame.length >> 1) };
        };
      },
      { passMs: 60_000 },
    ),
  ],
};

type Swapped = Awaited<ReturnType<typeof makeScene>>;

function swap(how: string, expect: Code, act: (s: Swapped) => Promise<void>): Variant {
  return {
    how,
    expect,
    async run(ground) {
      const s = await makeScene(ground, { image: NOISE, publish: { bases: [] } });
      await act(s);
      const { sequence } = await s.victim.look();
      if (sequence === 2) return { harm: 'the changed image was confirmed', codes: s.victim.codes };
      const { harm, codes } = await found(s, ['head', 'other', 'failed']);
      await s.server.publish(changed(NOISE, 9), { bases: [] });
      return {
        harm: harm ?? (await recovers(s, 3)),
        codes: codes.length > 0 ? codes : s.server.reports.map(({ code }) => code).filter((code) => code !== 'OK'),
      };
    },
  };
}
