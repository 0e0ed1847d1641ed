/** A server of ours in this process on free ports, and a fleet over TCP beside it: for tests of the simulator. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiClient } from '@countersign/broker/face/client/api-client';
import { openSession, type Session } from '@countersign/broker/face/client/session';
import { type RunningAll, startAll } from '@countersign/broker/face/up/start';
import { NO_FAULTS } from '@countersign/simulator/fleet/faults';
import { Fleet, type FleetOptions } from '@countersign/simulator/fleet/fleet';
import { enrolProfiles, fetchFactory } from '@countersign/simulator/scenario/factory';
import { firstPeople, type People } from '@countersign/simulator/scenario/people';

export const PRODUCT = 'sensor-node';

export interface FleetWorld {
  data: string;
  server: RunningAll;
  session: Session;
  people: People;
  /** Makes, enrols and builds a fleet of factory release 1.0.0. Nothing is switched on. */
  fleet(options: Partial<FleetOptions> & { devices: number }): Promise<Fleet>;
  close(): Promise<void>;
}

export async function fleetWorld(): Promise<FleetWorld> {
  const data = await mkdtemp(join(tmpdir(), 'countersign-fleet-'));
  const server = await startAll({ data });
  const session = await openSession(apiClient(server.url, server.token));
  const people = await firstPeople(data);
  const fleets: Fleet[] = [];
  return {
    ...{ data, server, session, people },
    async fleet(options) {
      const fleet = await builtFleet(session, people, options);
      fleets.push(fleet);
      return fleet;
    },
    async close() {
      await Promise.all(fleets.map((fleet) => fleet.switchOff()));
      await server.close();
      await rm(data, { recursive: true, force: true });
    },
  };
}

export async function builtFleet(
  session: Session,
  people: People,
  options: Partial<FleetOptions> & { devices: number },
): Promise<Fleet> {
  const revisions = [
    ['A', 3],
    ['C', 1],
  ] as const;
  const fleet = new Fleet({ seed: 'test', revisions, faults: NO_FAULTS, ...options });
  await enrolProfiles(session, people.operator, PRODUCT, fleet.profiles);
  fleet.build(await fetchFactory(session, PRODUCT, '1.0.0'));
  return fleet;
}
