import { demand } from '@countersign/device-sdk';
import { hex } from '@countersign/device-sdk/format';
import type { FastifyInstance } from 'fastify';
import { findProduct } from '../../collection/product.ts';
import { applicability, type DeskParts, findPassport, takePassport } from '../../passport/desk.ts';
import { appliesToFleet } from '../../passport/fleet.ts';
import { PASSPORT_BYTES_MAX } from '../../passport/passport.ts';
import { bytesOf } from './ask.ts';
import { findRelease } from './names.ts';
import * as say from './openapi/device-operations.ts';
import { APPLIES } from './openapi/rollout-operations.ts';

type Named = { Params: { name: string } };

/**
 * `POST /api/v1/passports` keeps a signed document; `GET /api/v1/passports/device/:id` and `…/product/:name` give the one
 * in force, how it agrees with the reports, and which releases apply; `GET /api/v1/releases/:name/applies` asks the other
 * way round, to how many devices one release applies.
 */
export function passportRoutes(parts: DeskParts): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    app.post('/api/v1/passports', { bodyLimit: PASSPORT_BYTES_MAX, schema: say.PUT_PASSPORT }, async (request) => ({
      digest: hex(await takePassport(parts, bytesOf(request.body, 'a signed passport'))),
    }));
    app.get<Named>('/api/v1/passports/device/:name', { schema: say.DEVICE_PASSPORT }, async ({ params: { name } }) => {
      demand(/^[0-9a-f]{32}$/.test(name), 'BAD_REQUEST', 'a device id is 32 hex digits');
      return answer('device', name, name);
    });
    app.get<Named>('/api/v1/passports/product/:name', { schema: say.PRODUCT_PASSPORT }, async ({ params: { name } }) =>
      answer('product', (await findProduct(parts.ledger, name)).classId),
    );
    app.get<Named>('/api/v1/releases/:name/applies', { schema: APPLIES }, async ({ params: { name } }) =>
      appliesToFleet(parts, await findRelease(parts.ledger, name)),
    );
  };

  async function answer(kind: 'device' | 'product', id: string, deviceId?: string) {
    const held = await findPassport(parts, kind, id);
    return { ...held.view, document: hex(held.document), ...(await applicability(parts, held, deviceId)) };
  }
}
