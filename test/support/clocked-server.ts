/**
 * The three servers in a process of their own whose clock stands still: `node clocked-server.js FOLDER TOKEN SECONDS`. The
 * address of the API is its one line on stdout; it runs until it is killed.
 */
import { startAll } from '@countersign/broker/face/up/start';

const [data = '', token = '', seconds = ''] = process.argv.slice(2);
const { url } = await startAll({ data, token, now: () => Number(seconds), samples: false, port: 0, mqttPort: 0 });
process.stdout.write(`${url}\n`);
