/**
 * Columns of text, aligned with spaces. Pure; widths count code points, which is right for what we
 * print (names, addresses, dates).
 */

/** Rows without a heading; the last column is never padded. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.slice(0, -1).entries()) {
      widths[at] = Math.max(widths[at] ?? 0, width(cell));
    }
  }
  return rows
    .map((row) =>
      row
        .map((cell, at) =>
          at === row.length - 1 ? cell : cell + " ".repeat((widths[at] ?? 0) - width(cell)),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** A table with a heading in capitals. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  return columns([heading.map((word) => word.toUpperCase()), ...rows]);
}

function width(text: string): number {
  // An escape sequence takes no place on the screen.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ESC begins the sequences that style.ts writes
  return [...text.replace(/\u001b\[\d+m/g, "")].length;
}
