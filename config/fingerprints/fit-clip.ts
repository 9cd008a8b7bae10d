import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { SingleBar } from 'cli-progress';
import {
  describeFingerprint,
  featureSets,
  fitFingerprint,
  parseTable,
  writeFingerprint,
} from '../../src/fingerprint/index.js';

/**
 * Fits config/fingerprints/clip-vit-b-16-adamw.json and clip-vit-b-32-adamw.json from the published tables of arXiv
 * 2601.22285, which are not part of this repository: `npm run fit:clip [-- FOLDER]`, by default
 * ../shared/data/published. About ten minutes on two cores.
 */
const folder = process.argv[2] ?? fileURLToPath(new URL('../../../shared/data/published', import.meta.url));
const TABLES = [
  { table: 'vit-b-16-adamw', architecture: 'CLIP ViT-B/16 image encoder' },
  { table: 'vit-b-32-adamw', architecture: 'CLIP ViT-B/32 image encoder' },
];

for (const { table, architecture } of TABLES) {
  const path = `${folder}/${table}.csv`;
  if (!existsSync(path)) {
    console.error(`there is no ${path}; give the folder of the published tables`);
    process.exit(1);
  }
  const { rows, metrics, notices } = parseTable(readFileSync(path, 'utf8'), {
    target: 'normalized_acc',
    path,
  });
  console.log([`${path}:`, ...notices].join('\n  '));
  const bar = new SingleBar({
    format: '{bar} {value} of {total} fits, {eta_formatted} left',
    noTTYOutput: false,
  });
  bar.start(1, 0);
  const fingerprint = await fitFingerprint(rows, {
    name: `clip-${table}`,
    target: 'normalized_acc',
    featureSets: featureSets('all', metrics) ?? {},
    gradientKind: 'calibration',
    provenance: {
      architecture,
      optimiser: 'AdamW',
      source: `the table ${table}.csv of arXiv 2601.22285, fitted by config/fingerprints/fit-clip.ts`,
      notes: [
        'ties here is that of the study: trimmed tensor by tensor, coefficient 0.3; mergeguard trims the whole vector and takes coefficient 1',
        'task_arithmetic here has coefficient 0.3, as in mergeguard',
        'the models were finished: while tau is still small, the metrics of a run lie outside the domain',
      ],
    },
    pool: { threads: availableParallelism() },
    onProgress: ({ done, total }) => {
      bar.setTotal(total);
      bar.update(done);
    },
  });
  bar.stop();
  await writeFingerprint(fileURLToPath(new URL(`clip-${table}.json`, import.meta.url)), fingerprint);
  console.log(describeFingerprint(fingerprint).join('\n'));
}
