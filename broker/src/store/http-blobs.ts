import { demand, Refusal } from '@countersign/device-sdk';
import { equal, hex, type Sha256 } from '@countersign/device-sdk/format';
import type { BlobSource } from './blobs.ts';
import { BLOB_BYTES_MAX } from './file-blobs.ts';
import { bodyLength, cutFrames } from './payload-file.ts';

/** A whole blob on a slow line: 64 MB at 1 MB a second. */
export const HTTP_TIMEOUT_MS = 64_000;

/**
 * Blobs of another server over HTTP: `GET /api/v1/blobs/<sha256>` and `GET /api/v1/payloads/<chain head>`. The server
 * is not trusted: bytes are counted while they come and checked against the digest or the frame chain.
 * @param url the server's address, such as `http://127.0.0.1:8080`; @param token of its API
 */
export function httpBlobs(url: string, token: string, sha256: Sha256): BlobSource {
  return {
    async blob(digest) {
      const bytes = await get(`blobs/${hex(digest)}`, BLOB_BYTES_MAX);
      demand(equal(sha256(bytes), digest), 'BAD_STORE', `${url} sent other bytes for blob ${hex(digest)}`);
      return bytes;
    },
    async frames(payload) {
      const length = bodyLength(payload);
      return cutFrames(sha256, payload, await get(`payloads/${hex(payload.chainHead)}`, length));
    },
  };

  async function get(path: string, bytesMax: number): Promise<Uint8Array> {
    try {
      const response = await fetch(new URL(`/api/v1/${path}`, url), {
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(HTTP_TIMEOUT_MS),
        redirect: 'error', // the token is for this server alone
      });
      if (response.status !== 200) {
        await response.body?.cancel();
        throw refused(response.status, `${url} answers ${response.status} for ${path}`);
      }
      return await readBody(response, bytesMax);
    } catch (cause) {
      if (cause instanceof Refusal) throw cause;
      throw new Refusal('UNREACHABLE', `${url} does not answer for ${path}`, { cause });
    }
  }
}

/** Content from the first of several sources that has it: what is fetched proves itself. */
export function anyBlobs(sources: readonly BlobSource[]): BlobSource {
  const first = async <T>(get: (source: BlobSource) => Promise<T>): Promise<T> => {
    let why: unknown;
    for (const source of sources) {
      try {
        return await get(source);
      } catch (error) {
        why ??= error;
      }
    }
    throw why;
  };
  return {
    blob: (digest) => first((source) => source.blob(digest)),
    frames: (payload) => first((source) => source.frames(payload)),
  };
}

function refused(status: number, text: string): Refusal {
  if (status === 404) return new Refusal('NOT_FOUND', text);
  return new Refusal(status === 401 || status === 403 ? 'UNAUTHORIZED' : 'UNREACHABLE', text);
}

/** @throws Refusal TOO_LARGE as soon as one byte too many has come, whatever the header promised */
async function readBody(response: Response, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    demand(length <= bytesMax, 'TOO_LARGE', `the answer has more than ${bytesMax} bytes`);
    parts.push(part);
  }
  const bytes = Buffer.concat(parts);
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
