/** A release of two components on a device that has both: all of it becomes current, or nothing. */
import { FRAMES, type Payload } from '@countersign/device-sdk/format';
import type { Found, Ground, Variant } from '../attack.ts';
import { verifier } from '../pocket/publisher.ts';
import { changed, found, image, makeScene, recovers, type Scene } from '../scene.ts';

const { sha256 } = verifier;
const RADIO = image(7, 2000);
const NEXT_RADIO = changed(RADIO, 9);
const SLOT_BYTES = 16_384;
/** What one message may take, with its retries. */
const PATIENCE_MS = 60_000;

type Frames = (scene: Scene, payload: Payload, index: number) => Uint8Array | undefined;

/** @returns a device with a radio that runs release 1, and release 2 of both, every branch a whole image */
async function radioScene(ground: Ground, bad: 'fails' | undefined): Promise<Scene> {
  return makeScene(ground, {
    components: { radio: RADIO },
    publish: { bases: [], components: { radio: NEXT_RADIO } },
    birth: { bad: bad === undefined ? [] : [{ sequence: 2, how: bad }] },
  });
}

const radioOf = ({ manifest }: Scene['second']) => manifest.components![0]!.branches.at(-1)!.payload;

/** What of both components lies in the slots that boot. */
async function standing({ victim, server }: Scene): Promise<string> {
  const { slot, slots, components = {} } = await victim.look();
  const whole = (bytes: Uint8Array) => {
    const full = new Uint8Array(SLOT_BYTES).fill(0xff);
    full.set(bytes);
    return Buffer.from(sha256(full)).toString('hex');
  };
  const of = (digest: string | undefined, part: (release: Scene['second']) => Uint8Array | undefined) =>
    server.releases.findIndex((release) => digest === whole(part(release) ?? new Uint8Array())) + 1;
  const application = of(slots[slot], (release) => release.image);
  return `application ${application}, radio ${of(components.radio?.[slot], (release) => release.components.radio)}`;
}

/** The attack, then the truth: before it both are of release 1, after it both of release 2, and the report says so of each. */
function withheld(how: string, expect: Variant['expect'], lie: Frames): Variant {
  return {
    how,
    expect,
    async run(ground): Promise<Found> {
      const s = await radioScene(ground, undefined);
      const { chainHead } = radioOf(s.second);
      s.victim.lie = (answer, request) => {
        const radios = request.kind === FRAMES && Buffer.compare(request.chainHead, chainHead) === 0;
        if (answer.kind !== FRAMES || !radios) return answer;
        const frame = lie(s, radioOf(s.second), answer.index);
        return frame === undefined ? [] : { ...answer, frame };
      };
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(PATIENCE_MS);
      const { harm, codes } = await found(s, ['head', 'other']);
      const during = await standing(s);
      const whole = during === 'application 1, radio 1' ? undefined : `under the attack it boots ${during}`;
      const late = await recovers(s, 2);
      const after = await standing(s);
      const end = after === 'application 2, radio 2' ? undefined : `afterwards it boots ${after}`;
      return { harm: harm ?? whole ?? late ?? end ?? untold(s, NEXT_RADIO, 'OK'), codes };
    },
  };
}

/** The application is good and the set is not: both go back, and the report names what runs of each. */
function setFails(): Variant {
  return {
    how: 'has a set installed whose self-test fails',
    expect: 'SELF_TEST_FAILED',
    async run(ground) {
      const s = await radioScene(ground, 'fails');
      await s.victim.hear(await s.server.announcement());
      await s.victim.pass(PATIENCE_MS);
      const now = await standing(s);
      const harm = now === 'application 1, radio 1' ? undefined : `it boots ${now}`;
      const codes = s.server.reports.map(({ code }) => code).filter((code) => code !== 'OK');
      return { harm: harm ?? untold(s, RADIO), codes };
    },
  };
}

/** @param code left out: any but OK */
function untold({ server }: Scene, radio: Uint8Array, code?: 'OK'): string | undefined {
  const [said] = server.reports.at(-1)?.components ?? [];
  if (said?.id !== 'radio' || Buffer.compare(said.digest, sha256(radio)) !== 0) return 'the report names another radio';
  return (said.code === 'OK') === (code === 'OK') ? undefined : `the report says ${said.code} of the radio`;
}

export const setRows: readonly Variant[] = [
  withheld('keeps back one component whole', 'LINK_LOST', () => undefined),
  withheld('keeps back the last frame of one component', 'LINK_LOST', ({ server }, payload, index) =>
    index === payload.frameCount - 1 ? undefined : server.frames(payload)[index],
  ),
  setFails(),
];

export const mixedRows: readonly Variant[] = [
  withheld('serves one component of the release before beside the new application', 'BAD_FRAME', (s, _, index) => {
    const old = s.server.frames(radioOf(s.first));
    return old[index % old.length]!;
  }),
];
