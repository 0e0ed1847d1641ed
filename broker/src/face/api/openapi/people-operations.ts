import { operation } from './operation.ts';
import { FLAG, hexText, list, object, ref, SECONDS, text, whole } from './schema.ts';

const tag = 'People';

export const ISSUED_KEYS = operation({
  ...{ tag, summary: 'Keys that a key generation centre issued, those that convict it first' },
  answer: list(
    object({
      role: text(),
      name: text(),
      epoch: whole(),
      points: list(
        object({
          ...{ point: hexText(33), centre: hexText(32), thumbprint: hexText(32) },
          ...{ by: text(), entry: hexText(32), time: SECONDS },
        }),
      ),
      convicted: FLAG,
      previous: hexText(32),
    }),
  ),
});

export const PEOPLE = operation({ tag, summary: 'Everybody, with their roles and keys', answer: list(ref('Person')) });
export const PERSON = operation({ tag, summary: 'One person', params: { name: text() }, answer: ref('Person') });
