/** RFC 9124's user stories: those that are supported happen, and the document says the same of each. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ground } from '@countersign/simulator/attacks/attack';
import { SdkPort } from '@countersign/simulator/attacks/port/sdk';
import { STORIES } from '@countersign/simulator/attacks/stories';
import test from 'ava';
import { repository } from '../support/repository.ts';

for (const { name, how, run } of STORIES) {
  if (!run) continue;
  test.serial(`${name}: ${how}`, async (t) => {
    const port = new SdkPort();
    const ends: (() => unknown)[] = [];
    const ground: Ground = {
      port,
      after: (end) => void ends.push(end),
      folder: () => Promise.reject(new Error('none')),
    };
    t.teardown(async () => {
      for (const end of ends.reverse()) await end();
    });
    t.is(await run(ground), undefined);
  });
}

test('ATTACKS.md lists every story in the same words', (t) => {
  const text = readFileSync(join(repository, 'docs/ATTACKS.md'), 'utf8');
  const rows = [...text.matchAll(/^\| `([A-Z_.]+)` \| (.+) \|$/gm)].map(([, name, how]) => [name, how]);
  t.deepEqual(
    rows,
    STORIES.map(({ name, how }) => [name, how]),
  );
});
