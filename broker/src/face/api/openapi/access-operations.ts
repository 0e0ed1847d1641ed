import { SCOPES } from '../../access/rights.ts';
import { operation } from './operation.ts';
import { FLAG, hexText, list, nullable, object, oneOf, SECONDS, strictly, text, whole } from './schema.ts';

const tag = 'People';

const ISSUED = {
  id: hexText(8, 'the first bytes of the SHA-256 of the token'),
  kind: oneOf('person', 'machine'),
  name: text(),
  scopes: list(oneOf(...SCOPES)),
  products: list(hexText(16), { description: 'class ids; absent for all products' }),
  createdAt: SECONDS,
  expiresAt: SECONDS,
  usedAt: nullable(SECONDS),
  revokedAt: nullable(SECONDS),
};
const ASKED = strictly(
  {
    kind: oneOf('person', 'machine'),
    name: text('of a person on the record, or what a machine is called'),
    scopes: list(oneOf(...SCOPES), { minItems: 1 }),
    products: list(text('product name or class id'), { minItems: 1 }),
    days: whole('how long it lasts', { minimum: 1, maximum: 366 }),
  },
  ['products', 'days'],
);

export const TOKENS = operation({
  ...{ tag, summary: 'Every token but the folder’s own, without its secret' },
  answer: list(object(ISSUED, ['products'])),
});
export const NEW_TOKEN = operation({
  ...{ tag, summary: 'A token for a person or a machine' },
  description: 'The token itself is in this one answer and stored nowhere. For the folder’s own token alone.',
  ...{ body: ASKED, answer: object({ token: text(), ...ISSUED }, ['products']) },
});
export const REVOKE_TOKEN = operation({
  ...{ tag, summary: 'End a token, at once', params: { id: text() } },
  answer: object(ISSUED, ['products']),
});
export const NEW_FACTOR = operation({
  ...{ tag, summary: 'A second factor for a person' },
  description: 'The answer is what an authenticator reads, shown this once. For the folder’s own token alone.',
  params: { name: text() },
  body: strictly({ renew: FLAG }, ['renew']),
  answer: object({ name: text(), uri: text('otpauth://totp/…') }),
});
