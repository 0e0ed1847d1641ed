/** The compiler takes two seconds and more, so the quick suite only compares the digest of the source. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { repository } from '../support/repository.ts';

test('the committed bytecode is byte for byte what the compiler makes of the source', async (t) => {
  const { compileContract } = await import(new URL('scripts/contract.mjs', `file://${repository}/`).href);
  t.is(compileContract(), readFileSync(join(repository, 'broker/evm/Countersign.json'), 'utf8'));
});
