/** Rows 37 and 39, where there is a second mirror: the device leaves the one that lies or drops. */
import { ANNOUNCE, FRAMES, FRESHNESS } from '@countersign/device-sdk/format';
import type { Variant } from '../attack.ts';
import { flipped } from '../forge.ts';
import type { Birth } from '../port/port.ts';
import { makeScene, NOISE } from '../scene.ts';
import type { Lie } from '../victim.ts';

const HOUR = 3_600_000;

/** The accepted answer: a device with a second, honest mirror leaves the liar for it, and has its release. */
function switching(how: string, expect: Variant['expect'], make: () => Lie, birth: Partial<Birth> = {}): Variant {
  return {
    how: `${how}; another mirror is honest`,
    expect,
    async run(ground) {
      const s = await makeScene(ground, { image: NOISE, publish: { bases: [] }, birth });
      const { victim } = s;
      const lie = make();
      victim.lie = (answer, request) => lie(answer, request);
      victim.other = (answer) => answer;
      await victim.hear(await s.server.announcement());
      await victim.pass(HOUR);
      const { faults, codes } = victim;
      if (faults[0]) return { harm: `the device stopped: ${faults[0]}`, codes };
      if (victim.switches === 0) return { harm: 'it stayed with the mirror that lies', codes };
      const { sequence } = await victim.look();
      return { harm: sequence === 2 ? undefined : 'the true release 2 was not taken from the other mirror', codes };
    },
  };
}

export const droppingMirrors: Variant[] = [
  switching('drops every frame', 'LINK_LOST', () => (answer) => (answer.kind === FRAMES ? [] : answer)),
  switching('drops every answer', 'LINK_LOST', () => () => []),
  switching('answers which release there is, and nothing else', 'LINK_LOST', onlyAnnounces),
];

export const lyingMirrors: Variant[] = [
  switching(
    'serves junk for every frame',
    'BAD_FRAME',
    () => (answer) => (answer.kind === FRAMES ? { ...answer, frame: new Uint8Array(answer.frame.length) } : answer),
  ),
  switching('serves frames without end that nobody asked for', 'LINK_LOST', endless),
  switching('serves a proof of freshness that proves nothing', 'BAD_SIGNATURE', unfresh, { clock: null }),
];

function onlyAnnounces(): Lie {
  return (answer) => (answer.kind === ANNOUNCE ? answer : []);
}

/** For each question about frames as many again as one answer may have, none of them wanted, none true. */
function endless(): Lie {
  return (answer) =>
    answer.kind === FRAMES
      ? Array.from({ length: 32 }, (_, i) => ({ ...answer, index: 4_000_000 + i, frame: new Uint8Array(1024) }))
      : answer;
}

function unfresh(): Lie {
  return (answer) => (answer.kind === FRESHNESS ? { ...answer, statement: flipped(answer.statement, -5) } : answer);
}
