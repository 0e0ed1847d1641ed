/**
 * The story of the demo: the life of three releases, an attack of every kind, and an audit. What it says it has seen;
 * what should have happened and did not is kept in `broken`.
 */
import { apiClient } from '@countersign/broker/face/client/api-client';
import { enrolDevices } from '@countersign/broker/face/client/devices';
import { getProduct, getRelease } from '@countersign/broker/face/client/releases';
import { openSession, type Session } from '@countersign/broker/face/client/session';
import { clientTokenPath } from '@countersign/broker/face/up/folders';
import type { ReleaseView } from '@countersign/broker/ledger/contract/views';
import { MEMORY_CLASSES as CLASSES, type MemoryClass } from '@countersign/device-sdk/format';
import { readSecretFile } from '@countersign/device-sdk/host/secret-file';
import { ATTACKS, type Attack } from '../adversary/attacks.ts';
import type { Goal } from '../fleet/tally.ts';
import type { AttackRow, ClassRow } from '../report/outcome.ts';
import type { Stages } from '../report/stages.ts';
import type { BrokerProcess } from './broker-process.ts';
import { BAD_REVISION, type Cast, castOf } from './cast.ts';
import { type ClassedFleets, classedFleets, OTHER_PRODUCTS, othersOf, rowOf } from './classes.ts';
import type { Enrollable, FleetHandlers, FleetNews, Revert, Server } from './fleet-process.ts';
import { type Anchor, ledgerFigures, pinHead } from './ledger-figures.ts';
import { abort, firstPeople, open, type People, release, rolloutIn } from './people.ts';
import type { Child } from './rpc.ts';
import type { Demonstrated, DemoOptions } from './told.ts';

const PRODUCT = 'sensor-node';
const [FACTORY, FIX, FEATURE, BAD] = ['1.0.0', '1.0.1', '1.1.0', '1.2.0'] as const;

/** Devices that are through with a release within this time, or the demo has failed. */
const THROUGH_MS = 120_000;
const PAUSE_MS = 30_000;

export class Story {
  readonly #o: DemoOptions;
  readonly #screen: Stages;
  readonly #data: string;
  readonly #fleet: Child<FleetHandlers>;
  readonly #session: Session;
  readonly #people: People;
  readonly #server: Server;
  /** What should have happened and did not. */
  readonly broken: string[] = [];
  #cast!: Cast;
  #anchor!: Anchor;
  /** Memory class of the main product. */
  #class!: MemoryClass;
  #updateSeconds = 0;
  readonly #classes: ClassRow[] = [];

  private constructor(
    o: DemoOptions,
    screen: Stages,
    data: string,
    fleet: Child<FleetHandlers>,
    session: Session,
    people: People,
    server: Server,
  ) {
    this.#o = o;
    this.#screen = screen;
    this.#data = data;
    this.#fleet = fleet;
    this.#session = session;
    this.#people = people;
    this.#server = server;
  }

  static async begin(
    o: DemoOptions,
    screen: Stages,
    data: string,
    { url }: BrokerProcess,
    fleet: Child<FleetHandlers>,
  ): Promise<Story> {
    const token = new TextDecoder().decode(await readSecretFile(clientTokenPath(data))).trim();
    const session = await openSession(apiClient(url, token));
    return new Story(o, screen, data, fleet, session, await firstPeople(data), { url, token });
  }

