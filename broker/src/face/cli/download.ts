import { access, constants, open, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { PERSON_ROLES } from '../../ledger/contract/args.ts';
import { download } from '../client/downloads.ts';
import { connectAs, type PersonOptions, personOptions } from './connect.ts';
import { verb } from './program.ts';

/** `download`: a release's image, and who took it. */
export function downloadVerb(program: Command): void {
  const command = personOptions(
    program
      .command('download <release>')
      .description("take a release's image; logged, signed by who takes it, unless the release says --no-log"),
  ).requiredOption('-o, --out <file>', 'where to write it');
  verb(command, async (name: string, options: PersonOptions & { out: string }) => {
    await checkOutput(options.out);
    const { session, signer } = await connectAs(options, PERSON_ROLES);
    const { release, image, committed } = await download(session, signer, name, signer.name ?? 'key file');
    // Logged before it is in hand: whoever has the file is on the record.
    await writeFile(options.out, image);
    const { releaseLeaf, contentId, product, version, policy } = release;
    const json = { releaseLeaf, contentId, bytes: image.length, logged: committed !== undefined, policy, ...committed };
    const record = committed ? `entry ${committed.leafIndex}` : 'not logged, as its policy says';
    return { json, text: `${product} ${version}: ${image.length} bytes in ${options.out}, ${record}` };
  });
}

/** Before it is signed and logged: the record would name somebody who has no file. */
async function checkOutput(path: string): Promise<void> {
  await access(dirname(resolve(path)), constants.W_OK | constants.X_OK);
  try {
    await (await open(path, 'r+')).close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
