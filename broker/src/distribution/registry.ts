import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { demand, type Entropy, Refusal } from '@countersign/device-sdk';
import { hex, unhex } from '@countersign/device-sdk/format';
import { makeFolder, writeDurable } from '../store/durable.ts';
import { readIfThere } from './files.ts';
import { systemEntropy } from './ports.ts';
import { serial } from './serial.ts';

/** What operators call a device, and what they group it by. None of it ever enters the ledger. */
export interface RegistryEntry {
  /** 32 hex digits. */
  deviceId: string;
  labels: Record<string, string>;
  name?: string;
}

export const LABELS_MAX = 16;
export const LABEL_CHARS_MAX = 64;
/** Ten times the largest fleet measured; about 300 MB of memory with long labels. */
export const REGISTRY_DEVICES_MAX = 1_000_000;
/** The file is written anew at start when it holds this many lines more than devices, or twice as many. */
const SPARE_LINES = 1000;

export interface Registry {
  /** Adds or replaces; durable when it resolves. @throws Refusal BAD_REQUEST, TOO_LARGE */
  put(entries: readonly RegistryEntry[]): Promise<void>;
  get(deviceId: Uint8Array): RegistryEntry | undefined;
  list(): RegistryEntry[];
  /** Ids whose labels match `hw=C` or, all of them, `hw=C,site=north`. @throws Refusal BAD_REQUEST */
  group(selector: string): Set<string>;
}

/** One JSON line per change, the last one for a device counts. @throws Refusal BAD_STORE */
export async function openRegistry(dir: string): Promise<Registry> {
  const folder = join(dir, 'registry');
  await makeFolder(folder, 0o700);
  const path = join(folder, 'devices.jsonl');
  const entries = await recall(path);
  const inOrder = serial();

  return {
    put(list) {
      const checked = list.map(checkEntry);
      const added = checked.filter(({ deviceId }) => !entries.has(deviceId)).length;
      demand(entries.size + added <= REGISTRY_DEVICES_MAX, 'TOO_LARGE', `at most ${REGISTRY_DEVICES_MAX} devices`);
      return inOrder(async () => {
        await append(path, checked.map(line).join(''));
        for (const entry of checked) entries.set(entry.deviceId, entry);
      });
    },
    get: (deviceId) => entries.get(hex(deviceId)),
    list: () => [...entries.values()],
    group(selector) {
      const wanted = readSelector(selector);
      const ids = [...entries.values()].filter(({ labels }) => wanted.every(([key, value]) => labels[key] === value));
      return new Set(ids.map(({ deviceId }) => deviceId));
    },
  };
}

function readSelector(selector: string): [string, string][] {
  const parts = selector.split(',');
  demand(parts.length <= LABELS_MAX, 'BAD_REQUEST', `a group of more than ${LABELS_MAX} labels`);
  return parts.map((part) => {
    const at = part.indexOf('=');
    demand(at > 0, 'BAD_REQUEST', `a group is written label=value, got ${part.slice(0, LABEL_CHARS_MAX)}`);
    return [part.slice(0, at).trim(), part.slice(at + 1).trim()];
  });
}

function checkEntry({ deviceId, labels, name }: RegistryEntry): RegistryEntry {
  demand(unhex(deviceId)?.length === 16, 'BAD_REQUEST', 'a device id is 32 hex digits');
  const pairs = Object.entries(labels);
  demand(pairs.length <= LABELS_MAX, 'BAD_REQUEST', `${pairs.length} labels, at most ${LABELS_MAX}`);
  for (const [key, value] of pairs) {
    demand(/^[\w.-]+$/.test(key) && key.length <= LABEL_CHARS_MAX, 'BAD_REQUEST', 'a label is letters, digits, _ . -');
    demand(isLabelValue(value), 'BAD_REQUEST', `label ${key}: up to ${LABEL_CHARS_MAX} characters without comma`);
  }
  demand(name === undefined || isLabelValue(name), 'BAD_REQUEST', `a name has up to ${LABEL_CHARS_MAX} characters`);
  const id = deviceId.toLowerCase();
  return name === undefined ? { deviceId: id, labels: Object.fromEntries(pairs) } : { deviceId: id, labels, name };
}

function isLabelValue(value: unknown): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is kept out
  return typeof value === 'string' && value.length <= LABEL_CHARS_MAX && !/[,\u0000-\u001f\u007f]/.test(value);
}

function line(entry: RegistryEntry): string {
  return `${JSON.stringify(entry)}\n`;
}

async function append(path: string, text: string): Promise<void> {
  const file = await open(path, 'a', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A last line without its end was never answered for: it is dropped. Any other damage is said aloud. */
async function recall(path: string): Promise<Map<string, RegistryEntry>> {
  const entries = new Map<string, RegistryEntry>();
  const text = Buffer.from((await readIfThere(path)) ?? []).toString();
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  const lines = whole.split('\n').slice(0, -1);
  for (const [i, item] of lines.entries()) {
    try {
      const entry = checkEntry(JSON.parse(item) as RegistryEntry);
      entries.set(entry.deviceId, entry);
    } catch (cause) {
      throw new Refusal('BAD_STORE', `${path}: line ${i + 1} is damaged`, { cause });
    }
  }
  const wasteful = lines.length > entries.size * 2 || lines.length > entries.size + SPARE_LINES;
  if (wasteful || text.length > whole.length || lines.length === 0) {
    await writeDurable(path, Buffer.from([...entries.values()].map(line).join('')), { mode: 0o600 });
  }
  return entries;
}

/** A secret of this folder, made at the first start. */
export async function folderSecret(dir: string, entropy: Entropy = systemEntropy): Promise<Uint8Array> {
  const path = join(dir, 'registry', 'salt-secret');
  const known = await readIfThere(path);
  if (known) {
    demand(known.length === 32, 'BAD_STORE', `${path} has ${known.length} bytes, expected 32`);
    return known;
  }
  const secret = entropy.random(32);
  await writeDurable(path, secret, { mode: 0o600 });
  return secret;
}
