/** The watch over a log from outside: rounds, each of which looks at every server, verifies, and raises alarms. */
import { codeOf, demand, Refusal } from '@countersign/device-sdk';
import { type Head, hex, readHead, readSignedRoot, type TrustRoot } from '@countersign/device-sdk/format';
import { nextRoot, verifyHead } from '@countersign/device-sdk/verify';
import { checkpointOf } from '../../ledger/c2sp/proof.ts';
import { auditKeys } from '../../ledger/c2sp/trust.ts';
import { AHEAD_SECONDS_MAX } from '../../ledger/peer/cosigner.ts';
import { type Alarm, raise } from './alarm.ts';
import { badHead, newRoot, releaseAlarms, shrunken, splitView, stale } from './alarms.ts';
import { begin, resume } from './anchor.ts';
import { type Claim, claimOf, type Finding, judgeClaims } from './claims.ts';
import type { Expectation } from './expectation.ts';
import { judgeAgain, nameOf } from './judge-again.ts';
import type { LogClient } from './log-client.ts';
import { type Missing, noQuorum, quorumOf } from './quorum.ts';
import { loadState, saveState, type WatchState } from './state.ts';
import type { RoundReport, WatchOptions } from './types.ts';
import { unknownProducts } from './unknown-products.ts';

/** Alarms that wait for a command that works. Beyond it only their number is kept: the first ones say what began. */
export const PENDING_MAX = 1_000;
/** Raised in one round, one after another: with a command that hangs that is most of an hour. */
export const RAISED_PER_ROUND_MAX = 100;
/** Trust roots taken in one round; a server cannot feed more. */
const ROOTS_MAX = 16;

/** What one server showed. */
interface View {
  client: LogClient;
  head?: Head;
  claims: Claim[];
  problem?: Refusal;
  /** Of its head: missing, had, or not known. */
  quorum?: Missing | 'had';
}

export class Watch {
  readonly #o: WatchOptions;
  readonly #state: WatchState;
  #root: TrustRoot;
  /** Until it was compared. */
  #outside: Uint8Array | undefined;
  #expectation: Expectation | undefined;
  #expectationProblem: Refusal | undefined;
  /** Trust roots that were followed in this round and nobody expects. */
  readonly #newRoots: Alarm[] = [];

  private constructor(options: WatchOptions, state: WatchState) {
    this.#o = options;
    this.#state = state;
    this.#root = readSignedRoot(options.verifier.sha256, state.trustRoot).root;
    this.#outside = state.tree.size === 0 ? options.head : undefined;
  }

  /** Continues, or begins. @throws Refusal BAD_STORE, BAD_ROOT, UNREACHABLE: see {@link begin} and {@link resume} */
  static async open(options: WatchOptions): Promise<Watch> {
    const kept = await loadState(options.statePath, options.verifier.sha256);
    return new Watch(options, kept ? await resume(options, kept) : await begin(options));
  }

