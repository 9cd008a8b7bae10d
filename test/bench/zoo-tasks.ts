import { openBackend } from '../../src/backend/index.js';
import { DRAWN_TASK_NAMES, drawnPretrainingTasks, drawnTasks } from '../../src/zoo/drawn-tasks.js';
import { preparePool } from '../../src/zoo/pool.js';
import { realMerges } from '../../src/zoo/real-merges.js';
import { VisionTransformer, ZOO_SHAPE } from '../../src/zoo/vision-transformer.js';

/**
 * Are the drawn tasks worth merging? Single models must reach 90 % and weight averaging a pair must cost 3 to
 * 15 points of normalised accuracy on the mean, for every seed. `npm run bench:zoo-tasks [-- SEED ...]`; about
 * four minutes a seed, less with a filled cache. Exit code 1 where a bound is broken.
 */
const seeds = process.argv.slice(2).map(Number);
const backend = await openBackend('wasm');
console.log(`${backend.description}, node ${process.version}`);
let broken = false;
for (const seed of seeds.length > 0 ? seeds : [0, 1, 2]) {
  const tasks = drawnTasks(seed);
  const pool = await preparePool({
    pretraining: drawnPretrainingTasks(seed),
    references: tasks,
    seed,
    source: 'drawn',
    cache: '.mergeguard',
  });
  const singles = pool.references.map(({ madeBy }) => madeBy.testAccuracy as number);
  const model = new VisionTransformer(ZOO_SHAPE, seed);
  const pairs: number[] = [];
  for (let i = 0; i < tasks.length; i++) {
    const { tau, head } = pool.references[i];
    const merges = await realMerges(model, {
      base: pool.base,
      live: { task: tasks[i], tau, head: head as NonNullable<typeof head> },
      references: pool.references.slice(i + 1),
      tasks: tasks.slice(i + 1),
      methods: ['weight_avg'],
    });
    pairs.push(...merges.map(({ normalised }) => normalised));
  }
  model.dispose();
  const cost = 100 * (1 - pairs.reduce((sum, value) => sum + value, 0) / pairs.length);
  const lowest = Math.min(...singles);
  const fine = lowest >= 0.9 && cost >= 3 && cost <= 15;
  broken ||= !fine;
  console.log(`\nseed ${seed}: ${fine ? 'fine' : 'OUT OF BOUNDS'}`);
  DRAWN_TASK_NAMES.forEach((name, i) => {
    console.log(`  ${name.padEnd(14)} single ${(100 * singles[i]).toFixed(1)} %`);
  });
  console.log(
    `  weight_avg costs ${cost.toFixed(1)} points on the mean of ${pairs.length} pairs, at most ${(100 * (1 - Math.min(...pairs))).toFixed(1)}`,
  );
}
process.exitCode = broken ? 1 : 0;
