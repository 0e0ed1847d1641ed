/** To how many devices a release applies, as the server works it out from passports: shown, and never signed. */
import { CODES, type Code, codeOf, demand } from '@countersign/device-sdk';
import type { FleetApplies } from '../../passport/fleet.ts';
import { inPath, type Session } from './session.ts';

/** @param release leaf hash, prefix or PRODUCT@VERSION. @throws Refusal NOT_FOUND, NOT_APPROVED, MALFORMED */
export async function getFleetApplies({ api }: Pick<Session, 'api'>, release: string): Promise<FleetApplies> {
  return readFleetApplies(await api.get(`/api/v1/releases/${inPath(release)}/applies`));
}

/** As passports and reports are now; null where a server answers that keeps no passports. */
export async function fleetAppliesIfKnown(
  session: Pick<Session, 'api'>,
  releaseLeaf: string,
): Promise<FleetApplies | null> {
  try {
    return await getFleetApplies(session, releaseLeaf);
  } catch (error) {
    if (codeOf(error) === 'NOT_FOUND') return null;
    throw error;
  }
}

/** @throws Refusal MALFORMED */
export function readFleetApplies(json: unknown): FleetApplies {
  const { releaseLeaf, devices, applies, refused, withoutPassport, unread } = Object(json) as FleetApplies;
  const rows = Array.isArray(refused) ? refused.map((row) => Object(row) as FleetApplies['refused'][number]) : [];
  const counts = [devices, applies, withoutPassport, unread, ...rows.map((row) => row.devices)];
  const said = rows.every(({ code, reason }) => CODES.includes(code as Code) && typeof reason === 'string');
  const sum = counts.slice(1).reduce((all, count) => all + count, 0);
  const good = Array.isArray(refused) && said && counts.every(Number.isSafeInteger) && sum === devices;
  demand(good, 'MALFORMED', "the server's answer does not count the devices");
  return { releaseLeaf: String(releaseLeaf), devices, applies, refused: rows, withoutPassport, unread };
}
