/** `POST /api/v1/shares`, opened by the identity's own token, and `GET /api/v1/centre`. */
import { demand } from '@countersign/device-sdk';
import { hex, type Sha256, thumbprint, unhex } from '@countersign/device-sdk/format';
import type { FastifyInstance } from 'fastify';
import type { Centre } from '../../keys/kgc/centre.ts';
import { readIdentity } from '../../keys/kgc/list.ts';
import { operation } from './openapi/operation.ts';
import { hexText, object, strictly, text, whole } from './openapi/schema.ts';

/** A role, a name, an epoch and 33 bytes in hex. */
const BODY_BYTES_MAX = 512;

const IDENTITY = { role: text(), name: text(), epoch: whole('counted from 1') };
const SHARE = operation({
  ...{ tag: 'Centre', summary: 'One share for one identity, to the holder of its token' },
  body: strictly({ ...IDENTITY, point: hexText(33) }),
  answer: object({ point: hexText(33), r: hexText(32), nonce: hexText(16), centre: hexText(65) }),
});
const CENTRE = operation({
  ...{ tag: 'Centre', summary: 'The public key that every verifier pins' },
  answer: object({ publicKey: hexText(65), thumbprint: hexText(32) }),
});

export function kgcRoutes(centre: Centre, sha256: Sha256): (app: FastifyInstance) => Promise<void> {
  const publicKey = hex(centre.publicKey.bytes);
  return async (app) => {
    app.get('/api/v1/centre', { schema: CENTRE, config: { public: true } }, async () => ({
      publicKey,
      thumbprint: hex(thumbprint(sha256, centre.publicKey)),
    }));
    // Public to the frame: what opens it is the token of the identity, not that of the API.
    const options = { bodyLimit: BODY_BYTES_MAX, schema: SHARE, config: { public: true } };
    app.post<{ Body: { role: string; name: string; epoch: number; point: string } }>(
      '/api/v1/shares',
      options,
      async ({ body, headers }) => {
        const [, token] = /^Bearer ([\w-]{1,128})$/i.exec(headers.authorization ?? '') ?? [];
        demand(token, 'UNAUTHORIZED', 'a share is asked for with the token of its identity');
        const { point, r, nonce } = await centre.issue(readIdentity(body), token, unhex(body.point)!);
        return { point, r, nonce, centre: publicKey };
      },
    );
  };
}
