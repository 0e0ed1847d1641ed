import { demand } from '@countersign/device-sdk';
import { COMMAND_ASK, COMMAND_RETRY, hex, unhex } from '@countersign/device-sdk/format';
import { encodeHead } from '@countersign/device-sdk/host/bundle/format';
import type { FastifyInstance } from 'fastify';
import type { RegistryEntry } from '../../distribution/registry.ts';
import type { PlanRequest, WaveRequest } from '../../distribution/rollouts/waves.ts';
import type { Distribution } from '../../distribution/server.ts';
import { ENROL_DEVICES_MAX } from '../../ledger/contract/args.ts';
import type { DeskParts } from '../../passport/desk.ts';
import { appliesToFleet, demandApplies } from '../../passport/fleet.ts';
import { type Fields, fieldsOf, numberOf, textOf } from './ask.ts';
import { findDevice, findRelease, findRollout } from './names.ts';
import { SEND_COMMAND, SET_LABELS } from './openapi/device-operations.ts';
import { BUNDLE, PROVISION } from './openapi/release-operations.ts';
import { DISTRIBUTION, PLAN, PROGRESS } from './openapi/rollout-operations.ts';
import { planJson } from './plan-json.ts';

/** 500 devices with the most and longest labels that the registry takes have 1.1 MB. */
const LABELS_BODY_BYTES_MAX = 1_200_000;
const PLAN_FIELDS = ['release', 'waves', 'window', 'jitterSeconds', 'attemptsMax', 'anyway'];
const SECONDS_MAX = 2 ** 40;

/** Plans, labels, progress, and `GET /provision/:product/:version`: what only the distribution server knows. */
export function distributionRoutes(
  distribution: Distribution,
  desk: DeskParts,
): (app: FastifyInstance) => Promise<void> {
  const { ledger } = desk;
  return async (app) => {
    app.post('/api/v1/rollouts/plan', { schema: PLAN }, async ({ body }) => {
      const fields = fieldsOf(body, 'the plan', PLAN_FIELDS);
      const release = await findRelease(ledger, textOf(fields, 'release'));
      const { product, version, state } = release;
      demand(state === 'confirmed', 'NOT_APPROVED', `${product} ${version} is ${state}, not confirmed`);
      const { anyway = false } = fields;
      demand(typeof anyway === 'boolean', 'BAD_REQUEST', 'anyway is true or false');
      const plan = await distribution.planWaves(planOf(unhex(release.releaseLeaf)!, fields));
      const applies = await appliesToFleet(desk, release);
      if (!anyway) demandApplies(applies);
      return { ...planJson(plan), applies };
    });
    app.get<{ Params: { name: string } }>(
      '/api/v1/rollouts/:name/progress',
      { schema: PROGRESS },
      async ({ params }) => {
        const { rolloutId } = await findRollout(ledger, params.name);
        return distribution.progress(unhex(rolloutId)!);
      },
    );
    app.post('/api/v1/devices/labels', { bodyLimit: LABELS_BODY_BYTES_MAX, schema: SET_LABELS }, async ({ body }) => {
      const entries = entriesOf(fieldsOf(body, 'the labels', ['devices']).devices);
      await distribution.registry.put(entries);
      return { devices: entries.length };
    });
    app.post<{ Params: { name: string } }>(
      '/api/v1/devices/:name/commands',
      { schema: SEND_COMMAND },
      async ({ params, body }) => {
        const { deviceId, state } = await findDevice(ledger, params.name);
        const command = textOf(fieldsOf(body, 'the command', ['command']), 'command');
        demand(command === 'ask' || command === 'retry', 'BAD_REQUEST', 'a command is ask or retry');
        demand(state !== 'revoked', 'REVOKED', `device ${deviceId} is revoked`);
        const counter = await distribution.sendCommand(
          unhex(deviceId)!,
          command === 'ask' ? COMMAND_ASK : COMMAND_RETRY,
        );
        return { deviceId, command, counter };
      },
    );
    app.get('/api/v1/distribution', { schema: DISTRIBUTION }, async () => {
      const { head, ...status } = distribution.status();
      return { ...status, size: head?.size ?? null };
    });
    app.get<{ Querystring: { release?: string; from?: string; full?: string } }>(
      '/api/v1/bundle',
      { schema: BUNDLE },
      async ({ query }, reply) => {
        const leafOf = async (name: string) => unhex((await findRelease(ledger, name)).releaseLeaf)!;
        demand(query.release, 'BAD_REQUEST', 'release is missing');
        const head = await distribution.bundle({
          releaseLeaf: await leafOf(query.release),
          baseLeaf: query.from === undefined ? undefined : await leafOf(query.from),
          full: query.full !== 'false',
        });
        return reply.type('application/cbor').send(Buffer.from(encodeHead(head)));
      },
    );
    app.get<{ Params: { product: string; version: string } }>(
      '/provision/:product/:version',
      { schema: PROVISION },
      async ({ params }, reply) => {
        const { record, image, classId, sequence } = await distribution.provision(params.product, params.version);
        reply.headers({
          'x-image-sha256': hex(image.digest),
          'x-image-bytes': String(image.bytes),
          'x-class-id': classId,
          'x-sequence': String(sequence),
        });
        return reply.type('application/cbor').send(Buffer.from(record));
      },
    );
  };
}

