/** A message of several lines, as of a list of problems, as one sentence: it goes into notes and tables. */
export function oneLine(message: string): string {
  const [first = '', ...others] = message.split('\n').map((line) => line.trim().replace(/^- /, ''));
  const rest = others.filter((line) => line !== '').join('; ');
  return rest === '' ? first : `${first}${first.endsWith(':') ? '' : ':'} ${rest}`;
}
