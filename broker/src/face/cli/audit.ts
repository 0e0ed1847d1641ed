import type { Command } from 'commander';
import { auditFolder } from '../../ledger/audit.ts';
import type { AuditResult } from '../../ledger/audit-result.ts';
import { auditServer } from '../client/audit.ts';
import { connect, dataFolder, readInput, type ServerOptions, serverOptions } from './connect.ts';
import { note, verb, WrongUse } from './program.ts';
import { printable } from './table.ts';
import { readWhole } from './values.ts';

interface AuditVerbOptions extends ServerOptions {
  trust?: string;
  head?: string;
  watch?: string[];
  alarm?: string;
  interval: number;
  expect?: string;
  state: string;
  maxAge?: number;
  once?: boolean;
  json?: boolean;
}

/** `audit [DIR|URL]`: everything the ledger says, verified again by this command itself; `--watch`: again and again. */
export function auditVerb(program: Command): void {
  const command = serverOptions(
    program
      .command('audit')
      .description('verify the whole ledger again: its files in a folder, or those a server gives'),
  )
    .argument('[target]', 'a folder, or the address of a server; by default --data or --server')
    .option('--trust <file>', 'a trust root from outside, as devices have it from the factory: 1, or a later one')
    .option('--head <file>', 'a signed head that was kept elsewhere')
    .option('--watch <urls...>', 'go on looking at these servers from outside; the token is for the first of them')
    .option('--alarm <command>', 'with --watch: run in a shell for every alarm, JSON on stdin, COUNTERSIGN_ALARM_* set')
    .option('--interval <seconds>', 'with --watch: between two looks', readWhole, 60)
    .option('--expect <file>', 'with --watch: whose key uploads which products')
    .option('--state <file>', 'with --watch: what is kept between runs', 'countersign-watch.json')
    .option('--max-age <seconds>', "with --watch: a head's; by default what the trust root says", readWhole)
    .option('--once', 'with --watch: look once; ends with 1 where an alarm stands');
  verb(command, async (target: string | undefined, options: AuditVerbOptions) => {
    if (options.watch) {
      if (target !== undefined || options.server !== undefined) throw new WrongUse('--watch names the servers itself');
      return (await import('./run-watch.ts')).run({ ...options, watch: options.watch });
    }
    const alone = Object.entries(WATCH_ALONE).find(([name]) => command.getOptionValueSource(name) === 'cli')?.[1];
    if (alone) throw new WrongUse(`${alone} is for --watch URL alone`);
    const result = await audit(target, options);
    return { json: result, text: auditText(result), ok: result.ok };
  });
}

const WATCH_ALONE = {
  alarm: '--alarm',
  interval: '--interval',
  expect: '--expect',
  state: '--state',
  maxAge: '--max-age',
  once: '--once',
};

async function audit(target: string | undefined, options: AuditVerbOptions): Promise<AuditResult> {
  const outside = {
    ...(options.trust !== undefined && { trust: await readInput(options.trust) }),
    ...(options.head !== undefined && { head: await readInput(options.head) }),
  };
  const url = target !== undefined && /^https?:\/\//.test(target) ? target : undefined;
  const folder = url === undefined && options.server === undefined ? (target ?? dataFolder(options)) : undefined;
  if (folder !== undefined) return auditFolder(folder, outside);
  if (target !== undefined && url === undefined) throw new WrongUse('audit a folder, or a server, not both');
  const { api } = await connect(url === undefined ? options : { ...options, server: url });
  return auditServer(api, outside, note);
}

function auditText(r: AuditResult): string {
  return [
    `${r.ok ? 'ok' : 'NOT OK'}: ${r.entries} entries in ${r.blocks} blocks verified, ${r.cosignatures} cosignatures`,
    `root ${r.root}`,
    ...r.problems.map(({ code, where, text }) => `${code}  ${printable(where)}: ${printable(text)}`),
    printable(r.note),
  ].join('\n');
}
