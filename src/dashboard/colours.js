/** Each reference has a colour and a dash pattern, so that lines can be told apart without colour. */

const DASHES = [[], [9, 4], [2, 3], [10, 3, 2, 3]];
const COLOURS = 6;

/** @param {number} index of the reference */
export function lookOf(index) {
  const style = getComputedStyle(document.documentElement);
  const colour = style.getPropertyValue(`--line-${index % COLOURS}`).trim();
  return { colour, band: `${colour}1c`, dash: DASHES[index % DASHES.length] ?? [] };
}

/** A short piece of the line, for a legend. @param {number} index */
export function swatch(index) {
  const { colour, dash } = lookOf(index);
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('viewBox', '0 0 24 8');
  svg.setAttribute('class', 'swatch');
  svg.setAttribute('aria-hidden', 'true');
  const line = document.createElementNS(space, 'line');
  const look = { x1: '0', y1: '4', x2: '24', y2: '4', stroke: colour, 'stroke-width': '2.5' };
  for (const [name, value] of Object.entries({ ...look, 'stroke-dasharray': dash.join(' ') })) {
    line.setAttribute(name, value);
  }
  svg.append(line);
  return svg;
}
