/**
 * The public x509-limbo cases (`test/vectors/x509-limbo`) through our validator. A case with a time of
 * its own is judged at that time as a device with a wrong clock would: the validator is told an
 * authenticated time and that the clock is wrong, so no clock has to be faked.
 */
import assert from "node:assert/strict";
import { createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { systemClock } from "#src/host/clock.ts";
import type { CandidateReport, HandshakeTrial } from "#src/identity/validator/candidate-report.ts";
import { validateCandidate } from "#src/identity/validator/validate-candidate.ts";
import { memoryHandshakeTrial } from "#src/transport/handshake-trial.ts";

export interface LimboCase {
  readonly id: string;
  readonly validation_kind: "SERVER" | "CLIENT";
  readonly trusted_certs: readonly string[];
  readonly untrusted_intermediates: readonly string[];
  readonly peer_certificate: string;
  /** Five recorded cases have none: no handshake is possible. */
  readonly peer_certificate_key?: string | null;
  readonly validation_time: string | null;
  readonly expected_result: "SUCCESS" | "FAILURE";
  readonly expected_peer_name: { readonly kind: string; readonly value: string } | null;
  readonly max_chain_depth: number | null;
  readonly crls?: readonly string[];
}

/** What we say of a case, as it is committed. */
export interface RecordedVerdict {
  /** Of all reasons, sorted; empty: accepted. */
  readonly codes: readonly string[];
  /** Of reasons that only a strict policy adds. */
  readonly strict: readonly string[];
  /** Why we say something else than upstream, by default and under a strict policy. */
  readonly deviation?: string;
  readonly strictDeviation?: string;
}

export type Verdicts = Readonly<Record<string, RecordedVerdict>>;

export interface LimboRun {
  readonly report: CandidateReport;
  /** Without those of a handshake that could not be tried for want of a key. */
  readonly codes: readonly string[];
  readonly handshakes: number;
  readonly ms: number;
}

export interface Tally {
  readonly agree: number;
  readonly falseAccepts: number;
  readonly falseRefusals: number;
}

const FOLDER = new URL("../vectors/x509-limbo/", import.meta.url);
export const VERDICTS = new URL("verdicts.json", FOLDER);
const MINUTE = 60_000;

export function readCases(): readonly LimboCase[] {
  const { testcases } = JSON.parse(readFileSync(new URL("limbo-core.json", FOLDER), "utf8"));
  assert.equal(testcases.length, 194, "all cases are there");
  return testcases;
}

export function readVerdicts(): Verdicts {
  return JSON.parse(readFileSync(VERDICTS, "utf8"));
}

export const hasKey = ({ peer_certificate_key: key }: LimboCase): boolean =>
  key !== null && key !== undefined;

/** Upstream's pedantic web-PKI cases and others: the two columns of the table. */
export const isWebPki = ({ id }: LimboCase): boolean => id.startsWith("webpki::");

export async function runCase(limbo: LimboCase, strictProfile: boolean): Promise<LimboRun> {
  const nowMs = systemClock.now();
  const time = limbo.validation_time === null ? nowMs : Date.parse(limbo.validation_time);
  const trial = countedTrial();
  const started = performance.now();
  const report = await validateCandidate(
    {
      chainPem: [limbo.peer_certificate, ...limbo.untrusted_intermediates].join(""),
      trustBundlePem: limbo.trusted_certs.join(""),
      tlsKey: limbo.peer_certificate_key ?? "",
      publicKey: publicKeyOf(limbo),
    },
    {
      time: {
        state: "authenticated",
        nowMs: time,
        floorMs: 0,
        clockWrong: Math.abs(time - nowMs) > MINUTE,
        words: undefined,
      },
      roles: [limbo.validation_kind === "CLIENT" ? "client" : "server"],
      expected:
        limbo.expected_peer_name === null ? {} : { hosts: [limbo.expected_peer_name.value] },
      crlsPem: limbo.crls ?? [],
      policy: { strictProfile },
      ...(limbo.max_chain_depth === null ? {} : { maxIntermediates: limbo.max_chain_depth }),
    },
    trial,
  );
  const counted = report.reasons.filter(({ code }) => hasKey(limbo) || code !== "handshake");
  return {
    report,
    codes: [...new Set(counted.map(({ code }) => code))].sort(),
    handshakes: trial.count(),
    ms: performance.now() - started,
  };
}

/** How many of `cases` we judge as upstream expects, by what `codesOf` says of each. */
export function tally(
  cases: readonly LimboCase[],
  codesOf: (limbo: LimboCase) => readonly string[],
): Tally {
  const accepts = (limbo: LimboCase): boolean => codesOf(limbo).length === 0;
  const wanted = (limbo: LimboCase): boolean => limbo.expected_result === "SUCCESS";
  const count = (is: (limbo: LimboCase) => boolean): number => cases.filter(is).length;
  return {
    agree: count((limbo) => accepts(limbo) === wanted(limbo)),
    falseAccepts: count((limbo) => accepts(limbo) && !wanted(limbo)),
    falseRefusals: count((limbo) => !accepts(limbo) && wanted(limbo)),
  };
}

function countedTrial(): HandshakeTrial & { count(): number } {
  const trial = memoryHandshakeTrial(systemClock);
  let runs = 0;
  return {
    run(material) {
      runs += 1;
      return trial.run(material);
    },
    count: () => runs,
  };
}

/** As the caller knows it from the private key; without one, what the certificate says. */
function publicKeyOf({ peer_certificate_key: key, peer_certificate: pem }: LimboCase): KeyObject {
  return typeof key === "string" ? createPublicKey(key) : new X509Certificate(pem).publicKey;
}
