/** The story of the demo: the life of three releases, an attack of every kind, and an audit. It tells what it has seen. */
import { enrolDevices } from '@countersign/broker/face/client/devices';
import { getProduct, getRelease } from '@countersign/broker/face/client/releases';
import type { ReleaseView } from '@countersign/broker/ledger/contract/views';
import { MEMORY_CLASSES as CLASSES, type MemoryClass } from '@countersign/device-sdk/format';
import { ATTACKS } from '../adversary/attacks.ts';
import type { Goal } from '../fleet/tally.ts';
import type { AttackRow, ClassRow } from '../report/outcome.ts';
import { BAD_REVISION, type Cast, castOf } from './cast.ts';
import { type ClassedFleets, classedFleets, OTHER_PRODUCTS, othersOf, rowOf } from './classes.ts';
import type { Enrollable } from './fleet-process.ts';
import { type Anchor, ledgerFigures, pinHead } from './ledger-figures.ts';
import { abort, open, rolloutIn } from './people.ts';
import { BAD, FACTORY, FEATURE, FIX, PRODUCT, type Scene } from './scene.ts';
import type { Demonstrated } from './told.ts';

const PAUSE_MS = 30_000;

export class Story {
  readonly #scene: Scene;
  #cast!: Cast;
  #anchor!: Anchor;
  /** Memory class of the main product. */
  #class!: MemoryClass;
  #updateSeconds = 0;
  readonly #classes: ClassRow[] = [];

