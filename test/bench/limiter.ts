/**
 * The rate limiter by itself, beside golang.org/x/time/rate and npm's `limiter`, with 100,000 clients:
 * memory of each, CPU of a take. Each contender runs in a process of its own on the load's core; they
 * take turns, and medians count.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { run } from "../fakes/child.ts";
import { type Figure, figure, median } from "./figure.ts";

const GO = resolve(import.meta.dirname, "../../build/peers/bench-limiter");
const SCRIPT = resolve(import.meta.dirname, "limiter-run.ts");
const CORE = "1";

type Measure = "bytesPerClient" | "nsPerTake" | "nsPerRefusal";
type Measured = Readonly<Partial<Record<Measure, number>>>;

const PEERS = {
  go: "x/time/rate in a map",
  "npm-token-bucket": "npm limiter, TokenBucket in a Map",
  "npm-rate-limiter": "npm limiter, RateLimiter in a Map",
} as const;
const CONTENDERS = ["go", "kept", "hashed", "npm-token-bucket", "npm-rate-limiter", "admission"];

export async function limiter(_rig: unknown, quick: boolean): Promise<Figure[]> {
  if (!existsSync(GO)) throw new Error("bench-limiter is missing: run scripts/peers");
  const [takes, rounds, turns] = quick ? ["200000", "1", 1] : ["1000000", "3", 3];
  const results = new Map<string, Measured[]>(CONTENDERS.map((name) => [name, []]));
  for (let turn = 0; turn < turns; turn++) {
    for (const [name, measured] of results) {
      const { stdout, stderr } = await run(
        name === "go"
          ? ["taskset", "-c", CORE, GO, "--takes", takes, "--rounds", rounds]
          : ["taskset", "-c", CORE, process.execPath, "--expose-gc", SCRIPT, name, takes, rounds],
      );
      if (stdout === "") throw new Error(`${name} printed nothing: ${stderr}`);
      measured.push(JSON.parse(stdout) as Measured);
    }
  }
  const of = (name: string, measure: Measure): number =>
    median((results.get(name) ?? []).map((measured) => measured[measure] ?? Number.NaN));
  const beside = (title: string, ours: string, measure: Measure, peer: keyof typeof PEERS) =>
    figure(`limiter: ${title}`, of(ours, measure), measure === "bytesPerClient" ? "B" : "ns CPU", {
      name: PEERS[peer],
      value: of(peer, measure),
    });
  return [
    beside("memory of a client", "hashed", "bytesPerClient", "go"),
    beside("memory of a client", "hashed", "bytesPerClient", "npm-token-bucket"),
    beside("a take, hash kept", "kept", "nsPerTake", "go"),
    beside("a take, hash kept", "kept", "nsPerTake", "npm-token-bucket"),
    beside("a take, hash kept", "kept", "nsPerTake", "npm-rate-limiter"),
    beside("a take, name hashed each time", "hashed", "nsPerTake", "go"),
    beside("a refusal, hash kept", "kept", "nsPerRefusal", "go"),
    beside("a refusal, name hashed each time", "hashed", "nsPerRefusal", "go"),
    figure("limiter: whole admission of a call", of("admission", "nsPerTake"), "ns CPU"),
  ];
}
