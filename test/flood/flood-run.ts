/**
 * One run: the built single executable, cold, with or without a memory limit, under `bench-flood`.
 */
import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { MEMORY_ENVIRONMENT } from "../../scripts/build/launcher.ts";
import { type AgentProcess, startAgent } from "../fakes/agent-process.ts";
import { testPki } from "../fakes/certificates.ts";
import { Child } from "../fakes/child.ts";
import { makeSite, type Site } from "../fakes/site.ts";
import type { ColdDisk } from "./cold-disk.ts";
import { majorFaults, makeMemoryGroup, waitedForCpuMs } from "./memory-group.ts";

const GENERATOR = resolve(import.meta.dirname, "../../build/peers/bench-flood");
const MIB = 1024 * 1024;
const SAMPLE_MS = 250;
const IDENTITIES = 8;
const IDLE_TIMEOUT_MS = 3_600_000;
/** Milliseconds between two calls of the peer that behaves: its 99th percentile needs many. */
const BEHAVED_EVERY_MS = 10;
/** What the MQTT client will take that is yet to come; touched, so that it counts. */
const BALLAST_BYTES = 11 * MIB;
const BALLAST = `const ballast = Buffer.alloc(${BALLAST_BYTES}, 1);
export function register({ unary, schema: s }) {
  const response = s.object({ bytes: s.number() });
  const handle = () => ({ bytes: ballast.length });
  unary("Ballast.Size", { kind: "read", request: s.object({}), response, handle });
}
`;

export interface FloodOptions {
  readonly disk: ColdDisk;
  /** `undefined`: no limit, for comparison. */
  readonly limitMib: number | undefined;
  readonly held: number;
  readonly seconds: number;
  /** Whether {@link BALLAST_BYTES} stand in for the MQTT client. */
  readonly ballast: boolean;
  /** More TOML for `[limits]`. */
  readonly limits: string;
  /** More flags for the generator. */
  readonly flags?: readonly string[];
}

export interface FloodResult {
  readonly held: number;
  readonly heldAnswered: number;
  readonly behaved: { readonly answered: number; readonly p50Us: number; readonly p99Us: number };
  /** "actor:outcome" to times. */
  readonly counts: Readonly<Record<string, number>>;
  readonly kills: number;
  /** MiB of anonymous memory: before the flood, at its highest, in the middle of the flood, after it. */
  readonly anonHeld: number;
  readonly anonPeak: number;
  readonly anonMiddle: number;
  readonly anonEnd: number;
  readonly fileEnd: number;
  readonly faultsPerSecond: number;
  /** Part of the time in which the agent was ready to run and others had its CPU. */
  readonly robbed: number;
  readonly cgroup: 1 | 2;
  /** Of the agent. */
  readonly exit: number | string;
  readonly events: readonly string[];
}

export async function flood(options: FloodOptions): Promise<FloodResult> {
  const { disk, limitMib, seconds } = options;
  using group = makeMemoryGroup("flood", limitMib === undefined ? undefined : limitMib * MIB);
  await using site = await makeSite();
  const identities = await issueMany(site, "peer");
  const strangers = await issueMany(site, "stranger");
  const server = await site.issue("microedge");
  disk.chill();
  const agent = await startAgent({
    program: [...group.runner, "taskset", "-c", "0", disk.program],
    site,
    credentials: server,
    env: MEMORY_ENVIRONMENT,
    // those that are held say nothing for as long as the flood lasts
    rpc: `idle_timeout_ms = ${IDLE_TIMEOUT_MS}\n`,
    config: `[limits]\n${options.limits}\n${options.ballast ? `[[handlers]]\nmodule = "${await site.write("ballast.mjs", BALLAST)}"\n` : ""}`,
  });
  try {
    const { cert, key, ca } = await site.issue("well-behaved");
    const child = new Child([
      "taskset",
      ...["-c", "1", GENERATOR, "--target", agent.listen, "--span", `${seconds}s`],
      ...["--every", `${BEHAVED_EVERY_MS}ms`],
      ...["--held", String(options.held), "--identities", identities, "--strangers", strangers],
      ...["--tls-cert", cert, "--tls-key", key, "--tls-ca", ca, ...(options.flags ?? [])],
    ]);
    await child.waitFor("HELD", (line) => line.startsWith("HELD") || undefined, 120_000);
    const faultsBefore = majorFaults(agent.child.pid);
    const waitedBefore = waitedForCpuMs(agent.child.pid);
    const anonHeld = group.use().anonBytes / MIB;
    const samples: number[] = [];
    const sampling = setInterval(() => samples.push(group.use().anonBytes / MIB), SAMPLE_MS);
    const ended = await child.ended.finally(() => clearInterval(sampling));
    const line = ended.stdout.split("\n").findLast((text) => text.startsWith("{"));
    if (line === undefined)
      throw new Error(`the generator ended with ${ended.code}: ${ended.stderr}`);
    const use = group.use();
    const faults = agent.child.running ? majorFaults(agent.child.pid) - faultsBefore : Number.NaN;
    const waitedMs = agent.child.running
      ? waitedForCpuMs(agent.child.pid) - waitedBefore
      : Number.NaN;
    const exit = (await agent.stop()).code;
    return {
      ...(JSON.parse(line) as FloodResult),
      kills: use.kills,
      anonHeld,
      anonPeak: Math.max(...samples),
      anonMiddle: samples[Math.floor(samples.length / 2)] ?? Number.NaN,
      anonEnd: use.anonBytes / MIB,
      fileEnd: use.fileBytes / MIB,
      faultsPerSecond: faults / seconds,
      robbed: waitedMs / 1000 / seconds,
      cgroup: group.version,
      exit,
      events: eventsOf(agent),
    };
  } finally {
    await agent.stop();
  }
}

function eventsOf(agent: AgentProcess): string[] {
  return [...new Set(agent.log().map(({ event }) => event))];
}

/** A folder of peers: of the site's authority, or of one that the agent does not know. */
async function issueMany(site: Site, name: string): Promise<string> {
  await mkdir(resolve(site.directory, name));
  const other = name === "stranger" ? { authority: (await testPki("Other CA")).authority } : {};
  for (let number = 0; number < IDENTITIES; number++) {
    await site.issue(`${name}/${number}`, other);
  }
  return resolve(site.directory, name);
}
