/** Numbers as people read them. Absent numbers are a dash. @import { Shown } from './state.js' */

export const DASH = '–';

/** A fraction as per cent: 0.9213 is "92.1 %". @param {number | null | undefined} value */
export function percent(value, digits = 1) {
  return value === null || value === undefined ? DASH : `${(100 * value).toFixed(digits)} %`;
}

/** "± 3.0", or "+2.0 −3.1" where the interval is lopsided; in points. @param {Shown} shown */
export function interval({ value, low, high }) {
  if (value === null || low === null || high === null) {
    return '';
  }
  const below = (100 * (value - low)).toFixed(1);
  const above = (100 * (high - value)).toFixed(1);
  return below === above ? `± ${below}` : `+${above} −${below}`;
}

/** Four significant digits, short. @param {number | null | undefined} value */
export function short(value) {
  if (value === null || value === undefined) {
    return DASH;
  }
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6)
    ? value.toExponential(2)
    : String(Number(value.toPrecision(4)));
}

/** "+1.2" or "−0.4". @param {number} value */
export function signed(value) {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(1)}`;
}

/** The clock time of an ISO date, in the reader's zone. @param {string} iso */
export function clock(iso) {
  const date = new Date(iso);
  return Number.isNaN(date.getTime()) ? iso : date.toLocaleTimeString();
}

/** "1 step", "2 steps". @param {number} number @param {string} noun */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
