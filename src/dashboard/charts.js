// @ts-expect-error: served by the guard's server, not found beside this file
import uPlot from '/vendor/uPlot.js';
import { lookOf, swatch } from './colours.js';
import { make, setText } from './dom.js';
import { percent } from './format.js';
import { keyOf } from './state.js';

/** @import { Point } from './state.js' */

const HEIGHT = 210;
/** a chart never shows less than ten points of accuracy, so that noise does not look like a landslide */
const LEAST_SPAN = 0.1;

/**
 * One chart per merge method, all on the same scale: a line per reference with its interval as a band.
 * @param {HTMLElement} container
 */
export function createCharts(container) {
  /** @type {{ key: string, charts: ReturnType<typeof createChart>[] }} */
  let drawn = { key: '', charts: [] };
  /** @type {[number, number]} */
  let range = [0, 1];

  /** @param {{ methods: string[], references: string[], points: Point[], raw: boolean }} view */
  const update = (view) => {
    const key = JSON.stringify([view.methods, view.references]);
    if (drawn.key !== key) {
      clear();
      const charts = view.methods.map((method) =>
        createChart(container, method, view.references, () => range),
      );
      drawn = { key, charts };
    }
    range = rangeOf(view.points, view.raw);
    for (const chart of drawn.charts) {
      chart.update(view.points, view.raw);
    }
  };

  /** Takes all charts away; the next update makes them anew, with the colours of that moment. */
  const clear = () => {
    for (const chart of drawn.charts) {
      chart.destroy();
    }
    drawn = { key: '', charts: [] };
  };

  return { update, clear };
}

/**
 * @param {HTMLElement} container
 * @param {string} method
 * @param {string[]} references
 * @param {() => [number, number]} range of the accuracy axis
 */
function createChart(container, method, references, range) {
  const values = references.map(() => make('span', { class: 'number' }));
  const names = references.map((name, r) =>
    make('li', {}, swatch(r), make('span', { class: 'name' }, name), values[r] ?? ''),
  );
  const at = make('span', { class: 'note' });
  const canvas = make('div', { class: 'plot' });
  canvas.setAttribute('role', 'img');
  const heading = make('h3', {}, method, ' ', at);
  const figure = make('figure', {}, heading, canvas, make('ul', { class: 'legend' }, ...names));
  container.append(figure);

  /** @type {(number | null)[][]} */
  let data = [[]];
  const readOut = () => {
    const last = (data[0]?.length ?? 0) - 1;
    const index = plot.cursor.idx ?? last;
    setText(at, index < 0 ? '' : `step ${data[0]?.[index]}`);
    for (const [r, value] of values.entries()) {
      setText(value, percent(data[3 * r + 1]?.[index]));
    }
  };
  const plot = new uPlot(optionsOf(references, range, canvas.clientWidth, readOut), data, canvas);
  const observer = new ResizeObserver(() => plot.setSize({ width: canvas.clientWidth, height: HEIGHT }));
  observer.observe(canvas);

  return {
    /** @param {Point[]} points @param {boolean} raw */
    update(points, raw) {
      data = columnsOf(points, method, references, raw);
      plot.setData(data);
      readOut();
      const said = references.map((name, r) => `${name} ${values[r]?.textContent}`).join(', ');
      canvas.setAttribute(
        'aria-label',
        `${method}, predicted accuracy over steps; ${at.textContent}: ${said}`,
      );
    },
    destroy() {
      observer.disconnect();
      plot.destroy();
      figure.remove();
    },
  };
}

/**
 * Steps, then value, low and high of every reference.
 * @param {Point[]} points
 * @param {string} method
 * @param {string[]} references
 * @param {boolean} raw
 */
function columnsOf(points, method, references, raw) {
  /** @type {(number | null)[][]} */
  const columns = [points.map((point) => point.step)];
  for (const reference of references) {
    const key = keyOf(method, reference);
    const shown = points.map((point) => point.scores.get(key)?.[raw ? 'raw' : 'normalised']);
    columns.push(shown.map((one) => one?.value ?? null));
    columns.push(shown.map((one) => one?.low ?? null));
    columns.push(shown.map((one) => one?.high ?? null));
  }
  return columns;
}

/**
 * @param {Point[]} points
 * @param {boolean} raw
 * @returns {[number, number]}
 */
function rangeOf(points, raw) {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const point of points) {
    for (const score of point.scores.values()) {
      const { value, low: below, high: above } = raw ? score.raw : score.normalised;
      if (value !== null) {
        low = Math.min(low, below ?? value);
        high = Math.max(high, above ?? value);
      }
    }
  }
  if (low > high) {
    return [0, 1];
  }
  const missing = Math.max(0, LEAST_SPAN - (high - low)) / 2;
  return [low - missing - 0.01, high + missing + 0.01];
}

/**
 * @param {string[]} references
 * @param {() => [number, number]} range
 * @param {number} width
 * @param {() => void} readOut
 */
function optionsOf(references, range, width, readOut) {
  const style = getComputedStyle(document.documentElement);
  const stroke = style.getPropertyValue('--muted').trim();
  const line = { stroke: style.getPropertyValue('--line').trim(), width: 1 };
  const axis = { stroke, grid: line, ticks: line, font: '12px system-ui' };
  /** @type {object[]} */
  const series = [{}];
  const bands = [];
  for (const r of references.keys()) {
    const { colour, band, dash } = lookOf(r);
    const edge = { stroke: 'transparent', width: 0, points: { show: false } };
    series.push({ stroke: colour, width: 2, dash, points: { size: 5, fill: colour } }, edge, edge);
    bands.push({ series: [3 * r + 3, 3 * r + 2], fill: band });
  }
  const percents = (/** @type {unknown} */ _, /** @type {number[]} */ splits) =>
    splits.map((v) => `${Math.round(100 * v)} %`);
  return {
    width,
    height: HEIGHT,
    series,
    bands,
    scales: { x: { time: false }, y: { range } },
    axes: [
      { ...axis, size: 30 },
      { ...axis, size: 52, values: percents },
    ],
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: 'steps' }, points: { size: 6 } },
    legend: { show: false },
    hooks: { setCursor: [readOut] },
  };
}
