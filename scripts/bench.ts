/**
 * `npm run bench`: measures the built program beside its peers and prints the figures.
 *
 *   npm run bench                          everything (ten minutes, more when the machine is busy)
 *   npm run bench -- --quick               fewer calls and rounds: does it run? no figures to quote
 *   npm run bench -- --only call-cost      one part; there are call-cost, lost-calls, tls-cost, footprint, limiter, access, certificates, queue
 *   npm run bench -- --only wire           the codecs alone, without sockets: prints its own tables
 *   npm run bench -- --json FILE           also writes [{name, value, unit, peer, ratio}]
 *   npm run bench -- --record              also rewrites the tables of docs/benchmarks.md
 *
 * Needs what `npm run build` and `scripts/peers` make. The server runs on core 0, the load on core 1.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { access } from "../test/bench/access.ts";
import { callCost } from "../test/bench/call-cost.ts";
import { certificates } from "../test/bench/certificates.ts";
import type { Figure } from "../test/bench/figure.ts";
import { footprint } from "../test/bench/footprint.ts";
import { limiter } from "../test/bench/limiter.ts";
import { lostCalls } from "../test/bench/lost-calls.ts";
import { queue } from "../test/bench/queue.ts";
import { Rig } from "../test/bench/rig.ts";
import { tlsCost } from "../test/bench/tls-cost.ts";

const PARTS: Readonly<Record<string, (rig: Rig, quick: boolean) => Promise<Figure[]>>> = {
  "call-cost": callCost,
  "lost-calls": lostCalls,
  "tls-cost": tlsCost,
  footprint,
  limiter,
  access,
  certificates,
  queue,
};
/** Not about the built program: run only when asked for, and not among the figures. */
const WIRE = { name: "wire", programs: ["test/bench/wire-mucp.ts", "test/bench/wire-codec.ts"] };
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
const known = [...Object.keys(PARTS), WIRE.name];
const unknown = chosen.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`no part ${unknown.join(", ")}; there are ${known.join(", ")}`);
  process.exit(2);
}
if (values.record && (values.quick || values.only !== undefined)) {
  console.error("--record takes a whole run: without --quick and --only");
  process.exit(2);
}

if (chosen.includes(WIRE.name)) {
  for (const program of WIRE.programs) {
    const { status } = spawnSync(process.execPath, [program], { stdio: "inherit" });
    if (status !== 0) process.exit(1);
  }
}
const load = (): string => (loadavg()[0] ?? 0).toFixed(1);
const loadBefore = load();
const figures: Figure[] = [];
if (chosen.some((name) => PARTS[name] !== undefined)) {
  await using rig = await Rig.make();
  for (const name of chosen) {
    const measured = (await PARTS[name]?.(rig, values.quick)) ?? [];
    figures.push(...measured);
    if (measured.length > 0) console.log(`\n${name}\n${table(measured)}`);
  }
}
if (values.json !== undefined) writeFileSync(values.json, `${asJson(figures)}\n`);
if (values.record) record();

/** The five members that are promised; the spread is for readers of the page. */
function asJson(rows: readonly Figure[]): string {
  return JSON.stringify(rows, ["name", "value", "unit", "peer", "ratio"], 2);
}

function table(rows: readonly Figure[]): string {
  const lines = rows.map(({ name, value, unit, peer, ratio, spread }) => {
    const ratioText = ratio === null ? "" : `**${ratio}**`;
    const spreadText = spread === undefined ? "" : `${spread[0]} to ${spread[1]}`;
    return `| ${ratioText} | ${spreadText} | ${name} | ${value} ${unit} | ${peer} |`;
  });
  const head = ["| ratio | of single rounds | figure | ours | against |", "|---|---|---|---|---|"];
  return [...head, ...lines].join("\n");
}

/** Replaces what stands between the markers; the prose around it is written by hand. */
function record(): void {
  const page = readFileSync(PAGE, "utf8");
  const cores = `${cpus()[0]?.model ?? arch()}, ${cpus().length} cores`;
  const machine = `${cores}, load ${loadBefore} at the start and ${load()} at the end`;
  const measured = `Measured on ${machine}, Node.js ${process.versions.node}.`;
  const block = `<!-- figures -->\n${measured}\n\n${table(figures)}\n<!-- /figures -->`;
  const updated = page.replace(/<!-- figures -->[\s\S]*<!-- \/figures -->/, block);
  if (updated === page && !page.includes(block))
    throw new Error(`${PAGE} lacks the figures markers`);
  writeFileSync(PAGE, updated);
}
