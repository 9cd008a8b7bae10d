import type { FingerprintContent, Interval, Variant } from './schema.js';

/** Where a fingerprint contradicts itself in what its schema can not say, a sentence each; none where it does not. */
export function inconsistencies({ level, methods }: FingerprintContent): string[] {
  const problems: string[] = [];
  for (const [method, { variants, groups }] of Object.entries(methods)) {
    const last = variants.length - 1;
    variants.forEach((variant, i) => {
      const place = `${method}, variant ${variant.name}`;
      if (i === last && variant.features.length > 0) {
        problems.push(
          `${place}: it is the last one, which must have no features, but has ${variant.features.length}`,
        );
      }
      if (i < last && variant.features.length === 0) {
        problems.push(`${place}: it has no features, which only the last one may have`);
      }
      for (const name of duplicates(variant)) {
        problems.push(`${place}: the feature ${name} is there more than once`);
      }
      problems.push(...withoutLevel(variant.intervals, level, place));
      if (variant.combined !== null) {
        problems.push(...withoutLevel(variant.combined.intervals, level, `${place}, with the self-probe`));
      }
    });
    if (groups !== null) {
      problems.push(...withoutLevel(groups.intervals, level, `${method}, groups`));
    }
  }
  return problems;
}

function duplicates({ features }: Variant): string[] {
  const names = features.map(({ name }) => name);
  return [...new Set(names.filter((name, i) => names.indexOf(name) < i))];
}

/** A score's interval is that of the fingerprint's own level. */
function withoutLevel(intervals: readonly Interval[], level: number, place: string): string[] {
  if (intervals.some((interval) => interval.level === level)) {
    return [];
  }
  const levels = intervals.map((interval) => interval.level).join(', ');
  return [`${place}: no interval of the fingerprint's level ${level}; there are: ${levels}`];
}
