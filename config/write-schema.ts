import { writeFileSync } from 'node:fs';
import { poolJsonSchema } from '../src/calibrate/index.js';
import { fingerprintJsonSchema } from '../src/fingerprint/index.js';
import { configJsonSchema } from '../src/guard/index.js';

/**
 * Writes config/guard.schema.json and config/pool.schema.json, for editors, and config/fingerprint.schema.json from the
 * schemas in the code. Run it when an option or the file of a fingerprint changes, and `npm run format` after it.
 */
write('guard.schema.json', configJsonSchema());
write('pool.schema.json', poolJsonSchema());
write('fingerprint.schema.json', fingerprintJsonSchema());

function write(name: string, schema: object): void {
  writeFileSync(new URL(name, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`);
}