  async tell(): Promise<Demonstrated> {
    await this.#manufacture();
    const [factory, fix] = await this.#firstUpdate();
    const feature = await this.#secondUpdate(fix);
    const attacks = await this.#attacksOnWaiting(feature);
    await this.#latecomers(factory, feature);
    const others = await this.#otherClasses();
    const bad = await this.#badRelease();
    attacks.push(...(await this.#attacksOnIdle()));
    return this.#audit(attacks, { ...others.goals, [PRODUCT]: { sequence: bad, open: false } });
  }

  /** Devices of each other product class. */
  get #others(): number {
    return othersOf(this.#o.devices);
  }

  // --- the stages ---

  async #manufacture(): Promise<void> {
    const { devices, seed, revisions, faults, verbose } = this.#o;
    const { call } = this.#fleet;
    this.#screen.stage(
      `A factory makes ${devices - this.#others * OTHER_PRODUCTS} devices of one product`,
      'Each is the true SDK on simulated flash, with its own key, image and trust root.',
    );
    const own = devices - this.#others * OTHER_PRODUCTS;
    const made = await call.make({ product: PRODUCT, seed, devices: own, revisions, faults, verbose });
    this.#cast = castOf(made);
    const { all, late, canary, badRevision } = this.#cast;
    await this.#enrol(PRODUCT, made);
    this.#class = (await getProduct(this.#session, PRODUCT)).memoryClass;
    const { trustRoot, imageBytes } = await call.build({ server: this.#server, product: PRODUCT, version: FACTORY });
    this.#anchor = await pinHead(this.#session, trustRoot);
    await call.switchOn({ numbers: this.#cast.early });
    this.#screen.say(
      `${PRODUCT} ${FACTORY}, ${imageBytes} bytes; ${all.length - late.length} switched on, ${late.length} still in the box`,
    );
    this.#screen.say(
      `${badRevision.length} of hardware ${BAD_REVISION}; first wave of later rollouts: ${canary.length} devices`,
    );
  }

  async #firstUpdate(): Promise<[factory: ReleaseView, fix: ReleaseView]> {
    this.#screen.stage(
      `Release ${FIX}: a one-line fix`,
      'One person uploads, another approves, the ledger confirms; C and D sign; the operator opens it.',
    );
    const fix = await this.#publish(FIX);
    const factory = await getRelease(this.#session, `${PRODUCT}@${FACTORY}`);
    await this.#rollOut(factory, fix, this.#cast.early, { waves: [EVERYBODY] });
    return [factory, fix];
  }

  async #secondUpdate(fix: ReleaseView): Promise<ReleaseView> {
    this.#screen.stage(
      `Release ${FEATURE}: a feature`,
      'Deltas are made from every release in the field, and each is tried with power cuts before C signs.',
    );
    const feature = await this.#publish(FEATURE);
    await this.#rollOut(fix, feature, this.#cast.early, { waves: [EVERYBODY] });
    return feature;
  }

  async #latecomers(factory: ReleaseView, feature: ReleaseView): Promise<void> {
    const { late } = this.#cast;
    const { call } = this.#fleet;
    this.#screen.stage(
      `${late.length} devices come out of the box, two releases behind`,
      `They skip ${FIX}: one delta from ${FACTORY} straight to ${FEATURE}, the skipped entries shown.`,
    );
    const [victim] = late;
    await call.powerCycle({ number: victim! });
    const fresh = late.slice(1);
    const before = await call.fetched({ numbers: fresh });
    await call.switchOn({ numbers: late });
    const through = await this.#through(feature.sequence, late);
    const fetched = (await call.fetched({ numbers: fresh })) - before;
    this.#demandArrived(through, late.length, feature.version);
    const row = rowOf(this.#class, factory, feature, { devices: through.updated, of: fresh.length, fetched });
    this.#classes.push(row);
    this.#demandSmall(row);
    this.#screen.say(
      `all arrived by the direct delta, ${row.fetchedBytes} bytes each instead of ${feature.imageBytes}`,
    );
  }

  /** Product classes with more and less memory, each with a fleet of its own. */
  async #otherClasses(): Promise<ClassedFleets> {
    const { seed, revisions, faults, verbose } = this.#o;
    this.#screen.stage(
      `${OTHER_PRODUCTS} more products, ${this.#others} devices each, with less memory and with more`,
      'The collection server makes each delta for the class of the product: S 4 KB, M 8, L 16, XL 64, gateways 1 MB.',
    );
    const others = await classedFleets({
      options: { seed, devices: this.#others, revisions, faults, verbose },
      ...{ session: this.#session, people: this.#people, fleet: this.#fleet, server: this.#server },
      through: (product, sequence, numbers) => this.#through(sequence, numbers, product),
    });
    for (const { row, through } of others.told) {
      this.#demandArrived(through, this.#others, row.to);
      const text = `${row.class.padEnd(2)} ${row.product} ${row.to}: a delta of ${row.deltaBytes} bytes instead of ${row.fullBytes}`;
      this.#screen.say(`${text}, ${row.fetchedBytes} fetched by each of ${row.devices}`);
      this.#demandSmall(row);
      this.#classes.push(row);
    }
    return others;
  }

  /** @returns the sequence that counts from now on */
  async #badRelease(): Promise<number> {
    const { canary, badRevision } = this.#cast;
    this.#screen.stage(
      `Release ${BAD} fails on hardware ${BAD_REVISION}`,
      `The trial bench has no such board. The first wave has all ${badRevision.length} of them; the plan allows 5 % failures.`,
    );
    const bad = await this.#publish(BAD);
    const wave = { group: 'ring=canary', failurePercentMax: 5, reportedPercentMin: 100 };
    const { rolloutId } = await open(this.#session, this.#people, bad.releaseLeaf, {
      waves: [wave, { percent: 100 }],
      jitterSeconds: JITTER_SECONDS,
    });
    const through = await this.#through(bad.sequence, canary);
    const back = through.reverts.filter(({ revision }) => revision === BAD_REVISION).length;
    this.#demand(
      back === badRevision.length,
      `${back} of ${badRevision.length} devices of hardware ${BAD_REVISION} reverted`,
    );
    const others = canary.length - badRevision.length;
    this.#demandArrived(through, others, bad.version, ({ revision }) => revision !== BAD_REVISION);
    this.#screen.say(
      `${back} booted it once, failed the self-test and went back; ${through.updated} of other hardware run it`,
    );
    const paused = await rolloutIn(this.#session, rolloutId, 'paused', PAUSE_MS);
    this.#demand(paused.wave === 0, `the rollout reached wave ${paused.wave + 1}`);
    this.#screen.say('the rollout paused itself before its second wave; the operator aborts it');
    await abort(this.#session, this.#people, rolloutId, `fails on hardware ${BAD_REVISION}`);
    return bad.sequence;
  }

  /** Attacks on a device that has something to install: on the delta itself. */
  async #attacksOnWaiting(feature: ReleaseView): Promise<AttackRow[]> {
    this.#screen.stage(
      'Attacks on the way of a delta',
      `A broker that lies, and a device that wants ${feature.version}. Frames are proven one by one, before flash.`,
    );
    return this.#attempts(
      ATTACKS.filter(({ victim }) => victim === 'waiting'),
      () => this.#cast.late[0]!,
    );
  }

  async #attacksOnIdle(): Promise<AttackRow[]> {
    const { bystanders } = this.#cast;
    await this.#fleet.call.calm(null);
    this.#screen.stage(
      'Attacks with stolen keys',
      'The thief has copied C, D and the command key, hears every message and may send his own. Never: the log key.',
    );
    const chosen = ATTACKS.filter(({ victim }) => victim === 'idle');
    return this.#attempts(chosen, (i) => bystanders[i % bystanders.length]!);
  }

  async #audit(attacks: AttackRow[], goals: Record<string, Goal>): Promise<Demonstrated> {
    const { seed, devices } = this.#o;
    this.#screen.stage(
      'The audit',
      'Every entry again from the block files alone, against a trust root and a head kept from the beginning.',
    );
    const figures = await this.#fleet.call.figures({ server: this.#server, goals });
    const { tally, bytes, verdict, counts } = figures;
    const ledger = await ledgerFigures(this.#session, this.#anchor, this.#data);
    const seconds = Math.round(100 * this.#screen.seconds()) / 100;
    this.#demand(ledger.verified, 'the audit found something');
    for (const problem of verdict.problems) this.#demand(false, `judge: ${problem}`);
    this.#demand(tally.stuck === 0 && tally.refused === 0, `${tally.stuck} stuck, ${tally.refused} refused`);
    const { length } = this.#cast.badRevision;
    this.#demand(tally.reverted >= length, `${tally.reverted} devices stand as reverted, at least ${length} did`);
    this.#screen.say(
      `${ledger.entries} entries in ${ledger.blocks} blocks verified; ${verdict.slots} slots and ${verdict.reports} reports read by the judge`,
    );
    this.#screen.say(
      `survived on the way: ${counts.cuts} power cuts, ${counts.lost} lost links, ${counts.faults} network faults`,
    );
    const outcome = { seed, devices, ...tally, seconds, updateSeconds: this.#updateSeconds, bytes };
    const classes = this.#classes.toSorted((a, b) => CLASSES.indexOf(a.class) - CLASSES.indexOf(b.class));
    return { outcome: { ...outcome, classes, attacks, ledger }, verdict, broken: this.broken };
  }

  // --- their parts ---

  async #enrol(product: string, made: readonly Enrollable[]): Promise<void> {
    const late = new Set(this.#cast.late);
    const canary = new Set(this.#cast.canary);
    const devices = made.map(({ number, id, alg, publicKey, revision }) => ({
      id,
      key: { alg, bytes: publicKey },
      labels: { hw: revision, ring: canary.has(number) ? 'canary' : 'main', box: late.has(number) ? 'closed' : 'open' },
    }));
    await enrolDevices(this.#session, this.#people.operator, product, devices);
  }

  async #publish(version: string): Promise<ReleaseView> {
    const done = await release(this.#session, this.#people, PRODUCT, version);
    const size = (branch: ReleaseView['branches'][number]) => `${branch.payloadBytes} bytes`;
    const deltas = done.branches.filter(({ baseDigest }) => baseDigest !== null).map(size);
    const full = done.branches.find(({ baseDigest }) => baseDigest === null);
    const counted = deltas.length === 1 ? '1 delta' : `${deltas.length} deltas`;
    this.#screen.say(
      `${counted} tried and signed: ${deltas.join(', ')}; the full image packs to ${full ? size(full) : '?'}`,
    );
    return done;
  }

  async #rollOut(
    from: ReleaseView,
    to: ReleaseView,
    numbers: readonly number[],
    wish: Parameters<typeof open>[3],
  ): Promise<void> {
    const begin = this.#screen.seconds();
    const before = await this.#fleet.call.fetched({ numbers: [...numbers] });
    await open(this.#session, this.#people, to.releaseLeaf, { ...wish, jitterSeconds: JITTER_SECONDS });
    const through = await this.#through(to.sequence, numbers);
    const seconds = this.#screen.seconds() - begin;
    const fetched = (await this.#fleet.call.fetched({ numbers: [...numbers] })) - before;
    this.#classes.push(rowOf(this.#class, from, to, { devices: through.updated, of: numbers.length, fetched }));
    this.#updateSeconds = Math.max(this.#updateSeconds, Math.round(100 * seconds) / 100);
    this.#demand(
      through.updated === numbers.length,
      `${through.updated} of ${numbers.length} arrived at ${to.version}`,
    );
    this.#screen.say(
      `${through.updated} of ${numbers.length} run ${to.version}, proven by their signed reports, after ${seconds.toFixed(1)} s`,
    );
  }

  async #through(sequence: number, numbers: readonly number[], product = PRODUCT) {
    const bar = this.#screen.bar('devices', numbers.length);
    this.#fleet.onTold = (told) => {
      const { done, cuts, lost } = told as FleetNews;
      bar.update(done, `power cuts ${cuts}, links lost ${lost}`);
    };
    try {
      const through = await this.#fleet.call.through({
        product,
        sequence,
        numbers: [...numbers],
        timeoutMs: THROUGH_MS,
      });
      for (const text of through.unsettled.slice(0, UNSETTLED_SHOWN)) this.#demand(false, text);
      return through;
    } finally {
      this.#fleet.onTold = undefined;
      bar.stop();
    }
  }

  async #attempts(chosen: readonly Attack[], victim: (i: number) => number): Promise<AttackRow[]> {
    const scene = { data: this.#data, ...this.#server };
    const versions = { old: FIX, aborted: BAD, factory: FACTORY, offered: FEATURE };
    const rows: AttackRow[] = [];
    for (const [i, { name, text }] of chosen.entries()) {
      const row = await this.#fleet.call.attack({ name, number: victim(i), versions, scene });
      this.#demand(row.refused, `the attack ${name} was not refused (${row.code})`);
      this.#screen.say(`${(row.refused ? (row.code ?? '') : 'SURVIVED').padEnd(14)} ${text}`);
      rows.push(row);
    }
    return rows;
  }

  /**
   * Everybody arrived. A device whose power failed twice during its trial has gone back to what worked, which is right:
   * nobody can tell such an image from one that hangs.
   */
  #demandArrived(
    through: { updated: number; reverts: Revert[] },
    expected: number,
    version: string,
    counts: (revert: Revert) => boolean = () => true,
  ): void {
    const reverts = through.reverts.filter(counts);
    const unlucky = reverts.filter(({ code }) => code === 'BOOT_FAILED').length;
    const right = through.updated + unlucky === expected && unlucky === reverts.length;
    this.#demand(right, `${through.updated} of ${expected} arrived at ${version}, ${reverts.length} went back`);
    if (unlucky > 0) this.#screen.say(`${unlucky} went back because the power failed twice during the trial`);
  }

  /** What a device has fetched is measured; a delta that is no use shows here. */
  #demandSmall({ product, to, fetchedBytes, fullBytes }: ClassRow): void {
    this.#demand(
      fetchedBytes > 0 && fetchedBytes < fullBytes / 2,
      `${product} ${to}: ${fetchedBytes} bytes fetched each`,
    );
  }

  #demand(holds: boolean, text: string): void {
    if (!holds) this.broken.push(text);
  }
}

/** A good release in a bad world: a device whose power fails twice during its trial goes back, and is no reason to stop. */
const EVERYBODY = { percent: 100, failurePercentMax: 20 };
/** The fleet spreads its start over this: long enough to show, short enough to watch. */
const JITTER_SECONDS = 1;
const UNSETTLED_SHOWN = 5;
