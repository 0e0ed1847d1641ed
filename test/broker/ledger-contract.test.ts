import { contractSuite } from './engines/contract-suite.ts';
import { embedded } from './engines/engine.ts';

contractSuite(embedded);
