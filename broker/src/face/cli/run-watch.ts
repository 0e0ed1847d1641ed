/** What `audit --watch` does. */
import { setTimeout as pause } from 'node:timers/promises';
import { nodeVerifier } from '@countersign/device-sdk/host/crypto';
import { readClientToken } from '../up/client-token.ts';
import { clientTokenPath } from '../up/folders.ts';
import { readExpectation } from '../watch/expectation.ts';
import { type LogClient, logClient } from '../watch/log-client.ts';
import type { RoundReport } from '../watch/types.ts';
import { Watch } from '../watch/watch.ts';
import { onStop } from './alone.ts';
import { dataFolder, readInput, type ServerOptions } from './connect.ts';
import { note, type Outcome, WrongUse } from './program.ts';
import { printable } from './table.ts';

export interface WatchVerbOptions extends ServerOptions {
  watch: string[];
  alarm?: string;
  interval: number;
  trust?: string;
  head?: string;
  expect?: string;
  state: string;
  maxAge?: number;
  once?: boolean;
  json?: boolean;
}

/** An orderer and as many peers as a trust root names. */
const SERVERS_MAX = 17;
const INTERVAL_SECONDS_MAX = 86_400;

/** One look, or looks until it is told to end. */
export async function run(o: WatchVerbOptions): Promise<Outcome> {
  const { alarm, interval } = o;
  if (alarm === undefined) throw new WrongUse('--watch needs --alarm COMMAND: nobody looks at a terminal for ever');
  if (interval < 1 || interval > INTERVAL_SECONDS_MAX) throw new WrongUse('--interval is 1 to 86400 seconds');
  const clients = await clientsOf(o);
  try {
    const watch = await open(o, alarm, clients);
    return o.once ? onceOutcome(await watch.round()) : await goOn(watch, o);
  } finally {
    for (const client of clients) await client.close();
  }
}

async function clientsOf({ watch: urls, expect, ...o }: WatchVerbOptions): Promise<LogClient[]> {
  if (urls.length > SERVERS_MAX || new Set(urls).size < urls.length)
    throw new WrongUse(`--watch takes 1 to ${SERVERS_MAX} different servers`);
  for (const url of urls)
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) throw new WrongUse(`${url} is no http address`);
  const data = dataFolder(o);
  const token =
    o.token ?? process.env.COUNTERSIGN_TOKEN ?? (data && (await readClientToken(clientTokenPath(data)))) ?? undefined;
  if (expect !== undefined && !token) throw new WrongUse('--expect reads entries: give --token, or --data DIR');
  return urls.map((url, i) => logClient(url, i === 0 ? token : undefined));
}

async function open(o: WatchVerbOptions, command: string, clients: LogClient[]): Promise<Watch> {
  const verifier = nodeVerifier();
  const { expect } = o;
  const expectation = expect === undefined ? undefined : async () => readExpectation(verifier, await readInput(expect));
  // A mistake in the file ends the command here; one that is made in it later is told in every round.
  await expectation?.();
  return Watch.open({
    ...{ verifier, clients, command, statePath: o.state, now: () => Math.floor(Date.now() / 1000) },
    trust: o.trust === undefined ? undefined : await readInput(o.trust),
    head: o.head === undefined ? undefined : await readInput(o.head),
    expectation,
    headAgeMax: o.maxAge,
  });
}

async function goOn(watch: Watch, { interval, json }: WatchVerbOptions): Promise<Outcome> {
  const stop = new AbortController();
  const over = onStop(() => stop.abort());
  let [rounds, alarms] = [0, 0];
  while (!stop.signal.aborted) {
    const report = await watch.round();
    rounds++;
    alarms += report.raised.length + report.failed.length;
    if (json) process.stdout.write(`${JSON.stringify({ at: new Date().toISOString(), ...report })}\n`);
    else process.stdout.write(`${new Date().toISOString()}  ${reportText(report)}\n`);
    await pause(interval * 1000, undefined, { signal: stop.signal }).catch(() => undefined);
  }
  over();
  return { json: { rounds, alarms }, text: `${rounds} looks, ${alarms} alarms`, ok: alarms === 0 };
}

function onceOutcome(report: RoundReport): Outcome {
  const alarms = report.raised.length + report.failed.length + report.standing.length;
  const quiet = alarms === 0 && report.expectationProblem === null;
  return { json: report, text: reportText(report), ok: quiet };
}

function reportText(report: RoundReport): string {
  const { entries, root, anchored, servers, raised, failed, standing, expectationProblem } = report;
  if (expectationProblem) note(`--expect: ${expectationProblem.code} ${printable(expectationProblem.text)}`);
  for (const { url, problem } of servers) if (problem) note(`${url}: ${problem.code} ${printable(problem.text)}`);
  return [
    `${entries} entries verified, root ${root}${anchored ? '' : ' (not anchored: no trust root from outside)'}`,
    ...raised.map(({ kind, text }) => `ALARM ${kind}: ${printable(text)}`),
    ...failed.map(({ alarm, why }) => `ALARM ${alarm.kind}, and the command failed (${why}): ${printable(alarm.text)}`),
    ...(standing.length > raised.length ? [`${standing.length} alarms stand`] : []),
  ].join('\n');
}
