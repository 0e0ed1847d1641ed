/** A gateway with children in one JSON file: where it listens, how it reaches the server, what it may keep. */
import { demand } from '../../src/errors.ts';
import { readAddress } from '../local/address.ts';
import { type LinkProfile, linkOf, openProfile } from '../profile.ts';
import { RELAY_LIMITS, type RelayLimits } from './relay.ts';

export interface RelayProfile {
  folder: string;
  listen: string;
  links: LinkProfile[];
  limits: RelayLimits;
}

/** A payload of the largest image has 64 MB, and its hashes. */
const CACHE_MEGABYTES_MIN = 8;
const CACHE_MEGABYTES_MAX = 65_536;
const CHILDREN_MAX = 4_096;
const MEGABYTE = 1024 * 1024;

/** @throws Refusal NOT_FOUND, BAD_REQUEST with the place of what is wrong */
export function readRelayProfile(path: string): RelayProfile {
  const { file, at } = openProfile(path);
  const { children, perAddress, cacheBytes } = RELAY_LIMITS;
  const profile: RelayProfile = {
    folder: at(file.text('folder')),
    listen: file.text('listen', 'tcp://127.0.0.1:7420'),
    links: file.list('links').map((link) => linkOf(link, at)),
    limits: {
      children: file.whole('children', 1, CHILDREN_MAX, children),
      perAddress: file.whole('perAddress', 1, CHILDREN_MAX, perAddress),
      cacheBytes:
        MEGABYTE * file.whole('cacheMegabytes', CACHE_MEGABYTES_MIN, CACHE_MEGABYTES_MAX, cacheBytes / MEGABYTE),
    },
  };
  readAddress(profile.listen);
  const itself = profile.links.some(({ url }) => url === profile.listen);
  demand(!itself, 'BAD_REQUEST', 'profile.links names the gateway itself');
  file.done();
  return profile;
}
