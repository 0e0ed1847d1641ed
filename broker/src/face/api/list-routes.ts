import { demand } from '@countersign/device-sdk';
import type { FastifyInstance } from 'fastify';
import type { EnrolmentLists, ListLine } from '../../distribution/enrolment/lists.ts';
import type { LedgerClient } from '../../ledger/client.ts';
import type { GrantView } from '../../ledger/contract/views.ts';
import { fieldsOf, textOf } from './ask.ts';
import { PUT_LIST } from './openapi/device-operations.ts';

/** 10,000 lines with the longest serials, 64 + 32 + 64 characters and the words around them, have 2.1 MB. */
const LIST_BODY_BYTES_MAX = 2_200_000;
const WORDS = ['serial', 'salt', 'print'] as const;

/** `POST /api/v1/grants/:id/list`: the serials behind a grant, which no entry has. */
export function listRoutes(lists: EnrolmentLists, ledger: LedgerClient): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    app.post<{ Params: { id: string } }>(
      '/api/v1/grants/:id/list',
      { bodyLimit: LIST_BODY_BYTES_MAX, schema: PUT_LIST },
      async ({ params, body }) => {
        const lines = linesOf(fieldsOf(body, 'the list', ['devices']).devices);
        demand(/^[0-9a-f]{32}$/.test(params.id), 'BAD_REQUEST', 'a grant id is 32 hex digits');
        await lists.put((await ledger.evaluate('getGrant', params.id)) as GrantView, lines);
        return { devices: lines.length };
      },
    );
  };
}

/** What is inside each line, the lists check themselves. */
function linesOf(value: unknown): ListLine[] {
  demand(Array.isArray(value), 'BAD_REQUEST', 'devices is a list');
  return value.map((item) => {
    const fields = fieldsOf(item, 'a line', WORDS);
    const [serial, salt, print] = WORDS.map((word) => textOf(fields, word));
    return { serial: serial!, salt: salt!, print: print! };
  });
}
