/**
 * Where each key stands in a TOML text that has already parsed, so that a problem can name its line.
 * The parser gives positions for syntax errors only. What this scan does not understand (a key
 * inside an inline table) simply has no line.
 */

/**
 * Lines (1 is the first) by dotted name: `rpc`, `rpc.listen`, and for the second `[[handlers]]`
 * `handlers[1]` and `handlers[1].module`.
 */
export function keyLines(toml: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  const counts = new Map<string, number>();
  let table = "";
  let inside: '"""' | "'''" | undefined;
  for (const [index, line] of toml.split("\n").entries()) {
    const start = inside;
    inside = multilineAfter(line, start);
    if (start !== undefined) continue;
    const header = /^\s*(\[\[?)\s*([^\]]+?)\s*\]/.exec(line);
    const key = /^\s*([A-Za-z0-9_"'-]+(?:\s*\.\s*[A-Za-z0-9_"'-]+)*)\s*=/.exec(line)?.[1];
    if (header !== null) {
      table = dotted(header[2] ?? "");
      if (header[1] === "[[") {
        const seen = counts.get(table) ?? 0;
        counts.set(table, seen + 1);
        table = `${table}[${seen}]`;
      }
      add(lines, table, index + 1);
    } else if (key !== undefined) {
      add(lines, table === "" ? dotted(key) : `${table}.${dotted(key)}`, index + 1);
    }
  }
  return lines;
}

function add(lines: Map<string, number>, name: string, line: number): void {
  if (!lines.has(name)) lines.set(name, line);
}

function dotted(key: string): string {
  return key.replace(/["'\s]/g, "");
}

/** The multi-line string that is open at the end of `line`. */
function multilineAfter(line: string, open: '"""' | "'''" | undefined): '"""' | "'''" | undefined {
  let state = open;
  for (const [mark] of line.matchAll(/"""|'''/g)) {
    if (state === undefined) state = mark === '"""' ? '"""' : "'''";
    else if (state === mark) state = undefined;
  }
  return state;
}
