import { demand } from '@countersign/device-sdk';
import { HASH_BYTES, hex, unhex } from '@countersign/device-sdk/format';
import type { FastifyInstance } from 'fastify';
import { findProduct } from '../../collection/product.ts';
import type { LedgerClient, QueryName } from '../../ledger/client.ts';
import type { DeviceView } from '../../ledger/contract/views.ts';
import { codeIn } from '../access/guard.ts';
import { bytesOf, fieldsOf, optionalText } from './ask.ts';
import { type DeviceKnowledge, deviceJson, withNotes } from './device-json.ts';
import { findDevice, findHistoryKey, findRelease, findRollout } from './names.ts';
import { DEVICE, DEVICES, GRANTS } from './openapi/device-operations.ts';
import { HISTORY, NAMED_ENTRY, NEWEST, PREVIOUS, TRANSACTION, TRUST_ROOTS } from './openapi/ledger-operations.ts';
import { ISSUED_KEYS, PEOPLE, PERSON } from './openapi/people-operations.ts';
import { PRODUCT, PRODUCTS, RELEASE, RELEASES, TRIAL } from './openapi/release-operations.ts';
import { ROLLOUT, ROLLOUTS } from './openapi/rollout-operations.ts';
import { committedJson, headJson } from './views.ts';

export interface QueryRoutesOptions {
  ledger: LedgerClient;
  /** What is known of devices beside the ledger, where this server knows it. */
  devices?: DeviceKnowledge;
}

type Named = { Params: { name: string } };

/** What the ledger says, in its contract's own words, and the way in for signed transactions. Every server has these. */
export function queryRoutes({ ledger, devices }: QueryRoutesOptions): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    app.post('/api/v1/transactions', { schema: TRANSACTION }, async (request) =>
      committedJson(await ledger.submit(bytesOf(request.body, 'a signed statement'), codeIn(request.headers))),
    );
    app.get('/api/v1/head', { schema: NEWEST }, async () => headJson(await ledger.head()));
    app.get('/api/v1/products', { schema: PRODUCTS }, async () => ledger.evaluate('listProducts'));
    app.get<Named>('/api/v1/products/:name', { schema: PRODUCT }, async ({ params }) =>
      findProduct(ledger, params.name),
    );
    app.get('/api/v1/releases', { schema: RELEASES }, async ({ query }) => list('listReleases', query));
    app.get<Named>('/api/v1/releases/:name', { schema: RELEASE }, async ({ params }) =>
      findRelease(ledger, params.name),
    );
    app.get('/api/v1/people', { schema: PEOPLE }, async () => ledger.evaluate('listPeople'));
    app.get<Named>('/api/v1/people/:name', { schema: PERSON }, async ({ params }) =>
      ledger.evaluate('getPerson', params.name),
    );
    app.get('/api/v1/issued-keys', { schema: ISSUED_KEYS }, async () => ledger.evaluate('listIssuedKeys'));
    app.get('/api/v1/devices', { schema: DEVICES }, async ({ query }) =>
      ((await list('listDevices', query)) as DeviceView[]).map((device) => withNotes(device, devices)),
    );
    app.get<Named>('/api/v1/devices/:name', { schema: DEVICE }, async ({ params }) =>
      deviceJson(ledger, await findDevice(ledger, params.name), devices),
    );
    app.get('/api/v1/grants', { schema: GRANTS }, async ({ query }) => list('listGrants', query));
    app.get('/api/v1/rollouts', { schema: ROLLOUTS }, async ({ query }) => list('listRollouts', query));
    app.get<Named>('/api/v1/rollouts/:name', { schema: ROLLOUT }, async ({ params }) => {
      const rollout = await findRollout(ledger, params.name);
      return { ...rollout, totals: await ledger.evaluate('getTotals', rollout.rolloutId) };
    });
    app.get<Named>('/api/v1/history/:name', { schema: HISTORY }, async ({ params }) =>
      ledger.evaluate('getHistory', await findHistoryKey(ledger, params.name)),
    );
    app.get<Named>('/api/v1/entries/:name', { schema: NAMED_ENTRY }, async ({ params }) => {
      const leaf = unhex(params.name);
      demand(leaf?.length === HASH_BYTES, 'BAD_REQUEST', `an entry is named by ${HASH_BYTES} bytes in hex`);
      return { entry: hex(await ledger.entry(leaf)) };
    });
    app.get<Named>('/api/v1/trials/:name', { schema: TRIAL }, async ({ params }) =>
      ledger.evaluate('getTrial', (await findRelease(ledger, params.name)).releaseLeaf),
    );
    app.get('/api/v1/trust-roots', { schema: TRUST_ROOTS }, async () => ({ roots: (await ledger.roots(1)).map(hex) }));
    app.get<Named>('/api/v1/previous/:name', { schema: PREVIOUS }, async ({ params }) =>
      ledger.evaluate('getPrevious', params.name),
    );
  };

  /** All, or those of one product. */
  async function list(query: QueryName, asked: unknown): Promise<unknown> {
    const product = optionalText(fieldsOf(asked, 'the query', ['product']), 'product');
    return product === undefined
      ? ledger.evaluate(query)
      : ledger.evaluate(query, (await findProduct(ledger, product)).classId);
  }
}
