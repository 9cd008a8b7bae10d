import type { Metric } from '../metrics/index.js';
import type { MatrixReport } from './reports.js';

const CELL = 44;
const FONT = 11;
/** Width of a letter, on the generous side: nobody measures text in a file. */
const LETTER = 0.62 * FONT;
/** Two ends of the scale, and what stands for a value that could not be computed. */
const LOW = [247, 251, 255] as const;
const HIGH = [8, 64, 129] as const;
const MISSING = '#e0e0e0';

/** One metric of all pairs as an SVG picture: models on both sides, darker for higher values. */
export function heatMap({ pairs }: MatrixReport, { name, meaning, better }: Metric): string {
  const models = [...new Set(pairs.flatMap(({ a, b }) => [a, b]))];
  const values = pairs.map(({ metrics }) => metrics[name] ?? null);
  const known = values.filter((value) => value !== null);
  const scale = { low: Math.min(...known), high: Math.max(...known) };
  const margin = 16 + LETTER * Math.max(...models.map(({ length }) => length));
  const merges = better === 'none' ? '' : `; ${better} goes with better merges`;
  const legend =
    known.length === 0
      ? 'It could not be computed for any pair.'
      : `Light is ${shortNumber(scale.low)}, dark ${shortNumber(scale.high)}${merges}.`;
  const size = models.length * CELL;
  const width = Math.ceil(
    Math.max(size + margin + 16, 24 + LETTER * Math.max(1.4 * name.length, meaning.length)),
  );
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${Math.ceil(size + margin + 74)}" font-family="system-ui, sans-serif" font-size="${FONT}">`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    `<text x="12" y="20" font-size="14" font-weight="600">${escaped(name)}</text>`,
    `<text x="12" y="36" fill="#555555">${escaped(meaning)}</text>`,
    `<text x="12" y="51" fill="#555555">${legend}</text>`,
    `<g transform="translate(${margin} ${margin + 58})">`,
  ];
  models.forEach((model, i) => {
    const middle = (i + 0.5) * CELL;
    parts.push(
      `<text x="-8" y="${middle + 4}" text-anchor="end">${escaped(model)}</text>`,
      `<text transform="translate(${middle + 4} -8) rotate(-90)">${escaped(model)}</text>`,
      `<rect x="${i * CELL}" y="${i * CELL}" width="${CELL}" height="${CELL}" fill="#f4f4f4"/>`,
    );
  });
  pairs.forEach(({ a, b }, p) => {
    const [row, column] = [models.indexOf(a), models.indexOf(b)];
    for (const [x, y] of [
      [column, row],
      [row, column],
    ] as const) {
      parts.push(...cell(x, y, values[p]!, scale, `${a} and ${b}`));
    }
  });
  parts.push('</g>', '</svg>');
  return `${parts.join('\n')}\n`;
}

function cell(
  x: number,
  y: number,
  value: number | null,
  { low, high }: { low: number; high: number },
  pair: string,
): string[] {
  const share = value === null ? 0 : high > low ? (value - low) / (high - low) : 0.5;
  const colour = value === null ? MISSING : mix(share);
  const text = value === null ? '–' : shortNumber(value);
  return [
    `<rect x="${x * CELL}" y="${y * CELL}" width="${CELL}" height="${CELL}" fill="${colour}"><title>${escaped(`${pair}: ${value ?? 'not computed'}`)}</title></rect>`,
    `<text x="${(x + 0.5) * CELL}" y="${(y + 0.5) * CELL + 4}" text-anchor="middle" fill="${share > 0.55 ? '#ffffff' : '#222222'}">${text}</text>`,
  ];
}

function mix(share: number): string {
  const channels = LOW.map((low, i) => Math.round(low + share * (HIGH[i]! - low)));
  return `rgb(${channels.join(',')})`;
}

/** At most five characters and a sign, for a cell. */
export function shortNumber(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 0.001 || magnitude >= 99999.5)) {
    return value.toExponential(0).replace('e+', 'e');
  }
  return value.toFixed(magnitude < 9.9995 ? 3 : magnitude < 999.95 ? 1 : 0);
}

/** Text of an element or an attribute; what XML does not allow at all, such as control characters, is left out. */
function escaped(text: string): string {
  return text
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
