import type { Command } from 'commander';
import { auditFolder } from '../../ledger/audit.ts';
import type { AuditResult } from '../../ledger/audit-result.ts';
import { auditServer } from '../client/audit.ts';
import { connect, dataFolder, readInput, type ServerOptions, serverOptions } from './connect.ts';
import { note, verb, WrongUse } from './program.ts';
import { printable } from './table.ts';

interface AuditVerbOptions extends ServerOptions {
  trust?: string;
  head?: string;
}

/** `audit [DIR|URL]`: everything the ledger says, verified again by this command itself. */
export function auditVerb(program: Command): void {
  const command = serverOptions(
    program
      .command('audit')
      .description('verify the whole ledger again: its files in a folder, or those a server gives'),
  )
    .argument('[target]', 'a folder, or the address of a server; by default --data or --server')
    .option('--trust <file>', 'trust root 1 from outside, as devices have it from the factory')
    .option('--head <file>', 'a signed head that was kept elsewhere');
  verb(command, async (target: string | undefined, options: AuditVerbOptions) => {
    const result = await audit(target, options);
    return { json: result, text: auditText(result), ok: result.ok };
  });
}

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
