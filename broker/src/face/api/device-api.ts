/**
 * The address at which devices without MQTT ask: apart from the API of people, whose token it does not know. A device
 * logs in with the statement that it would give the MQTT broker, and then names its session.
 */
import type { Server, TLSSocket } from 'node:tls';
import { type Code, demand, Refusal } from '@countersign/device-sdk';
import { HASH_BYTES, type Payload, unhex, WINDOW_MAX } from '@countersign/device-sdk/format';
import { AUTHORITY_ASK_BYTES_MAX } from '@countersign/device-sdk/host/certified';
import { CLAIM_BYTES_MAX, encodeClaimAnswer } from '@countersign/device-sdk/host/claim';
import {
  encodeMessages,
  encodeSession,
  FRAME_BYTES_HEADER,
  HTTP_ROOT,
  POLL_SECONDS,
  TOKEN_BYTES,
} from '@countersign/device-sdk/host/http-format';
import { LISTING_ASK_BYTES_MAX } from '@countersign/device-sdk/host/listing';
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerOptions,
} from 'fastify';
import type { Door } from '../../distribution/delivery/door.ts';
import { LOGIN_BYTES_MAX } from '../../distribution/delivery/login.ts';
import { type DeviceSession, SESSION_SECONDS } from '../../distribution/delivery/mailboxes.ts';
import type { EnrolmentDesk, Presenter } from '../../distribution/enrolment/desk.ts';
import type { Log } from '../../distribution/ports.ts';
import { showRoutesOf } from '../access/guard.ts';
import { type EnrolAuthority, presentedBy } from './client-certificate.ts';
import { answerOf } from './refusals.ts';
import { followLists, type RevocationLists } from './revocation-lists.ts';

const MIN_VERSION = 'TLSv1.2' as const;
/** As many as the MQTT broker takes. */
export const DEVICE_CONNECTIONS_MAX = 20_000;
/** A report has under 1 KB, a login under 512 bytes, a request under 128. */
const BODY_BYTES_MAX = 2_048;
const REQUEST_MS_MAX = 10_000;
/** Longer than a poll, so that the connection of a device that listens is not closed under it. */
const KEEP_ALIVE_MS = (POLL_SECONDS + 10) * 1000;
/** A window of the largest frames. */
export const RANGE_BYTES_MAX = WINDOW_MAX * (4_096 + HASH_BYTES);
/** When a device that was refused should come again. */
const RETRY_SECONDS: Partial<Record<string, number>> = { RATE_LIMITED: 1, BUSY: 5, UNREACHABLE: 10 };

export interface DeviceApiOptions {
  door: Door;
  /** Where devices enrol themselves; without one they cannot. */
  desk?: EnrolmentDesk;
  /** Frames of a confirmed payload. @throws Refusal NOT_FOUND */
  payload(chainHead: Uint8Array): Promise<{ payload: Payload; frames: Uint8Array[] }>;
  tls?: { cert: string; key: string } | undefined;
  /** Demands a certificate of this authority whose common name is the device id in hex. */
  deviceCa?: string | undefined;
  /** Certificates with which devices may enrol themselves; whoever has none may come as well. */
  enrol?: EnrolAuthority | undefined;
  log: Log;
  /** Told of every refusal. */
  refused?: ((code: Code) => void) | undefined;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Where devices enrol by certificates and an authority revokes some. */
    revocationLists: RevocationLists | undefined;
  }
}

type DeviceParams = { Params: { device: string } };

