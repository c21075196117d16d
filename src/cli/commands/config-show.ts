/**
 * `microedge config show`: every value in force, and where it comes from.
 */
import { command } from "../command.ts";
import { loadConfiguration } from "../configuration.ts";
import { table } from "../format/table.ts";

export const configShowCommand = command({
  name: "config show",
  summary: "show every value in force and where it comes from",
  detail:
    "Shows what an agent started now would use. With --running asks the running agent what it uses, which differs when the file has changed since.",
  options: { running: { type: "boolean", doc: "ask the running agent" } },
  examples: ["microedge config show", "microedge config show --running --json"],
  async run({ terminal, report, configFile, options }) {
    const loaded = await loadConfiguration(terminal, configFile);
    if (options.running) {
      const { AdminClient } = await import("../../sidecar/admin-client.ts");
      const { controlSocketPath, file } = loaded.config;
      const view = await new AdminClient(controlSocketPath, file).config();
      return report.result({ file: view.path, values: view.values }, () =>
        formatValues(view.values),
      );
    }
    const { configEntries } = await import("../../agent/config-view.ts");
    const values = configEntries(loaded).map(({ key, value, source, variable, line, live }) => ({
      key,
      value: value ?? "",
      source: variable ?? (line === undefined ? source : `line ${line}`),
      reloads: live ? "live" : "restart",
    }));
    return report.result({ file: loaded.config.file, values }, () => formatValues(values));
  },
});

interface ShownValue {
  readonly key: string;
  readonly value: string | number | boolean | readonly string[];
  readonly source: string;
  readonly reloads: string;
}

function formatValues(values: readonly ShownValue[]): string {
  const rows = values.map(({ key, value, source, reloads }) => [
    key,
    Array.isArray(value) ? value.join(", ") : String(value),
    source,
    reloads === "live" ? "live" : "at restart",
  ]);
  return table(["key", "value", "from", "changes"], rows);
}
