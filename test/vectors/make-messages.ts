/** Vectors of requests and answers, and of what a factory writes. */
import { asArray, decode, encode, readAnswer, readRequest, type Value } from '@countersign/device-sdk/format';
import { answers, requests } from '../support/samples.ts';
import { bytesOf, vendorId, type World } from '../support/world.ts';
import { accepted, type FormatVector, refused } from './format-vector.ts';

export function requestVectors(w: World): FormatVector[] {
  const asked = [
    'frames 4 to 11 of a payload',
    'consistency from 4 to 900',
    'three entries of the release chain',
    'trust roots from 2',
    'freshness',
    'the announcement',
    'the issueKey of an implicit key',
  ];
  const said = [
    'refused: busy, again in 30 s',
    'frame 4',
    'a consistency path',
    'two entries',
    'one trust root',
    'a freshness statement',
    'the announcement and a membership',
    'the entry of an issued key and its receipt',
  ];
  return [
    ...requests().map((bytes, i) => accepted('request', `request-${readRequest(bytes).kind}`, asked[i]!, bytes)),
    ...answers(w.announcement, w.root).map((bytes, i) =>
      accepted('answer', `answer-${readAnswer(bytes).kind}`, said[i]!, bytes),
    ),
    refused(
      'request',
      'request-33-frames',
      'more frames than a window',
      'MALFORMED',
      encode([1, 1, bytesOf('x'), 0, 33]),
    ),
    refused('request', 'request-kind-7', 'an unknown kind', 'UNSUPPORTED', encode([1, 7])),
    refused(
      'request',
      'request-8-short',
      'a thumbprint of 31 bytes',
      'MALFORMED',
      encode([1, 8, bytesOf('x').slice(1)]),
    ),
    refused('request', 'request-8-no-thumbprint', 'an issued key without its name', 'MALFORMED', encode([1, 8])),
    refused(
      'answer',
      'answer-8-no-receipt',
      'an issued key without a receipt',
      'MALFORMED',
      encode([1, 8, new Uint8Array(9)]),
    ),
    refused('request', 'request-too-large', '129 bytes', 'TOO_LARGE', new Uint8Array(129)),
    refused('answer', 'answer-retry', 'more than a day to wait', 'MALFORMED', encode([1, 0, 'BUSY', 86_401])),
    refused('answer', 'answer-code', 'a code outside the closed list', 'MALFORMED', encode([1, 0, 'OOPS', 1])),
  ];
}

export function provisionVectors(w: World): FormatVector[] {
  const items = asArray(decode(w.provision), 'provision');
  return [
    accepted('provision', 'provision', 'a factory image of release 7', w.provision),
    accepted(
      'provision',
      'provision-no-device',
      'before the factory adds the device id',
      encode([...items.slice(0, 7), null]),
    ),
    accepted(
      'provision',
      'provision-components',
      'a factory image with a radio beside it',
      encode(
        items.map((item, i) => (i === 5 ? [...(item as Value[]), [['radio', bytesOf('radio 7'), 20_000]]] : item)),
      ),
    ),
    refused(
      'provision',
      'provision-no-components',
      'an empty list of further components',
      'MALFORMED',
      encode(items.map((item, i) => (i === 5 ? [...(item as Value[]), []] : item))),
    ),
    accepted(
      'provision',
      'provision-epoch',
      'a device that was enrolled again, for the second time',
      encode([...items, 2]),
    ),
    refused('provision', 'provision-epoch-0', 'the first epoch, written', 'MALFORMED', encode([...items, 0])),
    refused('provision', 'provision-ten', 'ten items', 'MALFORMED', encode([...items, 2, 2])),
    refused('provision', 'provision-version', 'version 2', 'UNSUPPORTED', encode([2, ...items.slice(1)])),
    refused(
      'provision',
      'provision-vendor',
      'a vendor id of 15 bytes',
      'MALFORMED',
      encode(items.map((item, i) => (i === 3 ? vendorId.slice(1) : item))),
    ),
  ];
}
