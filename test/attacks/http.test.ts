/** Strangers at the door of an API, and guests who do not behave. Real sockets, since a client library would not send these. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Collection } from '@countersign/broker/collection/collection';
import { createApi, HEADERS_MS_MAX } from '@countersign/broker/face/api/app';
import { blockFileRoutes } from '@countersign/broker/face/api/block-file-routes';
import { collectionRoutes, PREPARATIONS_MAX } from '@countersign/broker/face/api/collection-routes';
import { newToken, tokenGate } from '@countersign/broker/face/api/token';
import test, { type ExecutionContext } from 'ava';
import { SILENT } from '../support/silent-log.ts';

const TOKEN = newToken();

async function served(t: ExecutionContext, collection: Partial<Collection> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-http-'));
  const app = createApi({ server: 'test', gate: tokenGate(TOKEN), log: SILENT });
  t.teardown(async () => {
    app.server.closeAllConnections();
    await app.close();
    await rm(folder, { recursive: true });
  });
  app.get('/api/v1/secret', async () => ({ secret: true }));
  await app.register(collectionRoutes(collection as Collection));
  await app.register(blockFileRoutes(folder));
  await app.listen({ host: '127.0.0.1', port: 0 });
  return { app, folder, port: (app.server.address() as AddressInfo).port };
}

/** Sends bytes as they are; the whole answer. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (data) => (answer += data));
    socket.on('close', () => resolve(answer));
    socket.on('error', reject);
    socket.setTimeout(60_000, () => socket.destroy());
    socket.write(text.replaceAll('\n', '\r\n'));
  });
}

test('no way of writing a path or a header leads past the token', async (t) => {
  const { port } = await served(t);
  const rest = ' HTTP/1.1\nHost: x\nConnection: close\n';
  const paths = [
    '/api/v1/secret',
    '//api/v1/secret',
    '/api/v1/secret/',
    '/API/v1/secret',
    '/api/v1/%73ecret',
    '/healthz/../api/v1/secret',
    '/healthz%2f..%2fapi%2fv1%2fsecret',
    '/healthz;/api/v1/secret',
    '/api/v1/secret?/healthz',
    '/api/v1/secret%00',
    'http://x/api/v1/secret',
    'http://x/healthz/../api/v1/secret',
  ];
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'OPTIONS', 'TRACE']) {
    for (const path of paths) {
      const answer = await raw(port, `${method} ${path}${rest}\n`);
      t.regex(answer, /^HTTP\/1\.1 4\d\d /, `${method} ${path}`);
      t.false(answer.includes('"secret":true'), `${method} ${path}`);
    }
  }
  const other = newToken();
  const headers = [
    `Authorization: Bearer ${other}`,
    `Authorization: Basic ${Buffer.from(`:${TOKEN}`).toString('base64')}`,
    `Authorization: ${TOKEN}`,
    `Authorization: Bearer ${TOKEN}x`,
    `Authorization: Bearer ${TOKEN.slice(0, -1)}`,
    `Authorization: Bearer ${TOKEN}, Bearer ${TOKEN}`,
    'Authorization: Bearer ',
    `Cookie: token=${TOKEN}`,
    `X-Authorization: Bearer ${TOKEN}`,
    `X-Original-URL: /healthz`,
  ];
  for (const header of headers)
    t.regex(await raw(port, `GET /api/v1/secret${rest}${header}\n\n`), /^HTTP\/1\.1 401 /, header);
  t.regex(await raw(port, `GET /api/v1/secret?token=${TOKEN}${rest}\n`), /^HTTP\/1\.1 401 /);
  t.regex(await raw(port, `GET /api/v1/secret${rest}Authorization: Bearer ${TOKEN}\n\n`), /"secret":true/);
});

test('two requests in one, by two lengths of one body, end the connection', async (t) => {
  const { port } = await served(t);
  const hidden = `GET /api/v1/secret HTTP/1.1\nHost: x\nAuthorization: Bearer ${TOKEN}\n\n`;
  const start = `POST /healthz HTTP/1.1\nHost: x\nContent-Type: application/cbor\n`;
  const rows = [
    `${start}Content-Length: 4\nTransfer-Encoding: chunked\n\n0\n\n${hidden}`,
    `${start}Content-Length: 4\nContent-Length: 5\n\nabcd${hidden}`,
    `${start}Transfer-Encoding: chunked, identity\n\n0\n\n${hidden}`,
  ];
  for (const row of rows) t.false((await raw(port, row)).includes('"secret":true'));
});

test('an image is counted until the work on it has ended, not until its sender goes away', async (t) => {
  const ends: (() => void)[] = [];
  const prepare = () => new Promise<never>((_, reject) => ends.push(() => reject(new RangeError('ended'))));
  const { app, port } = await served(t, { prepare });
  /** A connection on both sides: what the server has read of it, and that it has heard of its end. */
  const bytesRead: (() => number)[] = [];
  let open = 0;
  app.server.on('connection', (socket) => {
    open++;
    bytesRead.push(() => socket.bytesRead);
    socket.once('close', () => open--);
  });
  const until = async (holds: () => boolean) => {
    while (!holds()) await new Promise((resolve) => setImmediate(resolve));
  };
  const head = `Host: x\nAuthorization: Bearer ${TOKEN}\nContent-Type: application/octet-stream\nContent-Length: 3\n`;
  const request = `POST /api/v1/releases/prepare?product=p&version=1&fileName=f HTTP/1.1\n${head}\nabc`;
  for (let i = 0; i < PREPARATIONS_MAX; i++) {
    const socket = connect(port, '127.0.0.1');
    socket.write(request.replaceAll('\n', '\r\n'));
    await until(() => ends.length > i);
    socket.destroy();
    await until(() => open === 0);
  }
  t.regex(await raw(port, request.replace('Host', 'Connection: close\nHost')), /^HTTP\/1\.1 503 /);
  for (const end of ends) end();
  await new Promise((resolve) => setImmediate(resolve));
  await until(() => open === 0);
  // One that breaks off in its body is counted no longer either.
  const part = request.slice(0, -1).replaceAll('\n', '\r\n');
  for (let i = 0; i < PREPARATIONS_MAX + 1; i++) {
    const socket = connect(port, '127.0.0.1');
    socket.write(part);
    await until(() => open === 1 && bytesRead.at(-1)!() === part.length);
    socket.destroy();
    await until(() => open === 0);
  }
  const before = ends.length;
  const last = raw(port, request.replace('Host', 'Connection: close\nHost'));
  let answered = false;
  void last.then(() => (answered = true));
  await until(() => answered || ends.length > before);
  t.false(answered, 'it is worked on');
  ends.at(-1)!();
  t.regex(await last, /^HTTP\/1\.1 500 .*"detail":"a fault of the server"/s);
});

test('who connects and says nothing is not waited for long', async (t) => {
  const { app } = await served(t);
  t.true(HEADERS_MS_MAX <= 10_000);
  t.is((app.server as { headersTimeout?: number }).headersTimeout, HEADERS_MS_MAX);
});

test('a block file that was just begun does not keep an auditor out', async (t) => {
  const { app, folder } = await served(t);
  await writeFile(join(folder, 'head'), 'head');
  await writeFile(join(folder, '0000000000.blocks'), 'blocks');
  await writeFile(join(folder, '0000000007.blocks'), '');
  const headers = { authorization: `Bearer ${TOKEN}` };
  const { files } = (await app.inject({ url: '/api/v1/ledger/files', headers })).json();
  t.deepEqual(files, [{ name: '0000000000.blocks', bytes: 6 }]);
  const names = ['..%2fhead', 'head', '0000000000.blocks%00', '..%2f..%2fetc%2fpasswd', '0000000001.blocks'];
  for (const name of names) {
    t.is((await app.inject({ url: `/api/v1/ledger/files/${name}`, headers })).json().code, 'NOT_FOUND', name);
  }
});
