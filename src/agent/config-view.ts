/**
 * What `config show` says: every key with the value in force, where it comes from, and whether a
 * reload takes a change. Credentials are left out by each kind's own `show`.
 */
import type { LoadedConfig } from "./config.ts";
import type { ValueSource } from "./config-reader.ts";

export interface ConfigEntry {
  readonly key: string;
  /** `null`: not set, and no default. */
  readonly value: string | number | boolean | readonly string[] | null;
  readonly source: ValueSource;
  /** Environment variable, when that is the source. */
  readonly variable?: string;
  /** Line in the file, when that is the source. */
  readonly line?: number;
  /** Whether a change takes effect on reload. */
  readonly live: boolean;
}

export function configEntries(loaded: LoadedConfig): readonly ConfigEntry[] {
  return loaded.settings
    .map((setting) => ({
      key: setting.key,
      value: setting.value === undefined ? null : setting.kind.show(setting.value),
      source: setting.source,
      live: setting.live,
      ...(setting.variable === undefined ? {} : { variable: setting.variable }),
      ...(setting.line === undefined ? {} : { line: setting.line }),
    }))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
}
