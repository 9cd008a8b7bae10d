/** Small helpers around the DOM. Text goes in by textContent only: names and messages come over the wire. */

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) {
    throw new Error(`the page has no element "${id}"`);
  }
  return element;
}

/**
 * A new element; strings among the children become text.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {{ class?: string, title?: string, scope?: string }} attributes
 * @param {...(string | Node)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Sets text only where it differs, so that screen readers and selections are left alone. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** A name that may break after its underscores. @param {string} name */
export function breakable(name) {
  const parts = name.split(/(?<=_)/);
  return parts.flatMap((part, index) => (index === 0 ? [part] : [document.createElement('wbr'), part]));
}

/**
 * A table with a heading row and column, made anew only when the names change; gives its cells as [row][column].
 * @param {HTMLElement} table
 * @param {string} corner
 * @param {string[]} rows
 * @param {string[]} columns
 * @returns {{ cells: HTMLTableCellElement[][], fresh: boolean }}
 */
export function grid(table, corner, rows, columns) {
  const key = JSON.stringify([corner, rows, columns]);
  const fresh = table.dataset.key !== key;
  if (fresh) {
    table.dataset.key = key;
    const heading = make(
      'tr',
      {},
      ...[corner, ...columns].map((name) => make('th', { scope: 'col' }, ...breakable(name))),
    );
    const lines = rows.map((name) => {
      const cells = columns.map(() => make('td'));
      return make('tr', {}, make('th', { scope: 'row' }, ...breakable(name)), ...cells);
    });
    table.replaceChildren(make('thead', {}, heading), make('tbody', {}, ...lines));
  }
  const lines = /** @type {HTMLTableElement} */ (table).tBodies[0]?.rows ?? [];
  return { cells: [...lines].map((line) => [...line.querySelectorAll('td')]), fresh };
}
