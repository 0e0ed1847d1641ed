/** `events`: what happens at a server, as it happens. */
import type { Command } from 'commander';
import { followEvents, type ServerEvent } from '../client/events.ts';
import { onStop } from './alone.ts';
import { addressOf, type ServerOptions, serverOptions } from './connect.ts';
import { note, verb, WrongUse } from './program.ts';
import { printable, timeText } from './table.ts';

export function eventsVerb(program: Command): void {
  const command = serverOptions(
    program.command('events').description('entries, rollouts, results and alarms as they happen, one line each'),
  )
    .option('--from <position>', 'begin with this entry of the ledger, 0 for all; from now on where not given')
    .option('--count <n>', 'end after so many entries');
  verb(command, async (options: ServerOptions & { from?: string; count?: string; json?: boolean }) => {
    const { url, token } = await addressOf(options);
    const from = wholeOf(options.from, '--from');
    const most = wholeOf(options.count, '--count') ?? Number.POSITIVE_INFINITY;
    const stop = new AbortController();
    const over = onStop(() => stop.abort());
    let seen = 0;
    const lost = (why: string) => note(`${printable(why)}; trying again`);
    for await (const event of followEvents({ url, token, from, signal: stop.signal, lost })) {
      process.stdout.write(`${options.json ? JSON.stringify(event) : lineOf(event)}\n`);
      if (event.id !== undefined && ++seen >= most) break;
    }
    stop.abort();
    over();
    return undefined;
  });
}

function lineOf({ event, id, data }: ServerEvent): string {
  const { kind, leafIndex, leafHash, blockNumber, time, codes, ...said } = data;
  const words = Object.entries(said).map(
    ([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`,
  );
  const when = typeof time === 'number' ? timeText(time) : '';
  return printable([String(id ?? '-').padStart(6), when, event.padEnd(11), ...words].join('  '));
}

function wholeOf(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new WrongUse(`${name} is a whole number`);
  return Number(text);
}
