/** Where a gateway listens: `tcp://host:port`, or `unix:/path` on the same machine. */
import { demand } from '../../src/errors.ts';

export type Address = { host: string; port: number } | { path: string };

/** @throws Refusal BAD_REQUEST */
export function readAddress(text: string): Address {
  if (text.startsWith('unix:/')) return { path: text.slice('unix:'.length) };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const good = url?.protocol === 'tcp:' && url.hostname !== '' && url.port !== '' && url.pathname.length <= 1;
  demand(good, 'BAD_REQUEST', `${text} is neither tcp://host:port nor unix:/path`);
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) };
}

export function isLocalAddress(text: string): boolean {
  return text.startsWith('unix:') || text.startsWith('tcp:');
}
