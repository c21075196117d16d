/**
 * `microedge config schema`: the JSON Schema of the configuration, for editors.
 */
import { command } from "../command.ts";

export const configSchemaCommand = command({
  name: "config schema",
  summary: "print a JSON Schema of the configuration, for editors",
  options: {},
  examples: ["microedge config schema > microedge.schema.json"],
  async run({ report }) {
    const { configSchema } = await import("../../agent/config-schema.ts");
    const jsonSchema = configSchema();
    return report.result({ jsonSchema }, () => JSON.stringify(jsonSchema, undefined, 2));
  },
});