  constructor(scene: Scene) {
    this.#scene = scene;
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
    return othersOf(this.#scene.options.devices);
  }

  // --- the stages ---

  async #manufacture(): Promise<void> {
    const { devices, seed, revisions, faults, verbose } = this.#scene.options;
    const { call } = this.#scene.fleet;
    this.#scene.screen.stage(
      `A factory makes ${devices - this.#others * OTHER_PRODUCTS} devices of one product`,
      'Each is the true SDK on simulated flash, with its own key, image and trust root.',
    );
    const own = devices - this.#others * OTHER_PRODUCTS;
    const made = await call.make({ product: PRODUCT, seed, devices: own, revisions, faults, verbose });
    this.#cast = castOf(made);
    const { all, late, canary, badRevision } = this.#cast;
    await this.#enrol(PRODUCT, made);
    this.#class = (await getProduct(this.#scene.session, PRODUCT)).memoryClass;
    const { trustRoot, imageBytes } = await call.build({
      server: this.#scene.server,
      product: PRODUCT,
      version: FACTORY,
    });
    this.#anchor = await pinHead(this.#scene.session, trustRoot);
    await call.switchOn({ numbers: this.#cast.early });
    this.#scene.screen.say(
      `${PRODUCT} ${FACTORY}, ${imageBytes} bytes; ${all.length - late.length} switched on, ${late.length} still in the box`,
    );
    this.#scene.screen.say(
      `${badRevision.length} of hardware ${BAD_REVISION}; first wave of later rollouts: ${canary.length} devices`,
    );
  }

  async #firstUpdate(): Promise<[factory: ReleaseView, fix: ReleaseView]> {
    this.#scene.screen.stage(
      `Release ${FIX}: a one-line fix`,
      'One person uploads, another approves, the ledger confirms; C and D sign; the operator opens it.',
    );
    const fix = await this.#scene.publish(FIX);
    const factory = await getRelease(this.#scene.session, `${PRODUCT}@${FACTORY}`);
    await this.#rollOut(factory, fix, this.#cast.early, { waves: [EVERYBODY] });
    return [factory, fix];
  }

  async #secondUpdate(fix: ReleaseView): Promise<ReleaseView> {
    this.#scene.screen.stage(
      `Release ${FEATURE}: a feature`,
      'Deltas are made from every release in the field, and each is tried with power cuts before C signs.',
    );
    const feature = await this.#scene.publish(FEATURE);
    await this.#rollOut(fix, feature, this.#cast.early, { waves: [EVERYBODY] });
    return feature;
  }

  async #latecomers(factory: ReleaseView, feature: ReleaseView): Promise<void> {
    const { late } = this.#cast;
    const { call } = this.#scene.fleet;
    this.#scene.screen.stage(
      `${late.length} devices come out of the box, two releases behind`,
      `They skip ${FIX}: one delta from ${FACTORY} straight to ${FEATURE}, the skipped entries shown.`,
    );
    const [victim] = late;
    await call.powerCycle({ number: victim! });
    const fresh = late.slice(1);
    const before = await call.fetched({ numbers: fresh });
    await call.switchOn({ numbers: late });
    const through = await this.#scene.through(feature.sequence, late);
    const fetched = (await call.fetched({ numbers: fresh })) - before;
    this.#scene.demandArrived(through, late.length, feature.version);
    const row = rowOf(this.#class, factory, feature, { devices: through.updated, of: fresh.length, fetched });
    this.#classes.push(row);
    this.#scene.demandSmall(row);
    this.#scene.screen.say(
      `all arrived by the direct delta, ${row.fetchedBytes} bytes each instead of ${feature.imageBytes}`,
    );
  }

  /** Product classes with more and less memory, each with a fleet of its own. */
  async #otherClasses(): Promise<ClassedFleets> {
    const { seed, revisions, faults, verbose } = this.#scene.options;
    this.#scene.screen.stage(
      `${OTHER_PRODUCTS} more products, ${this.#others} devices each, with less memory and with more`,
      'The collection server makes each delta for the class of the product: S 4 KB, M 8, L 16, XL 64, gateways 1 MB.',
    );
    const others = await classedFleets({
      options: { seed, devices: this.#others, revisions, faults, verbose },
      ...{
        session: this.#scene.session,
        people: this.#scene.people,
        fleet: this.#scene.fleet,
        server: this.#scene.server,
      },
      through: (product, sequence, numbers) => this.#scene.through(sequence, numbers, product),
    });
    for (const { row, through } of others.told) {
      this.#scene.demandArrived(through, this.#others, row.to);
      const text = `${row.class.padEnd(2)} ${row.product} ${row.to}: a delta of ${row.deltaBytes} bytes instead of ${row.fullBytes}`;
      this.#scene.screen.say(`${text}, ${row.fetchedBytes} fetched by each of ${row.devices}`);
      this.#scene.demandSmall(row);
      this.#classes.push(row);
    }
    return others;
  }

  /** @returns the sequence that counts from now on */
  async #badRelease(): Promise<number> {
    const { canary, badRevision } = this.#cast;
    this.#scene.screen.stage(
      `Release ${BAD} fails on hardware ${BAD_REVISION}`,
      `The trial bench has no such board. The first wave has all ${badRevision.length} of them; the plan allows 5 % failures.`,
    );
    const bad = await this.#scene.publish(BAD);
    const wave = { group: 'ring=canary', failurePercentMax: 5, reportedPercentMin: 100 };
    const { rolloutId } = await open(this.#scene.session, this.#scene.people, bad.releaseLeaf, {
      waves: [wave, { percent: 100 }],
      jitterSeconds: JITTER_SECONDS,
    });
    const through = await this.#scene.through(bad.sequence, canary);
    const back = through.reverts.filter(({ revision }) => revision === BAD_REVISION).length;
    this.#scene.demand(
      back === badRevision.length,
      `${back} of ${badRevision.length} devices of hardware ${BAD_REVISION} reverted`,
    );
    const others = canary.length - badRevision.length;
    this.#scene.demandArrived(through, others, bad.version, ({ revision }) => revision !== BAD_REVISION);
    this.#scene.screen.say(
      `${back} booted it once, failed the self-test and went back; ${through.updated} of other hardware run it`,
    );
    const paused = await rolloutIn(this.#scene.session, rolloutId, 'paused', PAUSE_MS);
    this.#scene.demand(paused.wave === 0, `the rollout reached wave ${paused.wave + 1}`);
    this.#scene.screen.say('the rollout paused itself before its second wave; the operator aborts it');
    await abort(this.#scene.session, this.#scene.people, rolloutId, `fails on hardware ${BAD_REVISION}`);
    return bad.sequence;
  }

  /** Attacks on a device that has something to install: on the delta itself. */
  async #attacksOnWaiting(feature: ReleaseView): Promise<AttackRow[]> {
    this.#scene.screen.stage(
      'Attacks on the way of a delta',
      `A broker that lies, and a device that wants ${feature.version}. Frames are proven one by one, before flash.`,
    );
    return this.#scene.attempts(
      ATTACKS.filter(({ victim }) => victim === 'waiting'),
      () => this.#cast.late[0]!,
    );
  }

  async #attacksOnIdle(): Promise<AttackRow[]> {
    const { bystanders } = this.#cast;
    await this.#scene.fleet.call.calm(null);
    this.#scene.screen.stage(
      'Attacks with stolen keys',
      'The thief has copied C, D and the command key, hears every message and may send his own. Never: the log key.',
    );
    const chosen = ATTACKS.filter(({ victim }) => victim === 'idle');
    return this.#scene.attempts(chosen, (i) => bystanders[i % bystanders.length]!);
  }

  async #audit(attacks: AttackRow[], goals: Record<string, Goal>): Promise<Demonstrated> {
    const { seed, devices } = this.#scene.options;
    this.#scene.screen.stage(
      'The audit',
      'Every entry again from the block files alone, against a trust root and a head kept from the beginning.',
    );
    const figures = await this.#scene.fleet.call.figures({ server: this.#scene.server, goals });
    const { tally, bytes, verdict, counts } = figures;
    const ledger = await ledgerFigures(this.#scene.session, this.#anchor, this.#scene.data);
    const seconds = Math.round(100 * this.#scene.screen.seconds()) / 100;
    this.#scene.demand(ledger.verified, 'the audit found something');
    for (const problem of verdict.problems) this.#scene.demand(false, `judge: ${problem}`);
    this.#scene.demand(tally.stuck === 0 && tally.refused === 0, `${tally.stuck} stuck, ${tally.refused} refused`);
    const { length } = this.#cast.badRevision;
    this.#scene.demand(tally.reverted >= length, `${tally.reverted} devices stand as reverted, at least ${length} did`);
    this.#scene.screen.say(
      `${ledger.entries} entries in ${ledger.blocks} blocks verified; ${verdict.slots} slots and ${verdict.reports} reports read by the judge`,
    );
    this.#scene.screen.say(
      `survived on the way: ${counts.cuts} power cuts, ${counts.lost} lost links, ${counts.faults} network faults`,
    );
    const outcome = { seed, devices, ...tally, seconds, updateSeconds: this.#updateSeconds, bytes };
    const classes = this.#classes.toSorted((a, b) => CLASSES.indexOf(a.class) - CLASSES.indexOf(b.class));
    return { outcome: { ...outcome, classes, attacks, ledger }, verdict, broken: this.#scene.broken };
  }

  async #enrol(product: string, made: readonly Enrollable[]): Promise<void> {
    const late = new Set(this.#cast.late);
    const canary = new Set(this.#cast.canary);
    const devices = made.map(({ number, id, alg, publicKey, revision }) => ({
      id,
      key: { alg, bytes: publicKey },
      labels: { hw: revision, ring: canary.has(number) ? 'canary' : 'main', box: late.has(number) ? 'closed' : 'open' },
    }));
    await enrolDevices(this.#scene.session, this.#scene.people.operator, product, devices);
  }

  async #rollOut(
    from: ReleaseView,
    to: ReleaseView,
    numbers: readonly number[],
    wish: Parameters<typeof open>[3],
  ): Promise<void> {
    const begin = this.#scene.screen.seconds();
    const before = await this.#scene.fleet.call.fetched({ numbers: [...numbers] });
    await open(this.#scene.session, this.#scene.people, to.releaseLeaf, { ...wish, jitterSeconds: JITTER_SECONDS });
    const through = await this.#scene.through(to.sequence, numbers);
    const seconds = this.#scene.screen.seconds() - begin;
    const fetched = (await this.#scene.fleet.call.fetched({ numbers: [...numbers] })) - before;
    this.#classes.push(rowOf(this.#class, from, to, { devices: through.updated, of: numbers.length, fetched }));
    this.#updateSeconds = Math.max(this.#updateSeconds, Math.round(100 * seconds) / 100);
    this.#scene.demand(
      through.updated === numbers.length,
      `${through.updated} of ${numbers.length} arrived at ${to.version}`,
    );
    this.#scene.screen.say(
      `${through.updated} of ${numbers.length} run ${to.version}, proven by their signed reports, after ${seconds.toFixed(1)} s`,
    );
  }
}

/** A good release in a bad world: a device whose power fails twice during its trial goes back, and is no reason to stop. */
const EVERYBODY = { percent: 100, failurePercentMax: 20 };
/** The fleet spreads its start over this: long enough to show, short enough to watch. */
const JITTER_SECONDS = 1;
