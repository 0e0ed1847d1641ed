/** Lists of revoked certificates that change while the server runs: an authority makes a new one each day or week. */
import { readFile } from 'node:fs/promises';
import { createSecureContext, type SecureContextOptions, type Server, type TLSSocket } from 'node:tls';
import { demand } from '@countersign/device-sdk';
import type { Log } from '../../distribution/ports.ts';

/** A list that is made because a factory was robbed should not wait for long; reading a file costs nothing. */
export const REREAD_MS = 60_000;

export interface RevocationLists {
  /** Looks whether the file says something else than before. What cannot be used leaves the former lists in force. */
  reread(): Promise<void>;
  /** @throws Refusal NOT_PERMITTED for a connection that was opened under former lists */
  check(socket: TLSSocket): void;
  close(): void;
}

/**
 * @param file PEM, a list of each authority
 * @param options of the server's connections, with the lists that hold now
 */
export function followLists(server: Server, file: string, options: SecureContextOptions, log: Log): RevocationLists {
  let last = String(options.crl ?? '');
  let version = 0;
  const openedUnder = new WeakMap<object, number>();
  server.on('secureConnection', (socket) => openedUnder.set(socket, version));

  async function reread(): Promise<void> {
    try {
      const text = await readFile(file, 'utf8');
      if (text === last) return;
      // Without a list every certificate would count.
      demand(text.includes('-----BEGIN X509 CRL-----'), 'BAD_STORE', `${file} holds no list in PEM`);
      const next = { ...options, crl: text };
      createSecureContext(next); // a file that is being written throws here, before anything is exchanged
      server.setSecureContext(next);
      last = text;
      version++;
      log.info({ file }, 'new lists of revoked certificates hold');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.error(
        { code: 'BAD_STORE', file, reason },
        'lists of revoked certificates cannot be read: the former ones hold',
      );
    }
  }

  const timer = setInterval(() => void reread(), REREAD_MS);
  timer.unref();
  return {
    reread,
    // TLS looks at lists when a connection is opened, and one can be kept open for ever.
    check(socket) {
      const current = openedUnder.get(socket) === version;
      demand(current, 'NOT_PERMITTED', 'the lists of revoked certificates have changed since: connect again');
    },
    close: () => clearInterval(timer),
  };
}
