/**
 * `microedge version`: which build this is and what it runs on.
 */
import { isSea } from "node:sea";
import { BUILD } from "../../base/build.ts";
import { command } from "../command.ts";
import { columns } from "../format/table.ts";

export const versionCommand = command({
  name: "version",
  summary: "print the version",
  detail: "With --build-info also the commit, the runtime and the target.",
  options: { "build-info": { type: "boolean", doc: "commit, Node.js, OpenSSL and target too" } },
  examples: ["microedge version --build-info", "microedge version --json"],
  async run({ report, options, json }) {
    const facts = {
      version: BUILD.version,
      commit:
        BUILD.dirty && BUILD.commit !== "unknown" ? `${BUILD.commit} (changed)` : BUILD.commit,
      date: BUILD.date,
      node: process.versions.node,
      openssl: process.versions.openssl,
      target: `${process.platform}-${process.arch}`,
      form: isSea() ? "single executable" : "file run by Node.js",
    };
    if (!options["build-info"] && !json) {
      return report.result({}, () => `microedge ${BUILD.version}`);
    }
    return report.result(facts, () => columns(Object.entries(facts)));
  },
});
