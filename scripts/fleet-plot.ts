/**
 * Draws docs/fleet-return.svg: the load on an authority that was away for a day, of a fleet of 1,000
 * simulated devices. `./scripts/node scripts/fleet-plot.ts`
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BIN_MINUTES, fleetReturns } from "../test/fakes/sim-fleet.ts";

const DEVICES = 1000;
const DAY_MS = 86_400_000;
const SEED = 1;
/** Of the picture, and of its plot within. */
const [WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM] = [900, 360, 60, 30, 20, 50] as const;
const BEFORE_MINUTES = 60;
const AFTER_MINUTES = 60;

const report = await fleetReturns(DEVICES, DAY_MS, SEED);
const { perMinute, returnMinute, averagePerMinute, peakPerMinute, recoveryMinutes } = report;
const from = returnMinute - BEFORE_MINUTES;
const shown = perMinute.slice(from, returnMinute + AFTER_MINUTES);
const most = Math.ceil((Math.max(...shown, 3 * averagePerMinute) + 5) / 20) * 20;
const x = (minute: number): number =>
  LEFT + ((minute - from) / (BEFORE_MINUTES + AFTER_MINUTES)) * (WIDTH - LEFT - RIGHT);
const y = (load: number): number => HEIGHT - BOTTOM - (load / most) * (HEIGHT - TOP - BOTTOM);
const barWidth = x(from + 1) - x(from) - 1;

const text = (at: readonly [number, number], words: string, more = ""): string =>
  `<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" ${more}>${words}</text>`;
const line = (load: number, words: string, colour: string): string =>
  `<line x1="${x(returnMinute).toFixed(1)}" x2="${WIDTH - RIGHT}" y1="${y(load).toFixed(1)}" y2="${y(load).toFixed(1)}" stroke="${colour}" stroke-dasharray="4 3"/>` +
  text([WIDTH - RIGHT, y(load) - 4], words, `text-anchor="end" fill="${colour}"`);
const bars = shown.map((load, index) => {
  const minute = from + index;
  const colour = minute < returnMinute ? "#b3b3b3" : "#2b6cb0";
  const height = (HEIGHT - BOTTOM - y(load)).toFixed(1);
  return `<rect x="${x(minute).toFixed(1)}" y="${y(load).toFixed(1)}" width="${barWidth.toFixed(1)}" height="${height}" fill="${colour}"/>`;
});
const ticks = [-60, -30, 0, 10, 20, 30, 60].map((offset) =>
  text([x(returnMinute + offset), HEIGHT - BOTTOM + 18], String(offset), 'text-anchor="middle"'),
);
const levels = Array.from({ length: most / 20 + 1 }, (_, index) =>
  text([LEFT - 8, y(index * 20) + 4], String(index * 20), 'text-anchor="end"'),
);
const svg = [
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
  "<title>Requests a minute of 1000 devices whose authority was away for a day</title>",
  `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
  text([LEFT, 18], `${DEVICES} devices whose authority was away for a day: requests a minute`),
  ...bars,
  line(averagePerMinute, `average of the recovery, ${averagePerMinute.toFixed(0)}`, "#2f855a"),
  line(3 * averagePerMinute, "three times the average", "#c53030"),
  `<line x1="${x(returnMinute).toFixed(1)}" x2="${x(returnMinute).toFixed(1)}" y1="${TOP}" y2="${HEIGHT - BOTTOM}" stroke="black"/>`,
  ...ticks,
  ...levels,
  text([WIDTH / 2, HEIGHT - 10], "minutes from its return", 'text-anchor="middle"'),
  "</svg>\n",
].join("\n");
await writeFile(join(import.meta.dirname, "../docs/fleet-return.svg"), svg);
process.stdout.write(
  `all ${report.waiting} back after ${recoveryMinutes} minutes, with ${report.certificates} certificates; peak ${peakPerMinute} a minute over ${BIN_MINUTES} minutes, ` +
    `${Math.max(...perMinute.slice(returnMinute))} in one; average ${averagePerMinute.toFixed(1)}\n`,
);
