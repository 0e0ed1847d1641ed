/** What every stage of the demo's story works with, and how it looks whether what should happen does. */
import { apiClient } from '@countersign/broker/face/client/api-client';
import { openSession, type Session } from '@countersign/broker/face/client/session';
import { clientTokenPath } from '@countersign/broker/face/up/folders';
import type { ReleaseView } from '@countersign/broker/ledger/contract/views';
import { readSecretFile } from '@countersign/device-sdk/host/secret-file';
import type { Attack } from '../adversary/attacks.ts';
import type { AttackRow, ClassRow } from '../report/outcome.ts';
import type { Stages } from '../report/stages.ts';
import type { BrokerProcess } from './broker-process.ts';
import type { FleetHandlers, FleetNews, Revert, Server } from './fleet-process.ts';
import { firstPeople, type People, release } from './people.ts';
import type { Child } from './rpc.ts';
import type { DemoOptions } from './told.ts';

export const PRODUCT = 'sensor-node';
export const [FACTORY, FIX, FEATURE, BAD] = ['1.0.0', '1.0.1', '1.1.0', '1.2.0'] as const;

/** Devices that are through with a release within this time, or the demo has failed. */
const THROUGH_MS = 120_000;
const UNSETTLED_SHOWN = 5;

export class Scene {
  readonly options: DemoOptions;
  readonly screen: Stages;
  readonly data: string;
  readonly fleet: Child<FleetHandlers>;
  readonly session: Session;
  readonly people: People;
  readonly server: Server;
  /** What should have happened and did not. */
  readonly broken: string[] = [];

  private constructor(
    options: DemoOptions,
    screen: Stages,
    data: string,
    fleet: Child<FleetHandlers>,
    session: Session,
    people: People,
    server: Server,
  ) {
    this.options = options;
    this.screen = screen;
    this.data = data;
    this.fleet = fleet;
    this.session = session;
    this.people = people;
    this.server = server;
  }

  static async begin(
    options: DemoOptions,
    screen: Stages,
    data: string,
    { url }: BrokerProcess,
    fleet: Child<FleetHandlers>,
  ): Promise<Scene> {
    const token = new TextDecoder().decode(await readSecretFile(clientTokenPath(data))).trim();
    const session = await openSession(apiClient(url, token));
    return new Scene(options, screen, data, fleet, session, await firstPeople(data), { url, token });
  }

  async publish(version: string): Promise<ReleaseView> {
    const done = await release(this.session, this.people, PRODUCT, version);
    const size = (branch: ReleaseView['branches'][number]) => `${branch.payloadBytes} bytes`;
    const deltas = done.branches.filter(({ baseDigest }) => baseDigest !== null).map(size);
    const full = done.branches.find(({ baseDigest }) => baseDigest === null);
    const counted = deltas.length === 1 ? '1 delta' : `${deltas.length} deltas`;
    this.screen.say(
      `${counted} tried and signed: ${deltas.join(', ')}; the full image packs to ${full ? size(full) : '?'}`,
    );
    return done;
  }

  async through(sequence: number, numbers: readonly number[], product = PRODUCT) {
    const bar = this.screen.bar('devices', numbers.length);
    this.fleet.onTold = (told) => {
      const { done, cuts, lost } = told as FleetNews;
      bar.update(done, `power cuts ${cuts}, links lost ${lost}`);
    };
    try {
      const through = await this.fleet.call.through({
        product,
        sequence,
        numbers: [...numbers],
        timeoutMs: THROUGH_MS,
      });
      for (const text of through.unsettled.slice(0, UNSETTLED_SHOWN)) this.demand(false, text);
      return through;
    } finally {
      this.fleet.onTold = undefined;
      bar.stop();
    }
  }

  async attempts(chosen: readonly Attack[], victim: (i: number) => number): Promise<AttackRow[]> {
    const scene = { data: this.data, ...this.server };
    const versions = { old: FIX, aborted: BAD, factory: FACTORY, offered: FEATURE };
    const rows: AttackRow[] = [];
    for (const [i, { name, text }] of chosen.entries()) {
      const row = await this.fleet.call.attack({ name, number: victim(i), versions, scene });
      this.demand(row.refused, `the attack ${name} was not refused (${row.code})`);
      this.screen.say(`${(row.refused ? (row.code ?? '') : 'SURVIVED').padEnd(14)} ${text}`);
      rows.push(row);
    }
    return rows;
  }

  /**
   * Everybody arrived. A device whose power failed twice during its trial has gone back to what worked, which is right:
   * nobody can tell such an image from one that hangs.
   */
  demandArrived(
    through: { updated: number; reverts: Revert[] },
    expected: number,
    version: string,
    counts: (revert: Revert) => boolean = () => true,
  ): void {
    const reverts = through.reverts.filter(counts);
    const unlucky = reverts.filter(({ code }) => code === 'BOOT_FAILED').length;
    const right = through.updated + unlucky === expected && unlucky === reverts.length;
    this.demand(right, `${through.updated} of ${expected} arrived at ${version}, ${reverts.length} went back`);
    if (unlucky > 0) this.screen.say(`${unlucky} went back because the power failed twice during the trial`);
  }

  /** What a device has fetched is measured; a delta that is no use shows here. */
  demandSmall({ product, to, fetchedBytes, fullBytes }: ClassRow): void {
    this.demand(
      fetchedBytes > 0 && fetchedBytes < fullBytes / 2,
      `${product} ${to}: ${fetchedBytes} bytes fetched each`,
    );
  }

  demand(holds: boolean, text: string): void {
    if (!holds) this.broken.push(text);
  }
}
