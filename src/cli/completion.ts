/**
 * Completion scripts for shells, made from the command table. Pure.
 */
import type { Command } from "./command.ts";
import { GLOBAL_OPTIONS } from "./command.ts";

/** For bash 4 and newer: `source <(microedge completion bash)`. */
export function bashCompletion(commands: readonly Command[]): string {
  const cases = familiesOf(commands).map(
    ([first, verbs]) => `    ${first}) words="${verbs.join(" ")}" ;;`,
  );
  const options = commands.map(
    (command) => `    "${command.name}") words="${optionsOf(command).join(" ")}" ;;`,
  );
  return `# bash completion of microedge: source <(microedge completion bash)
_microedge() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  COMPREPLY=()
  case "$previous" in
    --config|--dir) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  local first="\${COMP_WORDS[1]}" name="\${COMP_WORDS[1]}"
  case "$first" in
${familiesOf(commands)
  .map(([family]) => `    ${family}) name="$first \${COMP_WORDS[2]}" ;;`)
  .join("\n")}
  esac
  if [[ "$current" == -* ]]; then
    case "$name" in
${options.join("\n")}
    esac
  elif [[ $COMP_CWORD -eq 1 ]]; then
    words="${firstWords(commands).join(" ")}"
  elif [[ $COMP_CWORD -eq 2 ]]; then
    case "$first" in
${cases.join("\n")}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _microedge microedge
`;
}

/** For zsh, by its bash compatibility: `source <(microedge completion zsh)`. */
export function zshCompletion(commands: readonly Command[]): string {
  return `# zsh completion of microedge: source <(microedge completion zsh)
autoload -U +X bashcompinit && bashcompinit
${bashCompletion(commands)}`;
}

function firstWords(commands: readonly Command[]): string[] {
  return [...new Set(commands.map(({ name }) => name.split(" ")[0] ?? ""))];
}

function familiesOf(commands: readonly Command[]): (readonly [string, readonly string[]])[] {
  return firstWords(commands).flatMap((first) => {
    const verbs = commands.flatMap(({ name }) => {
      const [family, verb] = name.split(" ");
      return family === first && verb !== undefined ? [verb] : [];
    });
    return verbs.length === 0 ? [] : [[first, verbs] as const];
  });
}

function optionsOf(command: Command): string[] {
  return Object.keys({ ...command.options, ...GLOBAL_OPTIONS }).map((name) => `--${name}`);
}
