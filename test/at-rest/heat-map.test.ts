import { describe, expect, it } from 'vitest';
import { heatMap, type MatrixReport, shortNumber } from '../../src/at-rest/index.js';
import { metric } from '../../src/metrics/index.js';

const SHOWN = metric('task_vector_cosine_similarity');

/** A report of pairs with one metric each. */
function report(...pairs: [a: string, b: string, value: number | null][]): MatrixReport {
  return {
    pairs: pairs.map(([a, b, value]) => ({ a, b, metrics: { [SHOWN.name]: value }, reasons: {} })),
    coverage: { matched: 1, total: 1, parameters: 1, excluded: [] },
    findings: [],
    notes: [],
  };
}

const TAG = /^<(\/?)([a-z]+)((?: [a-zA-Z:-]+="[^"<>]*")*)(\/?)>/;
const TEXT = /^(?:[^<>&]|&(?:amp|lt|gt|quot);)+/;
/** What XML 1.0 does not allow at all. */
const FORBIDDEN = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u;

/** Fails unless a picture is well-formed XML as far as it uses XML: elements, attributes, text. */
function expectWellFormed(svg: string): void {
  expect(svg).not.toMatch(FORBIDDEN);
  const open: string[] = [];
  let rest = svg.trim();
  while (rest !== '') {
    const tag = TAG.exec(rest);
    const found = tag ?? TEXT.exec(rest);
    expect(found, rest.slice(0, 80)).not.toBeNull();
    if (tag !== null) {
      const [, closing, name, attributes, empty] = tag as unknown as [string, string, string, string, string];
      for (const [, value] of attributes.matchAll(/="([^"]*)"/g)) {
        expect(value === '' || TEXT.exec(value!)?.[0] === value, value).toBe(true);
      }
      if (closing !== '') {
        expect(open.pop()).toBe(name);
      } else if (empty === '') {
        open.push(name);
      }
    }
    rest = rest.slice(found![0].length);
    expect(open.length > 0 || rest === '', 'one root').toBe(true);
  }
}

const titles = (svg: string) => [...svg.matchAll(/<title>(.*?)<\/title>/g)].map(([, text]) => text);
const fills = (svg: string) => [...svg.matchAll(/fill="(\S+?)"><title>/g)].map(([, fill]) => fill);

describe('a heat map', () => {
  it('has every pair with its value, on both sides of the diagonal, darker for higher values', () => {
    const svg = heatMap(report(['a', 'b', 0.25], ['a', 'c', -1], ['b', 'c', 1]), SHOWN);
    expectWellFormed(svg);
    const pairs = ['a and b: 0.25', 'a and c: -1', 'b and c: 1'];
    expect(titles(svg)).toEqual(pairs.flatMap((pair) => [pair, pair]));
    const [, , low, , high] = fills(svg);
    expect([low, high]).toEqual(['rgb(247,251,255)', 'rgb(8,64,129)']);
    for (const cell of ['>0.250</text>', '>-1.000</text>', '>1.000</text>']) {
      expect(svg.split(cell)).toHaveLength(3);
    }
    expect(svg).toContain(`>${SHOWN.name}</text>`);
    expect(svg).toContain(`>${SHOWN.meaning}</text>`);
  });

  it('is well-formed whatever the models are called', () => {
    const names = [
      '<script>&"\'</script>',
      'bell\u0007 \u001b[31mred',
      'half\ud800 \ufffe',
      'ναι 模型 🙂',
      '',
    ];
    const pairs = names.slice(1).map((name): [string, string, number] => [names[0]!, name, 0.5]);
    const svg = heatMap(report(...pairs), SHOWN);
    expectWellFormed(svg);
    expect(svg).toContain("&lt;script&gt;&amp;&quot;'&lt;/script&gt;");
    expect(svg).toContain('bell [31mred');
    expect(svg).toContain('ναι 模型 🙂');
  });

  it('shows what could not be computed as such, also where it is all there is', () => {
    const svg = heatMap(report(['a', 'b', null], ['a', 'c', 2], ['b', 'c', 3]), SHOWN);
    expectWellFormed(svg);
    expect(titles(svg)[0]).toBe('a and b: not computed');
    expect(fills(svg)[0]).toBe('#e0e0e0');
    expect(svg.split('>–</text>')).toHaveLength(3);
    const nothing = heatMap(report(['a', 'b', null]), SHOWN);
    expectWellFormed(nothing);
    expect(`${svg}${nothing}`).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('has one colour for one value', () => {
    const svg = heatMap(report(['a', 'b', 0.3], ['a', 'c', 0.3], ['b', 'c', 0.3]), SHOWN);
    expectWellFormed(svg);
    expect(new Set(fills(svg)).size).toBe(1);
    expect(svg).not.toMatch(/NaN|Infinity/);
  });
});

describe('a number in a cell', () => {
  it.each([
    [0, '0.000'],
    [0.12345, '0.123'],
    [-0.12345, '-0.123'],
    [0.00012, '1e-4'],
    [-0.00012, '-1e-4'],
    [9.99949, '9.999'],
    [9.9996, '10.0'],
    [999.94, '999.9'],
    [999.96, '1000'],
    [99999.4, '99999'],
    [99999.6, '1e5'],
    [-123456, '-1e5'],
  ])('%d is %s', (value, text) => {
    expect(shortNumber(value)).toBe(text);
    expect(text.replace('-', '').length).toBeLessThanOrEqual(5);
  });
});