export function createDeviceApi(options: DeviceApiOptions): FastifyInstance {
  const { door, desk, deviceCa } = options;
  const app = createApp(options);
  showRoutesOf(app);
  const lists = listsOf(app, options);
  app.decorate('revocationLists', lists);
  app.addHook('onClose', async () => lists?.close());
  app.setErrorHandler((error, request, reply) => refuse(error as FastifyError, request, reply, options));
  app.setNotFoundHandler(() => {
    throw new Refusal('NOT_FOUND', 'devices have no such address');
  });
  const session = (request: FastifyRequest<DeviceParams>): DeviceSession => {
    checkCertificate(request, deviceCa, request.params.device);
    return door.session(tokenOf(request), request.params.device);
  };

  if (desk) {
    app.post(`${HTTP_ROOT}/authority`, { bodyLimit: AUTHORITY_ASK_BYTES_MAX }, async (request, reply) =>
      send(reply, await desk.authority(request.ip, bodyOf(request), presenterOf(request, options))),
    );
    app.post(`${HTTP_ROOT}/claim`, { bodyLimit: CLAIM_BYTES_MAX }, async (request, reply) => {
      const classId = await desk.claim(request.ip, bodyOf(request), presenterOf(request, options));
      return send(reply, encodeClaimAnswer(unhex(classId)!));
    });
    app.post(`${HTTP_ROOT}/listing`, { bodyLimit: LISTING_ASK_BYTES_MAX }, async (request, reply) =>
      send(reply, await desk.listing(request.ip, bodyOf(request))),
    );
  }
  app.post<DeviceParams>(`${HTTP_ROOT}/d/:device/login`, { bodyLimit: LOGIN_BYTES_MAX }, async (request, reply) => {
    const { device } = request.params;
    checkCertificate(request, deviceCa, device);
    const token = await door.login(request.ip, device, bodyOf(request));
    return send(reply, encodeSession({ token, seconds: SESSION_SECONDS }));
  });
  app.post<DeviceParams>(`${HTTP_ROOT}/d/:device/req`, async (request, reply) => {
    const answer = await door.request(session(request), bodyOf(request));
    return answer ? send(reply, answer) : reply.code(204).send();
  });
  app.post<DeviceParams>(`${HTTP_ROOT}/d/:device/status`, async (request, reply) => {
    door.report(session(request), bodyOf(request));
    return reply.code(202).send();
  });
  app.get<DeviceParams & { Querystring: { after?: string } }>(`${HTTP_ROOT}/d/:device/msg`, async (request, reply) => {
    const own = session(request);
    const { after = '0' } = request.query;
    demand(/^\d{1,15}$/.test(after), 'BAD_REQUEST', 'after is the number of the last message that was heard');
    return send(reply, encodeMessages(await door.messages(own, Number(after))));
  });
  app.get<DeviceParams & { Params: { head: string } }>(`${HTTP_ROOT}/d/:device/p/:head`, async (request, reply) => {
    const own = session(request);
    const head = unhex(request.params.head);
    demand(head?.length === HASH_BYTES, 'BAD_REQUEST', 'a payload is named by its chain head in hex');
    const { payload, frames } = await options.payload(head);
    const range = rangeOf(request.headers.range, wireBytes(payload));
    door.spend(own, range.end - range.start);
    reply.code(206).headers({
      'content-range': `bytes ${range.start}-${range.end - 1}/${wireBytes(payload)}`,
      [FRAME_BYTES_HEADER]: String(payload.frameBytes),
    });
    return send(reply, slice(frames, payload.frameBytes + HASH_BYTES, range));
  });
  return app;
}

function listsOf(app: FastifyInstance, { tls, enrol, log }: DeviceApiOptions): RevocationLists | undefined {
  if (!tls || enrol?.crlFile === undefined) return undefined;
  const context = { ...tls, ca: enrol.ca, crl: enrol.crl, minVersion: MIN_VERSION };
  return followLists(app.server as unknown as Server, enrol.crlFile, context, log);
}

