/** An audit from afar: the ledger's files are fetched, and verified here. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { demand } from '@countersign/device-sdk';
import { unhex } from '@countersign/device-sdk/format';
import { type AuditOptions, auditFolder } from '../../ledger/audit.ts';
import type { AuditResult } from '../../ledger/audit-result.ts';
import { HEAD_FILE } from '../../ledger/embedded/head-file.ts';
import { COSIGNED_FILE } from '../../ledger/peer/cosigned-file.ts';
import { makeFolder } from '../../store/durable.ts';
import type { BlockFiles } from '../api/block-file-routes.ts';
import type { ApiClient } from './api-client.ts';

/** 64 MB each: a ledger of a hundred gigabytes is audited from a copy on disk, not through this door. */
const FILES_MAX = 1_600;

/**
 * @throws Refusal UNREACHABLE, UNAUTHORIZED, NOT_FOUND (a server without the ledger); what is wrong with the ledger is
 * in the result
 */
export async function auditServer(
  api: ApiClient,
  options: AuditOptions,
  tell: (text: string) => void,
): Promise<AuditResult> {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-audit-'));
  try {
    await fetchFiles(api, join(folder, 'ledger'), tell);
    return await auditFolder(folder, options);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Head file, block files and cosigned head of a server, into a folder. @throws Refusal UNREACHABLE, MALFORMED */
export async function fetchFiles(api: ApiClient, folder: string, tell: (text: string) => void): Promise<void> {
  const { head, files, cosigned } = (await api.get('/api/v1/ledger/files')) as BlockFiles;
  const headBytes = typeof head === 'string' ? unhex(head) : undefined;
  const good = headBytes && Array.isArray(files) && files.length <= FILES_MAX;
  demand(good, 'UNREACHABLE', 'the server does not say which files its ledger has');
  await makeFolder(folder);
  await writeFile(join(folder, HEAD_FILE), headBytes);
  const cosignedBytes = typeof cosigned === 'string' ? unhex(cosigned) : undefined;
  if (cosignedBytes) await writeFile(join(folder, COSIGNED_FILE), cosignedBytes);
  for (const { name, bytes } of files) {
    // The name is the server's word: it must not lead out of the folder.
    demand(/^\d{10}\.blocks$/.test(name), 'MALFORMED', 'the server names a file that is no block file');
    tell(`fetching ${name}, ${bytes} bytes …`);
    await writeFile(join(folder, name), await api.bytes(`/api/v1/ledger/files/${name}?bytes=${Number(bytes)}`));
  }
}
