/**
 * Colours for the few words that deserve one, where a terminal wants them.
 */
import type { Output } from "../terminal.ts";

const COLOURS = { green: 32, yellow: 33, red: 31, dim: 2 } as const;

export function paint(output: Output, colour: keyof typeof COLOURS, text: string): string {
  return output.colour ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text;
}