function createApp({ tls, deviceCa, enrol }: DeviceApiOptions): FastifyInstance {
  const options: FastifyServerOptions = {
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_MS_MAX,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
  };
  const demanded = deviceCa === undefined ? {} : { ca: deviceCa, requestCert: true, rejectUnauthorized: true };
  // Devices that are enrolled come by their own key and no certificate: who enrols by one is asked for it there.
  const asked = enrol && {
    ca: enrol.ca,
    requestCert: true,
    rejectUnauthorized: false,
    ...(enrol.crl && { crl: enrol.crl }),
  };
  const https = tls && { ...tls, ...demanded, ...asked, minVersion: MIN_VERSION };
  const app: FastifyInstance = Fastify((https ? { ...options, https } : options) as FastifyServerOptions);
  app.server.maxConnections = DEVICE_CONNECTIONS_MAX;
  app.server.headersTimeout = REQUEST_MS_MAX;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  });
  return app;
}

/** The certificate was checked by TLS; whose it is, is checked here. @throws Refusal NOT_PERMITTED */
function checkCertificate(request: FastifyRequest, deviceCa: string | undefined, device: string): void {
  if (deviceCa === undefined) return;
  const name = (request.raw.socket as TLSSocket).getPeerCertificate().subject?.CN;
  demand(name === device, 'NOT_PERMITTED', 'the certificate is of another device');
}

function presenterOf({ raw, server }: FastifyRequest, { enrol }: DeviceApiOptions): Presenter {
  return async () => {
    demand(enrol, 'NOT_PERMITTED', 'no certificate enrols devices here');
    server.revocationLists?.check(raw.socket as TLSSocket);
    return presentedBy(raw.socket as TLSSocket, enrol, Math.floor(Date.now() / 1000));
  };
}

function tokenOf({ headers }: FastifyRequest): Uint8Array {
  const token = unhex(/^Bearer ([0-9a-f]+)$/.exec(headers.authorization ?? '')?.[1] ?? '');
  demand(token?.length === TOKEN_BYTES, 'UNAUTHORIZED', 'log in first');
  return token;
}

function bodyOf({ body }: FastifyRequest): Uint8Array {
  demand(body instanceof Uint8Array, 'BAD_REQUEST', 'the body is missing');
  return new Uint8Array(body);
}

/** All frames, one after another. */
function wireBytes({ bytes, frameCount }: Payload): number {
  return bytes + (frameCount - 1) * HASH_BYTES;
}

/** One range with both ends, as a device asks (RFC 9110 section 14). @throws Refusal BAD_REQUEST */
function rangeOf(header: string | undefined, bytes: number): { start: number; end: number } {
  const [, first, last] = /^bytes=(\d{1,10})-(\d{1,10})$/.exec(header ?? '') ?? [];
  const start = Number(first);
  const end = Math.min(Number(last) + 1, bytes);
  const good = first !== undefined && start < end && end - start <= RANGE_BYTES_MAX;
  demand(good, 'BAD_REQUEST', `ask for a range of at most ${RANGE_BYTES_MAX} bytes of ${bytes}`);
  return { start, end };
}

function slice(frames: readonly Uint8Array[], full: number, { start, end }: { start: number; end: number }): Buffer {
  const from = Math.floor(start / full);
  const some = Buffer.concat(frames.slice(from, Math.ceil(end / full)));
  return some.subarray(start - from * full, end - from * full);
}

function send(reply: FastifyReply, bytes: Uint8Array): FastifyReply {
  reply.type('application/octet-stream');
  return reply.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}

function refuse(
  error: FastifyError,
  request: FastifyRequest,
  reply: FastifyReply,
  { log, refused }: DeviceApiOptions,
): FastifyReply {
  const ours = error instanceof Refusal || error.statusCode === undefined || error.statusCode >= 500;
  const refusal = ours ? error : new Refusal(error.statusCode === 413 ? 'TOO_LARGE' : 'BAD_REQUEST', error.message);
  const { status, body } = answerOf(refusal);
  refused?.(body.code);
  if (status >= 500 && body.code === 'INTERNAL') log.error({ err: error, method: request.method }, body.code);
  const retry = RETRY_SECONDS[body.code];
  if (retry !== undefined) reply.header('retry-after', String(retry));
  return reply.code(status).send(body);
}
