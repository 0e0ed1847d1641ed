/** Servers named on the command line: by address and token file, or by the folder of one that runs on this machine. */
import { serverIn } from '../up/peer.ts';
import type { Other } from '../up/start.ts';
import { readInput } from './connect.ts';
import { WrongUse } from './program.ts';

/** An address comes with a token file, a folder of this machine has everything in it. */
export async function followed({
  follow,
  tokenFile = [],
}: {
  follow: readonly string[];
  tokenFile?: readonly string[] | undefined;
}): Promise<{ follow: Other[]; trust?: string }> {
  const tokens = [...tokenFile];
  const list: Other[] = [];
  let trust: string | undefined;
  for (const where of follow) {
    if (/^https?:\/\//.test(where)) {
      const file = tokens.shift();
      if (file === undefined) throw new WrongUse(`${where} needs a token file, in the same order`);
      list.push({ url: where, token: await tokenIn(file) });
    } else {
      const server = await serverIn(where);
      list.push(server);
      trust ??= server.trust;
    }
  }
  if (tokens.length > 0) throw new WrongUse('more token files than addresses');
  return { follow: list, ...(trust !== undefined && { trust }) };
}

export async function tokenIn(file: string): Promise<string> {
  return new TextDecoder().decode(await readInput(file)).trim();
}
