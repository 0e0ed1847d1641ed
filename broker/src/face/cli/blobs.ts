import type { Command } from 'commander';
import { dataFolder } from './connect.ts';
import { verb, WrongUse } from './program.ts';

export interface BlobOptions {
  data?: string;
  out?: string;
  gateway?: string;
  tokenFile?: string;
  ipfs?: string;
}

/** `blobs`: content by CID, as files, CARs, gateways and IPFS nodes have it. Works on files; no server is needed. */
export function blobVerbs(program: Command): void {
  const blobs = program.command('blobs').description('content by CID: CAR files, gateways, IPFS nodes');
  const sub = (text: string, description: string) => blobs.command(text).description(description);
  const store = '--data <dir>';
  const storeText = 'the blobs of the `up` that keeps its things there [COUNTERSIGN_DATA]';

  verb(sub('cid <file>', 'the CID of a file, under the profile unixfs-v1-2025'), async (file) =>
    (await rooms()).cidOfFile(file as string),
  );
  verb(
    sub('export <what>', 'write a file, or a CID of --data, as CAR')
      .option(store, storeText)
      .requiredOption('--out <file>', 'where to write it'),
    async (what, o) => (await rooms()).exportCar(what as string, folderOf(o), (o as BlobOptions).out!),
  );
  verb(
    sub('import <car>', 'put the content of a CAR into --data, every block checked').option(store, storeText),
    async (car, o) => (await rooms()).importCar(car as string, needed(folderOf(o))),
  );
  verb(
    sub('fetch <cid>', 'fetch a content, every block checked: nobody on the way is trusted')
      .option('--gateway <url>', 'from this trustless gateway: ours, or any')
      .option('--token-file <file>', 'token of the API, where the gateway is a server of ours')
      .option('--ipfs <url>', 'from this IPFS node, by its RPC, such as http://127.0.0.1:5001')
      .requiredOption('--out <file>', 'where to write it'),
    async (cid, o) => (await rooms()).fetchTo(cid as string, source(o as BlobOptions), (o as BlobOptions).out!),
  );
  verb(
    sub('push <what>', 'put a file, or a CID of --data, into an IPFS node and pin it')
      .option(store, storeText)
      .requiredOption('--ipfs <url>', 'the node, by its RPC, such as http://127.0.0.1:5001'),
    async (what, o) => (await rooms()).push(what as string, folderOf(o), (o as BlobOptions).ipfs!),
  );
}

const rooms = () => import('./run-blobs.ts');

function folderOf(options: unknown): string | undefined {
  return dataFolder(options as BlobOptions);
}

function needed(data: string | undefined): string {
  if (data === undefined) throw new WrongUse('say where to: --data DIR');
  return data;
}

function source({ gateway, ipfs, tokenFile }: BlobOptions) {
  if ((gateway === undefined) === (ipfs === undefined))
    throw new WrongUse('say where from: --gateway URL or --ipfs URL');
  return { gateway, ipfs, tokenFile };
}
