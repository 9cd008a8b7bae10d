/**
 * The results of `work` for every item, in their order. Items are begun in order, several at a time as long as their weights
 * together stay within `budget`; one that alone is heavier is worked on alone. The first failure is thrown once what
 * was begun has ended.
 */
export async function mapWithin<Item, Result>(
  items: readonly Item[],
  { budget, weight }: { readonly budget: number; readonly weight: (item: Item) => number },
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = new Array(items.length);
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let load = 0;
  for (const [index, item] of items.entries()) {
    const heavy = weight(item);
    while (running.size > 0 && load + heavy > budget) {
      await Promise.race(running);
    }
    if (failures.length > 0) {
      break;
    }
    load += heavy;
    const job = work(item, index)
      .then(
        (result) => {
          results[index] = result;
        },
        (error) => {
          failures.push(error);
        },
      )
      .finally(() => {
        load -= heavy;
        running.delete(job);
      });
    running.add(job);
  }
  await Promise.all(running);
  if (failures.length > 0) {
    throw failures[0];
  }
  return results;
}
