/**
 * `npm run bench`: measures the built program beside its peers and prints the figures.
 *
 *   npm run bench                          everything (about fifteen minutes)
 *   npm run bench -- --quick               fewer calls and rounds: does it run? no figures to quote
 *   npm run bench -- --only call-cost      one part
 *   npm run bench -- --json FILE           also writes [{name, value, unit, peer, ratio}]
 *   npm run bench -- --record              also rewrites the tables of docs/benchmarks.md
 *
 * Needs what `npm run build` and `scripts/peers` make. The server runs on core 0, the load on core 1.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { callCost } from "../test/bench/call-cost.ts";
import type { Figure } from "../test/bench/figure.ts";
import { footprint } from "../test/bench/footprint.ts";
import { lostCalls } from "../test/bench/lost-calls.ts";
import { Rig } from "../test/bench/rig.ts";
import { tlsCost } from "../test/bench/tls-cost.ts";

const PARTS: Readonly<Record<string, (rig: Rig, quick: boolean) => Promise<Figure[]>>> = {
  "call-cost": callCost,
  "lost-calls": lostCalls,
  "tls-cost": tlsCost,
  footprint,
};
const PAGE = "docs/benchmarks.md";

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    only: { type: "string", multiple: true },
    quick: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
  },
});
const chosen = values.only ?? Object.keys(PARTS);
const unknown = chosen.filter((name) => PARTS[name] === undefined);
if (unknown.length > 0) {
  console.error(`no part ${unknown.join(", ")}; there are ${Object.keys(PARTS).join(", ")}`);
  process.exit(2);
}

const machine = `${cpus()[0]?.model ?? arch()}, ${cpus().length} cores, load ${(loadavg()[0] ?? 0).toFixed(1)} at the start`;
const figures: Figure[] = [];
{
  await using rig = await Rig.make();
  for (const name of chosen) {
    const measured = (await PARTS[name]?.(rig, values.quick)) ?? [];
    figures.push(...measured);
    console.log(`\n${name}\n${table(measured)}`);
  }
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
if (values.record) record();

function table(rows: readonly Figure[]): string {
  const lines = rows.map(({ name, value, unit, peer, ratio }) =>
    ratio === null
      ? `| | ${name} | ${value} ${unit} | |`
      : `| **${ratio}** | ${name} | ${value} ${unit} | ${peer} |`,
  );
  return ["| ratio | figure | ours | against |", "|---|---|---|---|", ...lines].join("\n");
}

/** Replaces what stands between the markers; the prose around it is written by hand. */
function record(): void {
  const page = readFileSync(PAGE, "utf8");
  const block = `<!-- figures -->\nMeasured on ${machine}, Node.js ${process.versions.node}.\n\n${table(figures)}\n<!-- /figures -->`;
  const updated = page.replace(/<!-- figures -->[\s\S]*<!-- \/figures -->/, block);
  if (updated === page && !page.includes(block))
    throw new Error(`${PAGE} lacks the figures markers`);
  writeFileSync(PAGE, updated);
}
