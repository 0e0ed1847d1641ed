// Compiles broker/evm/Countersign.sol into Countersign.json beside it, with the settings written down: `npm run contract`.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const SOURCE = 'Countersign.sol';
const folder = new URL('../broker/evm/', import.meta.url);

/**
 * The oldest instruction set that chains in use have left behind, so that all of them run it; no metadata hash at the end,
 * so that a changed comment changes no byte.
 */
const SETTINGS = {
  evmVersion: 'paris',
  optimizer: { enabled: true, runs: 200 },
  metadata: { appendCBOR: false, bytecodeHash: 'none' },
};

/** @returns the text of Countersign.json. @throws Error with what the compiler says, warnings included */
export function compileContract() {
  const solc = createRequire(import.meta.url)('solc');
  const content = readFileSync(new URL(SOURCE, folder), 'utf8');
  const input = {
    language: 'Solidity',
    sources: { [SOURCE]: { content } },
    settings: { ...SETTINGS, outputSelection: { [SOURCE]: { Countersign: ['abi', 'evm.bytecode.object'] } } },
  };
  const { errors = [], contracts } = JSON.parse(solc.compile(JSON.stringify(input)));
  if (errors.length > 0) throw new Error(errors.map(({ formattedMessage }) => formattedMessage).join('\n'));
  const { abi, evm } = contracts[SOURCE].Countersign;
  const compiler = { name: 'solc', version: solc.version(), settings: SETTINGS };
  const sourceSha256 = createHash('sha256').update(content).digest('hex');
  return `${JSON.stringify({ compiler, sourceSha256, bytecode: `0x${evm.bytecode.object}`, abi }, null, 2)}\n`;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  writeFileSync(new URL('Countersign.json', folder), compileContract());
}
