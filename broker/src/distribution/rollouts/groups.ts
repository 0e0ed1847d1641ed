/**
 * Groups of devices in a rollout. The statement carries only the Merkle root of salted ids: outsiders cannot test who
 * is in it, and each member gets a proof for itself alone.
 */
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { demand, Refusal } from '@countersign/device-sdk';
import {
  asArray,
  asBytes,
  compare,
  concat,
  decode,
  encode,
  equal,
  hex,
  ID_BYTES,
  type Membership,
  memberLeaf,
  type Sha256,
} from '@countersign/device-sdk/format';
import { makeFolder, writeDurable } from '../../store/durable.ts';
import { BoundedMap } from '../bounded-map.ts';
import { readIfThere } from '../files.ts';
import { type Levels, levelsOver, pathFrom } from '../merkle-levels.ts';

const SALT_BYTES = 16;
/** Trees in memory: 100,000 members take 10 MB. The classes that roll out to groups at one time are few. */
const GROUPS_IN_MEMORY_MAX = 16;
/** A larger group is a share of the fleet. */
export const GROUP_MEMBERS_MAX = 100_000;

export interface Groups {
  /** Stores the group for this rollout durably. @returns its root. @throws Refusal BAD_REQUEST for none or too many */
  make(rolloutId: Uint8Array, members: readonly Uint8Array[]): Promise<Uint8Array>;
  /** Member ids in hex, or undefined for a root that this server did not make. */
  members(root: Uint8Array): Promise<ReadonlySet<string> | undefined>;
  /** A member's proof; undefined for everyone else. */
  membership(root: Uint8Array, deviceId: Uint8Array): Promise<Membership | undefined>;
}

interface Group {
  rolloutId: Uint8Array;
  places: Map<string, number>;
  levels: Levels;
}

/** @param secret of this server: whoever lacks it cannot make the salts */
export async function openGroups(sha256: Sha256, secret: Uint8Array, dir: string): Promise<Groups> {
  const folder = join(dir, 'groups');
  await makeFolder(folder, 0o700);
  const memory = new BoundedMap<Group>(GROUPS_IN_MEMORY_MAX);

  return {
    async make(rolloutId, members) {
      demand(members.length >= 1, 'BAD_REQUEST', 'a group without devices');
      demand(members.length <= GROUP_MEMBERS_MAX, 'BAD_REQUEST', `a group of ${members.length} devices`);
      const sorted = [...members].sort(compare);
      const group = build(rolloutId, sorted);
      const root = group.levels.at(-1)![0]!;
      await writeDurable(pathOf(root), encode([1, rolloutId, concat(...sorted)]), { mode: 0o600 });
      memory.set(hex(root), group);
      return root;
    },
    async members(root) {
      const group = await load(root);
      return group && new Set(group.places.keys());
    },
    async membership(root, deviceId) {
      const group = await load(root);
      const index = group?.places.get(hex(deviceId));
      if (!group || index === undefined) return undefined;
      const size = group.levels[0]!.length;
      return { salt: saltOf(group.rolloutId, deviceId), index, size, path: pathFrom(group.levels, index) };
    },
  };

  function pathOf(root: Uint8Array): string {
    return join(folder, hex(root));
  }

  function saltOf(rolloutId: Uint8Array, deviceId: Uint8Array): Uint8Array {
    const mac = createHmac('sha256', secret).update(rolloutId).update(deviceId).digest();
    return new Uint8Array(mac.subarray(0, SALT_BYTES));
  }

  function build(rolloutId: Uint8Array, sorted: readonly Uint8Array[]): Group {
    const levels = levelsOver(
      sha256,
      sorted.map((id) => memberLeaf(sha256, saltOf(rolloutId, id), id)),
    );
    return { rolloutId, places: new Map(sorted.map((id, i) => [hex(id), i])), levels };
  }

  async function load(root: Uint8Array): Promise<Group | undefined> {
    const known = memory.get(hex(root));
    if (known) return known;
    const bytes = await readIfThere(pathOf(root));
    if (!bytes) return undefined;
    const group = read(bytes, pathOf(root));
    demand(equal(group.levels.at(-1)![0]!, root), 'BAD_STORE', `${pathOf(root)} does not make its own root`);
    memory.set(hex(root), group);
    return group;
  }

  function read(bytes: Uint8Array, path: string): Group {
    try {
      const [, rolloutId, members] = asArray(decode(bytes), 'group', 3);
      const ids = asBytes(members, 'members');
      demand(ids.length > 0 && ids.length % ID_BYTES === 0, 'BAD_STORE', 'members are cut');
      const list = Array.from({ length: ids.length / ID_BYTES }, (_, i) => ids.slice(i * ID_BYTES, (i + 1) * ID_BYTES));
      return build(asBytes(rolloutId, 'rollout id', ID_BYTES), list);
    } catch (cause) {
      throw new Refusal('BAD_STORE', `${path} is damaged`, { cause });
    }
  }
}