function planOf(releaseLeaf: Uint8Array, fields: Fields): PlanRequest {
  const { waves } = fields;
  demand(Array.isArray(waves), 'BAD_REQUEST', 'waves is a list');
  const jitterSeconds = wholeOf(fields, 'jitterSeconds', 86_400);
  const attemptsMax = wholeOf(fields, 'attemptsMax', 255);
  const { window } = fields;
  return {
    releaseLeaf,
    waves: waves.map(waveOf),
    ...(window !== undefined && { window: windowOf(window) }),
    ...(jitterSeconds !== undefined && { jitterSeconds }),
    ...(attemptsMax !== undefined && { attemptsMax }),
  };
}

function waveOf(value: unknown): WaveRequest {
  const fields = fieldsOf(value, 'a wave', ['percent', 'group', 'failurePercentMax', 'reportedPercentMin']);
  const failurePercentMax = wholeOf(fields, 'failurePercentMax', 100);
  const reportedPercentMin = wholeOf(fields, 'reportedPercentMin', 100);
  const judged = {
    ...(failurePercentMax !== undefined && { failurePercentMax }),
    ...(reportedPercentMin !== undefined && { reportedPercentMin }),
  };
  const percent = numberOf(fields, 'percent', 0, 100);
  demand((percent === undefined) !== (fields.group === undefined), 'BAD_REQUEST', 'a wave has a percent or a group');
  return percent === undefined ? { group: textOf(fields, 'group'), ...judged } : { percent, ...judged };
}

function windowOf(value: unknown): { start: number; end: number | null } {
  const fields = fieldsOf(value, 'the window', ['start', 'end']);
  const start = wholeOf(fields, 'start', SECONDS_MAX);
  demand(start !== undefined, 'BAD_REQUEST', 'a window has a start');
  return { start, end: fields.end === null ? null : (wholeOf(fields, 'end', SECONDS_MAX) ?? null) };
}

function wholeOf(fields: Fields, name: string, max: number): number | undefined {
  const value = numberOf(fields, name, 0, max);
  demand(value === undefined || Number.isInteger(value), 'BAD_REQUEST', `${name} is a whole number`);
  return value;
}

/** What is inside each entry, the registry checks itself. */
function entriesOf(value: unknown): RegistryEntry[] {
  const good = Array.isArray(value) && value.length >= 1 && value.length <= ENROL_DEVICES_MAX;
  demand(good, 'BAD_REQUEST', `devices is a list of 1 to ${ENROL_DEVICES_MAX}`);
  return value.map((item) => {
    const { deviceId, labels, name } = fieldsOf(item, 'a device', ['deviceId', 'labels', 'name']);
    demand(typeof deviceId === 'string', 'BAD_REQUEST', 'deviceId is a text');
    const known = fieldsOf(labels ?? {}, 'labels', Object.keys(Object(labels ?? {}))) as Record<string, string>;
    return { deviceId, labels: known, ...(name !== undefined && { name: textOf({ name }, 'name') }) };
  });
}
