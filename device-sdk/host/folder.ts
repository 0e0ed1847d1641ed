/** A whole device in a folder: two slots, store, boot record, key. Real files, each change flushed. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { demand } from '../src/errors.ts';
import type { Flash, KeyStore } from '../src/ports.ts';
import { Journal } from '../src/store/journal.ts';
import { SlotWriter } from '../src/store/slots.ts';
import { generateKeyPair, nodeKeyStore } from './crypto.ts';
import { makeFolder, replaceFile, syncFolder } from './durable.ts';
import { FileBoot, type FileBootOptions } from './file-boot.ts';
import { FileFlash } from './file-flash.ts';

const ED25519 = -19;
/** Journal region: 16 KB hold root, head, state and eight reports twice over. */
const STORE_BYTES = 65_536;

export interface FolderOptions extends FileBootOptions {
  /** Bytes of each slot, a multiple of 4096. */
  slotBytes: number;
}

/** The ports of {@link Device} that are files. */
export interface Folder {
  slots: [Flash, Flash];
  store: Flash;
  boot: FileBoot;
  keys: KeyStore;
  /** True until `provisionStore` has written the store: the last step of the factory. */
  isNew: boolean;
  /** The factory's first step: an image into slot 0. */
  install(image: Uint8Array): void;
  close(): void;
}

/**
 * Opens a device's folder, or makes one with a fresh key (`device.key`, mode 0600, plain: protect the folder).
 * @throws Refusal BAD_STORE for damaged files
 */
export function openFolder(folder: string, options: FolderOptions): Folder {
  makeFolder(folder);
  const { slotBytes } = options;
  const slots: [FileFlash, FileFlash] = [
    new FileFlash(join(folder, 'slot-0.bin'), { bytes: slotBytes, flush: 'later' }),
    new FileFlash(join(folder, 'slot-1.bin'), { bytes: slotBytes, flush: 'later' }),
  ];
  const store = new FileFlash(join(folder, 'store.bin'), { bytes: STORE_BYTES, first: slots });
  return {
    slots,
    store,
    boot: new FileBoot(join(folder, 'boot.json'), options),
    keys: openKey(join(folder, 'device.key')),
    isNew: Journal.open(store).keys().length === 0,
    install(image) {
      const writer = new SlotWriter(slots[0], image.length);
      writer.write(image);
      writer.finish();
    },
    close() {
      for (const flash of [...slots, store]) flash.close();
      syncFolder(folder);
    },
  };
}

function openKey(path: string): KeyStore {
  if (!existsSync(path)) replaceFile(path, generateKeyPair(ED25519).secret);
  const secret = new Uint8Array(readFileSync(path));
  demand(secret.length === 32, 'BAD_STORE', `${path} holds no Ed25519 key`);
  return nodeKeyStore(ED25519, secret);
}
