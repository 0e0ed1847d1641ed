#!/usr/bin/env node
// The TypeScript SDK as an external port of the attack suite: docs/ATTACKS.md, "Another port".
import { SdkPort } from '../dist/attacks/port/sdk.js';
import { servePort } from '../dist/attacks/port/serve.js';

await servePort(new SdkPort());
