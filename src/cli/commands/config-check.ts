/**
 * `microedge config check`: is the configuration right?
 */
import type { ConfigProblem } from "../../agent/config-problem.ts";
import { command } from "../command.ts";
import { loadConfiguration } from "../configuration.ts";

export const configCheckCommand = command({
  name: "config check",
  summary: "check the configuration and name every problem in it",
  detail:
    "Reads the file and the environment as `run` does, and starts nothing. Files that the configuration names are not opened: `doctor` does that. Exit code 78 when anything is wrong.",
  options: {},
  examples: ["microedge config check --config microedge.toml"],
  async run({ terminal, report, configFile }) {
    const loaded = await loadConfiguration(terminal, configFile);
    const { config } = loaded;
    const { insecurities } = config.verification;
    const warnings: ConfigProblem[] = [
      ...insecurities.map(({ key, message }) => ({ key, message: `is INSECURE: ${message}` })),
      ...loaded.warnings,
    ];
    return report.result({ file: config.file, problems: [], warnings }, () =>
      [
        ...warnings.map(
          ({ line, key, message }) =>
            `warning: ${line === undefined ? "" : `line ${line}: `}${key} ${message}`,
        ),
        `${config.file} is good`,
      ].join("\n"),
    );
  },
});
