import { readFile } from 'node:fs/promises';
import { demand, Refusal } from '@countersign/device-sdk';
import { utf8 } from '@countersign/device-sdk/format';
import { makeFolder, writeDurable } from '../../store/durable.ts';
import type { Endpoints } from '../client/session.ts';
import { endpointPath } from './folders.ts';

const FORMAT = 'countersign-endpoint-1';

/** Where the servers of a folder can be reached. No secret is in it. */
export interface EndpointFile extends Endpoints {
  /** The API that answers for this folder. */
  url: string;
  pid: number;
}

/** Mode 0600 all the same: which ports somebody uses is nobody else's business. */
export async function writeEndpointFile(data: string, endpoint: EndpointFile): Promise<void> {
  await makeFolder(data, 0o700);
  const text = `${JSON.stringify({ format: FORMAT, ...endpoint }, null, 2)}\n`;
  await writeDurable(endpointPath(data), utf8(text), { mode: 0o600 });
}

/** @throws Refusal NOT_FOUND, BAD_STORE */
export async function readEndpointFile(data: string): Promise<EndpointFile> {
  const path = endpointPath(data);
  const text = await readFile(path, 'utf8').catch((cause) => {
    throw new Refusal(
      'NOT_FOUND',
      `${path} is not there: no \`countersign up\` or \`peer\` has got ready on this folder`,
      { cause },
    );
  });
  try {
    const file = JSON.parse(text) as EndpointFile & { format: string };
    demand(file.format === FORMAT && typeof file.url === 'string', 'BAD_STORE', `${path} is of another version`);
    return file;
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal('BAD_STORE', `${path} is no endpoint file`, { cause });
  }
}
