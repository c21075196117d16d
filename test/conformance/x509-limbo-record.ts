/**
 * Writes the codes of `test/vectors/x509-limbo/verdicts.json` anew and keeps the reasons for deviations;
 * says where one is missing. Not a test: run it by hand after a change of the validator, and read the diff.
 */
import { existsSync, writeFileSync } from "node:fs";
import { type RecordedVerdict, readCases, readVerdicts, runCase, VERDICTS } from "./x509-limbo.ts";

const before = existsSync(VERDICTS) ? readVerdicts() : {};
const verdicts: Record<string, RecordedVerdict> = {};
for (const limbo of readCases()) {
  const { codes } = await runCase(limbo, false);
  const { codes: all } = await runCase(limbo, true);
  const strict = all.filter((code) => !codes.includes(code));
  const wanted = limbo.expected_result === "SUCCESS";
  const { deviation = "", strictDeviation = "" } = before[limbo.id] ?? {};
  const deviates = (codes.length === 0) !== wanted;
  const deviatesStrictly = (all.length === 0) !== wanted;
  verdicts[limbo.id] = {
    codes,
    strict,
    ...(deviates ? { deviation } : {}),
    ...(deviatesStrictly ? { strictDeviation: strictDeviation || deviation } : {}),
  };
  if (deviates && deviation === "") console.log(`no reason for ${limbo.id}`);
  if (deviatesStrictly && strictDeviation === "" && deviation === "") {
    console.log(`no reason for ${limbo.id} under a strict policy`);
  }
}
writeFileSync(VERDICTS, `${JSON.stringify(verdicts, undefined, 1)}\n`);
