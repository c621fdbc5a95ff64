import type { CommandUnknownOpts, Option } from '@commander-js/extra-typings';

/** What may follow a command: `onetake`, `onetake keys`, `onetake keys create`. */
interface Node {
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly Choosable[];
  /** The values of its arguments, where only some are possible. */
  readonly values: readonly string[];
}

/** An option with its possible values, where only some are possible or likely. */
interface Choosable extends Pick<Option, 'required' | 'optional' | 'description'> {
  readonly short: string | undefined;
  readonly long: string | undefined;
  readonly choices?: readonly string[] | undefined;
}

const SCRIPTS = { bash, zsh, fish } as const;
export type Shell = keyof typeof SCRIPTS;
export const SHELLS = Object.keys(SCRIPTS) as readonly Shell[];

/**
 * A script that completes commands, options and their values, made from what is declared, and the ids of `models`. The shell asks nobody at
 * each press of the key: starting a process would take longer than typing the word.
 */
export const completionScript = (
  program: CommandUnknownOpts,
  shell: Shell,
  models: readonly string[],
): string => SCRIPTS[shell](nodesOf(program, models));

function nodesOf(command: CommandUnknownOpts, models: readonly string[], before = ''): Node[] {
  const path = `${before} ${command.name()}`.trim();
  const help = command.createHelp();
  const inner = help.visibleCommands(command);
  return [
    {
      path,
      commands: inner.map((one) => ({ name: one.name(), description: help.subcommandDescription(one) })),
      options: help.visibleOptions(command).map((option) => {
        const { short, long, required, optional, description, argChoices } = option;
        const choices = argChoices ?? (long === '--model' ? models : undefined);
        return { short, long, required, optional, description, choices };
      }),
      values: command.registeredArguments.flatMap((argument) =>
        argument.name() === 'model' ? models : (argument.argChoices ?? []),
      ),
    },
    ...inner.flatMap((one) => nodesOf(one, models, path)),
  ];
}

const flagsOf = ({ short, long }: Choosable): string[] => [short, long].filter((flag) => flag !== undefined);
const takesValue = (option: Choosable): boolean => option.required || option.optional;

function bash(nodes: readonly Node[]): string {
  const words = ({ path, commands, options, values }: Node) =>
    `    '${path}') words='${[...commands.map(({ name }) => name), ...values, ...options.flatMap(flagsOf)].join(' ')}' ;;`;
  const valued = nodes.flatMap(({ path, options }) =>
    options.filter(takesValue).flatMap((option) => {
      const patterns = flagsOf(option).map((flag) => `'${path} ${flag}'`);
      return `    ${patterns.join('|')}) words='${(option.choices ?? []).join(' ')}' ;;`;
    }),
  );
  return `# Completion of onetake for bash. Where no word fits, files are completed.
_onetake() {
  local path=onetake words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path \${COMP_WORDS[i]}" in
    ${nodes.map(({ path }) => `'${path}'`).join('|')}) path="$path \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$path" in
${nodes.map(words).join('\n')}
  esac
  case "$path \${COMP_WORDS[COMP_CWORD-1]}" in
${valued.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _onetake onetake
`;
}

/** zsh runs completions of bash. */
function zsh(nodes: readonly Node[]): string {
  return `autoload -U +X compinit && compinit
autoload -U +X bashcompinit && bashcompinit
${bash(nodes)}`;
}

function fish(nodes: readonly Node[]): string {
  const lines = nodes.flatMap(({ path, commands, options, values }) => {
    const at = `complete -c onetake -n ${inFish(`__onetake_at ${inFish(path)}`)}`;
    return [
      ...commands.map(({ name, description }) => `${at} -f -a ${name} -d ${inFish(description)}`),
      ...(values.length > 0 ? [`${at} -f -a ${inFish(values.join(' '))}`] : []),
      ...options.map((option) => {
        const short = option.short === undefined ? '' : ` -s ${option.short.slice(1)}`;
        const long = option.long === undefined ? '' : ` -l ${option.long.slice(2)}`;
        const choices = option.choices ? ` -x -a ${inFish(option.choices.join(' '))}` : ' -r';
        return `${at}${short}${long}${takesValue(option) ? choices : ''} -d ${inFish(option.description)}`;
      }),
    ];
  });
  return `# Completion of onetake for fish.
function __onetake_at --argument-names wanted
  set -l path onetake
  for word in (commandline -opc)[2..]
    contains -- "$path $word" ${nodes.map(({ path }) => inFish(path)).join(' ')}; and set path "$path $word"
  end
  test "$path" = "$wanted"
end
${lines.join('\n')}
`;
}

const inFish = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
