/** Row 44: what nobody may do with the servers who has not the right to. */
import { createApi } from '@countersign/broker/face/api/app';
import { ledgerRoutes } from '@countersign/broker/face/api/ledger-routes';
import { tokenGate } from '@countersign/broker/face/api/token';
import { type Code, Refusal } from '@countersign/device-sdk';
import type { Attack, Variant } from '../attack.ts';
import { newRelease, tx } from '../server/ledger-world.ts';
import { contract } from '../server/try.ts';
import { accessRows } from './server-access.ts';
import { deviceRows } from './server-enrolled.ts';
import { entryRows } from './server-entries.ts';
import { grantRows } from './server-grants.ts';
import { deskRows, keyFileRows } from './server-key-desk.ts';
import { passportDeskRows } from './server-passports.ts';
import { peopleRows } from './server-people.ts';
import { rekeyRows } from './server-rekeys.ts';
import { rolloutRows } from './server-rollouts.ts';
import { plannedRows } from './server-root-drafts.ts';
import { tokenRows } from './server-tokens.ts';
import { passportRows } from './server-trials.ts';

const TOKEN = 'x'.repeat(43);
const LOG = { debug() {}, info() {}, warn() {}, error() {} };

/** A transaction over HTTP with this header. The ledger behind it would take the transaction. */
function api(how: string, authorization: string | undefined, expect: Code = 'UNAUTHORIZED'): Variant {
  return contract(how, expect, async (world) => {
    const app = createApi({ server: 'attacked', gate: tokenGate(TOKEN), log: LOG });
    await app.register(ledgerRoutes(world.ledger));
    const release = await newRelease(world, 1);
    const bytes = await tx(world.people.alice!, { action: 'upload', object: release.leaf, args: release.args });
    return async () => {
      const answer = await app.inject({
        method: 'POST',
        url: '/api/v1/ledger/transactions',
        headers: { 'content-type': 'application/cbor', ...(authorization && { authorization }) },
        payload: Buffer.from(bytes),
      });
      await app.close();
      const { code } = JSON.parse(answer.body) as { code?: Code };
      if (code) throw new Refusal(code, 'over HTTP');
    };
  });
}

export const unauthorised: Attack = {
  id: 44,
  name: 'unauthorised operator',
  source: 'NervesHub CVE-2026-28806; hawkBit default password',
  against: ['server'],
  variants: [
    ...passportRows,
    ...passportDeskRows,
    ...accessRows,
    ...tokenRows,
    api('calls the API without a token', undefined),
    api('calls the API with the token of another server', `Bearer ${'y'.repeat(43)}`),
    api('calls the API with the token and more', `Bearer ${TOKEN}y`),
    api('calls the API with a part of the token', `Bearer ${TOKEN.slice(0, -1)}`),
    api('calls the API with a default password', `Basic ${Buffer.from('admin:admin').toString('base64')}`),
    ...rolloutRows,
    ...peopleRows,
    ...rekeyRows,
    ...entryRows,
    ...deviceRows,
    ...grantRows,
    ...plannedRows,
    ...deskRows,
    ...keyFileRows,
  ],
};
