/**
 * All quick tests. A worker costs half a second of imports before its first test: those that need neither sockets nor
 * processes nor hooks of their own share one for each file in test/rooms. Every other file has a worker of its own, and
 * so has each of them when it is named alone: `npx ava FILE`.
 */
import { readdirSync, readFileSync } from 'node:fs';

const rooms = new URL('test/rooms/', import.meta.url);
const inRooms = readdirSync(rooms).flatMap((name) =>
  [...readFileSync(new URL(name, rooms), 'utf8').matchAll(/^import '\.\.\/(.+)\.ts';$/gm)].map(([, path]) => path),
);

/** What takes longest begins first: begun last, it would end alone, with a processor that has nothing to do. */
const FIRST = ['simulator/fleet.test.js', 'simulator/one-slot.test.js', 'e2e/up.test.js', 'e2e/gateway.test.js'];
const rank = (path) => (FIRST.some((end) => path.endsWith(end)) ? 0 : path.includes('/rooms/') ? 1 : 2);

export default {
  sortTestFiles: (a, b) => rank(a) - rank(b) || a.localeCompare(b),
  files: [
    'test/dist/rooms/*.js',
    'test/dist/**/*.test.js',
    '!test/dist/**/*.long.test.js',
    ...inRooms.map((path) => `!test/dist/${path}.js`),
  ],
  timeout: '5m',
  concurrency: 3,
};
