import { nearest } from '../tensors/index.js';

/** What stands for the merged model and for the task in an evaluation command. */
const PLACEHOLDERS = ['checkpoint', 'task'] as const;

export type CommandValues = Readonly<Record<(typeof PLACEHOLDERS)[number], string>>;

/** A text for the shell, or arguments for no shell. */
export type CommandTemplate = string | readonly string[];

/** A process to start. */
export interface FilledCommand {
  /** with `shell`, a script */
  readonly program: string;
  readonly args: readonly string[];
  readonly shell: boolean;
  /** what the process finds in its environment beside this one's */
  readonly environment: Readonly<Record<string, string>>;
}

/** `${...}` is the shell's own. */
const BRACES = /(?<!\$)\{([A-Za-z_]\w*)\}/g;
const VARIABLES: Readonly<Record<string, string>> = {
  checkpoint: 'MERGEGUARD_CHECKPOINT',
  task: 'MERGEGUARD_TASK',
};

/** What is wrong with a template, a sentence each. */
export function templateProblems(template: CommandTemplate): string[] {
  const text = [template].flat().join(' ');
  const there = [...text.matchAll(BRACES)].map((match) => match[1] as string);
  const isPlaceholder = (name: string) => PLACEHOLDERS.some((each) => each === name);
  const slips = there.flatMap((name) => {
    const meant = isPlaceholder(name) ? null : nearest(name, PLACEHOLDERS);
    return meant === null ? [] : [{ name, meant }];
  });
  const missing = PLACEHOLDERS.filter(
    (name) => !there.includes(name) && !slips.some(({ meant }) => meant === name),
  );
  return [
    ...slips.map(
      ({ name, meant }) => `{${name}} is not known in the evaluation command; did you mean {${meant}}?`,
    ),
    ...missing.map(
      (name) => `the evaluation command has no {${name}}, so that it is the same for every ${name}`,
    ),
  ];
}

/** Of the text that the shell gets nothing comes from the values: they go through the environment, whatever they hold. */
export function fillTemplate(template: CommandTemplate, values: CommandValues): FilledCommand {
  if (typeof template !== 'string') {
    const filled = template.map((part) =>
      part.replace(BRACES, (whole, name: string) =>
        name in values ? values[name as keyof CommandValues] : whole,
      ),
    );
    const [program = '', ...args] = filled;
    return { program, args, shell: false, environment: {} };
  }
  const environment = Object.fromEntries(PLACEHOLDERS.map((name) => [VARIABLES[name], values[name]]));
  return { program: withVariables(template), args: [], shell: true, environment };
}

/** Placeholders replaced by variables, quoted for where they stand: between quotes of either kind or outside. */
function withVariables(script: string): string {
  let quote: '"' | "'" | null = null;
  let out = '';
  for (let at = 0; at < script.length; at++) {
    const char = script[at] as string;
    const placeholder = PLACEHOLDERS.find((name) => script.startsWith(`{${name}}`, at));
    if (placeholder !== undefined && script[at - 1] !== '$') {
      const variable = `\${${VARIABLES[placeholder]}}`;
      out += quote === '"' ? variable : quote === "'" ? `'"${variable}"'` : `"${variable}"`;
      at += placeholder.length + 1;
    } else if (char === '\\' && quote !== "'") {
      out += script.slice(at, at + 2);
      at += 1;
    } else {
      if (char === quote) {
        quote = null;
      } else if (quote === null && (char === '"' || char === "'")) {
        quote = char;
      }
      out += char;
    }
  }
  return out;
}
