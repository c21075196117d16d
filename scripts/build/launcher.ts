/**
 * The launcher of the bundle: `dist/microedge`, a POSIX shell script that starts `microedge.cjs`
 * with the memory settings that the single executables and the systemd unit have.
 */
import { EXIT } from "../../src/cli/exit-codes.ts";
import { V8_FLAGS } from "./single-executable.ts";

/**
 * glibc and libuv settings; they must be in the environment before the process starts. One malloc
 * arena and an early trim keep freed memory from staying mapped. Four pool threads: name look-ups
 * that hang take two at most, a card that is slow to sync takes one, and one is left for files.
 */
export const MEMORY_ENVIRONMENT = {
  MALLOC_ARENA_MAX: "1",
  MALLOC_TRIM_THRESHOLD_: "65536",
  UV_THREADPOOL_SIZE: "4",
} as const;

export function launcher(): string {
  const exports = Object.entries(MEMORY_ENVIRONMENT).map(
    ([name, value]) => `export ${name}="\${${name}:-${value}}"`,
  );
  return `#!/bin/sh
# Starts microedge.cjs, which lies beside this file, with the memory settings of a small device.
# Node.js 24 or later: $MICROEDGE_NODE, else \`node\` beside this file, else the checkout's own, else
# the one on the PATH.
set -eu
here=$(dirname -- "$(readlink -f -- "$0")")
case "$(uname -m)" in aarch64) cpu=arm64 ;; *) cpu=x64 ;; esac
node="\${MICROEDGE_NODE:-}"
ours=
for candidate in "$here/node" "$here/../node_modules/node-linux-$cpu/bin/node"; do
  if [ -z "$node" ] && [ -f "$candidate" ] && [ -x "$candidate" ]; then node=$candidate ours=yes; fi
done
if [ -z "$node" ]; then
  node=$(command -v node) || { echo "microedge: no Node.js found; set MICROEDGE_NODE" >&2; exit ${EXIT.runtime}; }
fi
if [ -z "$ours" ]; then
  major=$("$node" -p 'process.versions.node.split(".")[0]' 2>/dev/null) || major=
  case "$major" in "" | *[!0-9]*)
    echo "microedge: $node is not a Node.js that runs here; set MICROEDGE_NODE" >&2
    exit ${EXIT.runtime} ;;
  esac
  if [ "$major" -lt 24 ]; then
    echo "microedge: $node is Node.js $major; microedge needs 24 or later; set MICROEDGE_NODE" >&2
    exit ${EXIT.runtime}
  fi
fi
${exports.join("\n")}
exec "$node" ${V8_FLAGS.join(" ")} "$here/microedge.cjs" "$@"
`;
}
