/** The piece of fabric-shim that its own command line starts a contract with. It ships without types. */
declare module 'fabric-shim/lib/contract-spi/chaincodefromcontract.js' {
  import type { JSONSerializer } from 'fabric-contract-api';
  import type { ChaincodeInterface } from 'fabric-shim';

  interface Serializers {
    transaction: string;
    serializers: Record<string, typeof JSONSerializer>;
  }
  const ChaincodeFromContract: new (contracts: unknown[], serializers: Serializers) => ChaincodeInterface;
  export default ChaincodeFromContract;
}
