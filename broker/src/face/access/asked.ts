/** Which products a request is about that is no statement: what a token for some products is compared with. */
import { codeOf } from '@countersign/device-sdk';
import { findProduct } from '../../collection/product.ts';
import type { LedgerClient } from '../../ledger/client.ts';
import { ENROL_DEVICES_MAX } from '../../ledger/contract/args.ts';
import type { DeviceView, GrantView } from '../../ledger/contract/views.ts';
import { findDevice, findRelease } from '../api/names.ts';

/** As it came: what a route would refuse is about nothing here, and refused there. */
export interface Asked {
  query: unknown;
  params: unknown;
  body: unknown;
}

type Classes = Promise<(string | undefined)[]>;

/** By route. A route without a row that changes something is closed to a token for some products. */
const ABOUT: Readonly<Record<string, (ledger: LedgerClient, asked: Asked) => Classes>> = {
  'POST /api/v1/releases/prepare': async (ledger, { query }) =>
    Promise.all(texts([Object(query).product]).map(async (name) => (await findProduct(ledger, name)).classId)),
  'POST /api/v1/rollouts/plan': async (ledger, { body }) =>
    Promise.all(texts([Object(body).release]).map(async (name) => (await findRelease(ledger, name)).classId)),
  'POST /api/v1/devices/labels': async (ledger, { body }) => {
    const { devices } = Object(body) as { devices?: unknown };
    if (!Array.isArray(devices) || devices.length > ENROL_DEVICES_MAX) return [];
    return Promise.all(texts(devices.map((device) => Object(device).deviceId)).map((id) => classOfDevice(ledger, id)));
  },
  'POST /api/v1/devices/:name/commands': async (ledger, { params }) => [
    (await findDevice(ledger, (params as { name: string }).name)).classId,
  ],
  'POST /api/v1/grants/:id/list': async (ledger, { params }) => {
    const { id } = params as { id: string };
    return [((await ledger.evaluate('getGrant', id)) as GrantView).classId];
  },
  // The document is kept where a person's entry, which was compared, has its digest.
  'POST /api/v1/passports': async () => [],
};

/**
 * @param route as it was registered, with its method
 * @returns class ids in hex, undefined for what is about no product on the record
 * @throws Refusal NOT_FOUND, BAD_REQUEST
 */
export async function classesOf(ledger: LedgerClient, route: string, asked: Asked): Classes {
  const about = Object.hasOwn(ABOUT, route) ? ABOUT[route] : undefined;
  return about ? about(ledger, asked) : [undefined];
}

async function classOfDevice(ledger: LedgerClient, id: string): Promise<string | undefined> {
  try {
    return ((await ledger.evaluate('getDevice', id)) as DeviceView).classId;
  } catch (error) {
    const strange = codeOf(error) === 'NOT_FOUND' || codeOf(error) === 'BAD_REQUEST';
    if (strange) return undefined;
    throw error;
  }
}

function texts(values: readonly unknown[]): string[] {
  return values.filter((value) => typeof value === 'string');
}
