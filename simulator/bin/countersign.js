#!/usr/bin/env node
import('../dist/main.js')
  .then(({ main }) => main(process.argv))
  .catch((error) => {
    if (error?.code === 'ERR_MODULE_NOT_FOUND') {
      console.error('countersign: not built yet; run: npm run build');
      process.exit(2);
    }
    console.error(error);
    process.exit(1);
  });