  /** One look at everything. @throws Refusal BAD_STORE where the state cannot be kept */
  async round(): Promise<RoundReport> {
    const { verifier, clients, statePath } = this.#o;
    const state = this.#state;
    const wrong: Alarm[] = [];
    const views: View[] = [];
    const findings = await this.#expect(wrong);
    const expectation = this.#expectation;
    this.#expectationProblem ??= await unknownProducts(clients, expectation);
    for (const client of clients) views.push(await this.#look(client, wrong));
    const claims = [...this.#outsideClaim(views, wrong), ...views.flatMap((view) => view.claims)];
    const judged = await judgeClaims(verifier, claims, state, expectation, this.#o.elapsedMs);
    state.tree = judged.verified.tree;
    state.uploads = judged.verified.uploads;
    state.issued = judged.verified.issued;
    state.sought = judged.verified.sought;
    for (const claim of judged.apart) wrong.push(splitView(claim));
    for (const { claim, error } of judged.open) views.find((view) => view.client === claim.client)!.problem ??= error;
    const unproven = new Set([...judged.apart, ...judged.open.map(({ claim }) => claim)]);
    for (const view of views) this.#remember(view, unproven);
    wrong.push(...this.#stale(), ...this.#withoutQuorum(views));
    const once = [...this.#newRoots.splice(0), ...releaseAlarms([...findings, ...judged.findings])];
    this.#settle(wrong, once, views);
    await saveState(statePath, state);
    const told = await this.#raiseAll();
    return { ...this.#report(views), ...told };
  }

  /**
   * What is expected now. Where it is not what the verified entries were held against, they are read again: what was
   * uploaded before would else be judged by nobody.
   */
  async #expect(wrong: Alarm[]): Promise<Finding[]> {
    const { verifier, clients, expectation, elapsedMs } = this.#o;
    const state = this.#state;
    this.#expectationProblem = undefined;
    if (!expectation) {
      state.judgedBy = undefined;
      return [];
    }
    try {
      this.#expectation = await expectation();
      const name = nameOf(verifier, this.#expectation);
      if (state.judgedBy === name) return [];
      // Changed back before they were read again, what came in between would have been held against another.
      state.judgedBy = undefined;
      const again = await judgeAgain(verifier, clients, state.tree, this.#expectation, elapsedMs);
      if (again.apart) {
        wrong.push(splitView(again.apart));
        return [];
      }
      state.uploads = again.uploads;
      state.issued = again.issued;
      state.judgedBy = name;
      return again.findings;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#expectationProblem = error;
      return [];
    }
  }

  async #look(client: LogClient, wrong: Alarm[]): Promise<View> {
    const view: View = { client, claims: [] };
    try {
      const shown = await client.head();
      await this.#followRoots(client, shown.head.rootVersion);
      const head = this.#checkedHead(client, shown, wrong);
      if (!head) return view;
      view.head = head;
      view.quorum = quorumOf(this.#o.verifier, this.#root, head, shown);
      const claim = claimOf(client, 'head', head.size, head.root, hex(shown.signed));
      view.claims.push({ ...claim, rootVersion: head.rootVersion });
      const checkpoint = await this.#checkpoint(client, wrong);
      if (checkpoint) view.claims.push(checkpoint);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      view.problem = error;
      // A server that says so itself, instead of showing a head.
      if (error.code === 'NO_QUORUM') view.quorum = { error, shown: {} };
    }
    return view;
  }

  #checkedHead(client: LogClient, shown: { head: Head; signed: Uint8Array }, wrong: Alarm[]): Head | undefined {
    try {
      const head = verifyHead(this.#o.verifier, this.#root, readHead(shown.signed), shown.head.root);
      const ahead = head.time - this.#o.now();
      // It would not be stale for as long as it is of the future.
      demand(ahead <= AHEAD_SECONDS_MAX, 'BAD_HEAD', `it is ${ahead} seconds from now`);
      return head;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      wrong.push(badHead(client, 'head', error, hex(shown.signed.subarray(0, 1024))));
      return undefined;
    }
  }

  /** What the server shows to auditors must be of the same tree. A server that shows them nothing hides nothing new. */
  async #checkpoint(client: LogClient, wrong: Alarm[]): Promise<Claim | undefined> {
    const { verifier } = this.#o;
    const { log } = auditKeys(verifier.sha256, this.#root);
    const bytes = await client.checkpoint().catch((error) => {
      if (codeOf(error) !== 'UNREACHABLE') throw error;
      return undefined;
    });
    if (!bytes || log.length === 0) return undefined;
    const text = Buffer.from(bytes).toString();
    try {
      const { size, root } = checkpointOf(verifier, bytes, log);
      return claimOf(client, 'checkpoint', size, root, text);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      wrong.push(badHead(client, 'checkpoint', error, text.slice(0, 1024)));
      return undefined;
    }
  }

  /** Trust roots one after another, each on the thresholds of the one before. */
  async #followRoots(client: LogClient, version: number): Promise<void> {
    if (version <= this.#root.version) return;
    const next = await client.roots(this.#root.version + 1);
    demand(next.length > 0, 'OLD_ROOT', `${client.url} names trust root ${version} and does not show it`);
    for (const bytes of next.slice(0, ROOTS_MAX)) {
      this.#root = nextRoot(this.#o.verifier, this.#root, bytes).root;
      this.#state.trustRoot = bytes;
      const digest = hex(this.#o.verifier.sha256(bytes));
      if (!this.#expectation?.trustRoots.includes(digest))
        this.#newRoots.push(newRoot(client.url, this.#root.version, digest));
    }
    // Its head is of none of these: it would look as if a stranger had signed it.
    demand(next.length <= ROOTS_MAX, 'OLD_ROOT', `${client.url} has more trust roots than are taken in one look`);
  }

  /** A head from outside is a claim whose root nobody tells: the tree of that size must be the one it signs. */
  #outsideClaim(views: readonly View[], wrong: Alarm[]): Claim[] {
    if (!this.#outside) return [];
    const signed = readHead(this.#outside);
    const { size } = signed.fields;
    const view = views.find(({ head }) => head !== undefined && head.size >= size);
    const seen = views.find(({ head }) => head !== undefined);
    if (!view && seen) wrong.push(shrunken(seen.client, seen.head!, size));
    if (!view) return [];
    const holds = (root: Uint8Array) => {
      this.#outside = undefined;
      try {
        return Boolean(verifyHead(this.#o.verifier, this.#root, signed, root));
      } catch (error) {
        if (codeOf(error) === 'INTERNAL') throw error;
        return false;
      }
    };
    const evidence = { 'head from outside': hex(this.#outside), size };
    return [{ client: view.client, what: 'head from outside', size, root: undefined, holds, evidence }];
  }

  /**
   * A server's word is kept where it held; where it shrank it stays what it was, and the alarm stands. A head whose tree it
   * does not show did not hold: whoever hides a second history that way is stale in the end. Nor did one without its
   * quorum: no device takes it.
   */
  #remember({ client, head, claims, quorum }: View, unproven: ReadonlySet<Claim>): void {
    const before = this.#state.servers.get(client.url);
    const held = head && quorum === 'had' && claims.every((claim) => !unproven.has(claim));
    if (!held || (before && head.size < before.size)) return;
    const time = Math.max(head.time, before?.time ?? 0);
    this.#state.servers.set(client.url, { size: head.size, root: hex(head.root), time });
  }

  *#stale(): Generator<Alarm> {
    const { clients, now, headAgeMax = this.#root.headAgeMax } = this.#o;
    for (const { url } of clients) {
      const time = this.#state.servers.get(url)?.time ?? this.#state.since;
      const age = now() - time;
      if (age > headAgeMax) yield stale(url, time, age, headAgeMax);
    }
  }

  *#withoutQuorum(views: readonly View[]): Generator<Alarm> {
    const { withoutQuorum } = this.#state;
    for (const { client, quorum } of views) {
      if (quorum === 'had') withoutQuorum.delete(client.url);
      if (quorum === undefined || quorum === 'had') continue;
      const since = withoutQuorum.get(client.url) ?? this.#o.now();
      withoutQuorum.set(client.url, since);
      const alarm = noQuorum(client.url, quorum, this.#o.now() - since);
      if (alarm) yield alarm;
    }
  }

  /** What is new is to be told; what is over may be told again; what could not be looked at stays as it was. */
  #settle(wrong: Alarm[], releases: readonly Alarm[], views: readonly View[]): void {
    const { standing, pending, servers } = this.#state;
    for (const { client, head } of views) {
      const before = servers.get(client.url);
      if (head && before && head.size < before.size) wrong.push(shrunken(client, head, before.size));
    }
    const ids = new Set(wrong.map(({ id }) => id));
    const silent = views.filter(({ problem }) => problem).map(({ client }) => ` ${client.url} `);
    for (const id of standing) {
      const unseen = !id.startsWith('stale-head') && silent.some((url) => id.includes(url));
      if (!ids.has(id) && !unseen) standing.delete(id);
    }
    const fresh = wrong.filter(({ id }, i) => !standing.has(id) && wrong.findIndex((item) => item.id === id) === i);
    for (const { id } of fresh) standing.add(id);
    pending.push(...fresh, ...releases);
    const dropped = pending.splice(PENDING_MAX).length;
    if (dropped > 0)
      pending[PENDING_MAX - 1]!.text = `${dropped} alarms and more could not be raised, this is one of them`;
  }

  async #raiseAll(): Promise<Pick<RoundReport, 'raised' | 'failed'>> {
    const { command, statePath, alarmMsMax } = this.#o;
    const raised: Alarm[] = [];
    const failed: RoundReport['failed'] = [];
    const later = this.#state.pending.splice(RAISED_PER_ROUND_MAX);
    for (const alarm of this.#state.pending) {
      const why = await raise(command, alarm, this.#root.origin, alarmMsMax);
      if (why === undefined) raised.push(alarm);
      else failed.push({ alarm, why });
    }
    this.#state.pending = [...failed.map(({ alarm }) => alarm), ...later];
    if (raised.length > 0) await saveState(statePath, this.#state);
    return { raised, failed };
  }

  #report(views: readonly View[]): Omit<RoundReport, 'raised' | 'failed'> {
    const { tree, anchored, servers, standing } = this.#state;
    return {
      entries: tree.size,
      root: hex(tree.root()),
      anchored,
      servers: views.map(({ client, problem: unseen, quorum }) => {
        const shown = servers.get(client.url);
        const problem = unseen ?? (typeof quorum === 'object' ? quorum.error : undefined);
        return {
          url: client.url,
          size: shown?.size ?? null,
          time: shown?.time ?? null,
          problem: problemOf(problem),
        };
      }),
      standing: [...standing],
      expectationProblem: problemOf(this.#expectationProblem),
    };
  }
}

function problemOf(error: Refusal | undefined) {
  return error ? { code: error.code, text: error.message } : null;
}
