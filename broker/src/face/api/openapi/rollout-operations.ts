import { operation } from './operation.ts';
import { FLAG, list, nullable, number, ref, strictly, text, whole } from './schema.ts';

const tag = 'Rollouts';
const NAME = { name: text('rollout id in hex, from its first 8 digits on') };
const PERCENT = { maximum: 100 };
const SECONDS_MAX = { maximum: 2 ** 40 };

export const ROLLOUTS = operation({
  ...{ tag, summary: 'All rollouts' },
  query: { product: text('of this product alone', { minLength: 1, maxLength: 512 }) },
  answer: list(ref('Rollout')),
});
export const ROLLOUT = operation({
  ...{ tag, summary: 'One rollout, with its devices by outcome' },
  params: NAME,
  answer: ref('RolloutWithTotals'),
});
export const PROGRESS = operation({ tag, summary: 'How a rollout goes', params: NAME, answer: ref('Progress') });
export const DISTRIBUTION = operation({
  tag,
  summary: 'How the distribution server goes',
  answer: ref('Distribution'),
});
export const APPLIES = operation({
  ...{ tag, summary: 'To how many devices a release applies, by their passports' },
  description: 'One that is not confirmed yet is judged as if it were.',
  params: { name: text('leaf hash, from its first 8 digits on, or PRODUCT@VERSION') },
  answer: ref('FleetApplies'),
});
export const PLAN = operation({
  ...{ tag, summary: 'Plan the waves of a rollout', description: 'An operator signs the answer to open it.' },
  body: strictly(
    {
      release: text('a confirmed one', { minLength: 1, maxLength: 512 }),
      waves: list(
        strictly(
          {
            percent: number('of the devices', { minimum: 0, ...PERCENT }),
            group: text('label=value', { minLength: 1, maxLength: 512 }),
            failurePercentMax: whole('more than this pauses it', PERCENT),
            reportedPercentMin: whole('before it is judged', PERCENT),
          },
          ['percent', 'group', 'failurePercentMax', 'reportedPercentMin'],
        ),
      ),
      window: strictly({ start: whole(undefined, SECONDS_MAX), end: nullable(whole(undefined, SECONDS_MAX)) }, ['end']),
      jitterSeconds: whole(undefined, { maximum: 86_400 }),
      attemptsMax: whole(undefined, { maximum: 255 }),
      anyway: { ...FLAG, description: 'also where it applies to no device that has a passport' },
    },
    ['window', 'jitterSeconds', 'attemptsMax', 'anyway'],
  ),
  answer: ref('Plan'),
});
