import { writeFileSync } from 'node:fs';
import { configJsonSchema } from '../src/guard/index.js';

/** Writes config/guard.schema.json, for editors, from the schema in the code. Run it when an option changes. */
writeFileSync(
  new URL('guard.schema.json', import.meta.url),
  `${JSON.stringify(configJsonSchema(), null, 2)}\n`,
);
