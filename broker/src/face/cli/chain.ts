import { unhex } from '@countersign/device-sdk/format';
import type { Command } from 'commander';
import type { Acted, ChainStanding } from '../../ledger/evm/member.ts';
import { verb, WrongUse } from './program.ts';
import { table } from './table.ts';

interface ChainOptions {
  evmProfile: string;
}

/** `chain show`, `vote`, `pause`, `resume`: an EVM chain that orders a ledger, with an account of one's own. */
export function chainVerbs(program: Command): void {
  const chain = program.command('chain').description('the EVM chain under a ledger: its votes and its brake');
  const on = (name: string, description: string) =>
    chain
      .command(name)
      .description(description)
      .requiredOption('--evm-profile <file>', 'node, contract and account (docs/OPERATIONS.md)');
  verb(on('show', 'nodes, brake, and releases that wait for votes'), async ({ evmProfile }: ChainOptions) => {
    const { showChain } = await import('../../ledger/evm/member.ts');
    const json = await showChain(evmProfile);
    return { json, text: standingText(json) };
  });
  const vote = on('vote <release>', 'vote for a release that this repository node holds and has checked');
  verb(vote, async (release: string, { evmProfile }: ChainOptions) => {
    const { voteOnChain } = await import('../../ledger/evm/member.ts');
    const json = await voteOnChain(evmProfile, bytes32(release, [32], 'RELEASE is 64 hex digits'));
    const { votes, threshold, confirmed } = json;
    return { json, text: `voted: ${votes} of ${threshold} votes${confirmed ? ', confirmed' : ''}  ${where(json)}` };
  });
  for (const [name, what] of [
    ['pause', 'stop proposals, votes and new rollouts'],
    ['resume', 'let go of the brake; the governor alone may'],
  ] as const) {
    const command = on(`${name} [product]`, `${what}; of one product (class id) or of all`);
    verb(command, async (product: string | undefined, { evmProfile }: ChainOptions) => {
      const { ALL_PRODUCTS, brakeOnChain } = await import('../../ledger/evm/member.ts');
      const which = product === undefined ? ALL_PRODUCTS : bytes32(product, [16, 32], 'PRODUCT is a class id in hex');
      const json = await brakeOnChain(evmProfile, name, which);
      const text = `${name}d ${product ?? 'all products'}  ${where(json)}`;
      return { json: { ...json, product: which }, text };
    });
  }
}

/** A shorter id stands at the front, as everywhere on the chain. */
function bytes32(text: string, lengths: readonly number[], expected: string): `0x${string}` {
  const digits = text.replace(/^0x/, '').replaceAll('-', '').toLowerCase();
  if (!lengths.includes(unhex(digits)?.length ?? 0)) throw new WrongUse(expected);
  return `0x${digits.padEnd(64, '0')}`;
}

function where({ block, gasUsed }: Acted): string {
  return `block ${block}, ${gasUsed} gas`;
}

function standingText(s: ChainStanding): string {
  const rows = s.proposed.map(({ product, sequence, release, votes }) => [
    ...[product.slice(2, 34), String(sequence), release.slice(2), `${votes} of ${s.threshold}`],
  ]);
  const paused = s.paused.map((one) => (/^0x0+$/.test(one) ? 'all products' : one.slice(2, 34)));
  return [
    `contract  ${s.contract}, block ${s.block}, ${s.batches} batches`,
    `nodes     ${s.nodes}, of which ${s.threshold} confirm a release`,
    `governor  ${s.governor}`,
    `recorder  ${s.recorder}`,
    `brake     ${paused.length > 0 ? paused.join(', ') : 'not pulled'}`,
    ...(rows.length > 0 ? ['', table(['product', 'sequence', 'release', 'votes'], rows)] : []),
  ].join('\n');
}
