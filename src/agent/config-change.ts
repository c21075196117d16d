/**
 * What a newly read configuration changes in a running agent: keys marked live take effect, the others
 * keep their old values until a restart. Pure.
 */
import type { LoadedConfig } from "./config.ts";
import type { Setting } from "./config-reader.ts";
import { camelKey, LISTS, type Row, SECTIONS } from "./config-table.ts";

export interface ConfigChange {
  /** What is in force from now on. */
  readonly inForce: LoadedConfig;
  /** Changed and in force; a list is one key. */
  readonly applied: readonly string[];
  /** Changed, and waiting for a restart. */
  readonly needRestart: readonly string[];
}

type Rows = Readonly<Record<string, Row<unknown>>>;
type Values = Readonly<Record<string, unknown>>;

export function changeConfig(old: LoadedConfig, fresh: LoadedConfig): ConfigChange {
  const changed = changedKeys(old.settings, fresh.settings);
  const isLive = (key: string): boolean => LIVE_KEYS.has(key);
  return {
    inForce: {
      config: {
        ...old.config,
        ...liveSections(old, fresh),
        ...liveLists(old, fresh),
        acl: fresh.config.acl,
      },
      settings: [
        ...old.settings.filter(({ key }) => !isLive(keyOrList(key))),
        ...fresh.settings.filter(({ key }) => isLive(keyOrList(key))),
      ],
      warnings: fresh.warnings,
    },
    applied: [...changed.filter(isLive), ...sectionChange(old, fresh)],
    needRestart: changed.filter((key) => !isLive(key)),
  };
}

/** An `[acl]` section that came or went changes every decision, also when it is empty. */
function sectionChange(old: LoadedConfig, fresh: LoadedConfig): readonly string[] {
  return (old.config.acl === undefined) === (fresh.config.acl === undefined) ? [] : ["acl"];
}

/** A list changes as a whole, so it is live only if each of its keys is. */
const LIVE_LISTS: ReadonlySet<string> = new Set(
  Object.entries<Rows>(LISTS).flatMap(([name, rows]) =>
    Object.values(rows).every((row) => row.live) ? [name] : [],
  ),
);
const LIVE_KEYS: ReadonlySet<string> = new Set([
  ...LIVE_LISTS,
  ...Object.entries<Rows>(SECTIONS).flatMap(([section, rows]) =>
    Object.entries(rows).flatMap(([key, row]) => (row.live ? [`${section}.${key}`] : [])),
  ),
]);

/** A policy is taken whole, with its lists. */
const { acl: _, ...RULELESS_SECTIONS } = SECTIONS;

/** `handlers` for `handlers[0].module`. */
function keyOrList(key: string): string {
  return key.replace(/\[\d+\].*$/, "");
}

function changedKeys(old: readonly Setting[], fresh: readonly Setting[]): readonly string[] {
  const before = new Map(old.map(({ key, value }) => [key, JSON.stringify(value)]));
  const after = new Map(fresh.map(({ key, value }) => [key, JSON.stringify(value)]));
  const keys = new Set([...before.keys(), ...after.keys()]);
  const changed = [...keys].filter(
    (key) => before.has(key) !== after.has(key) || before.get(key) !== after.get(key),
  );
  return [...new Set(changed.map(keyOrList))].sort();
}

function liveSections(old: LoadedConfig, fresh: LoadedConfig): Values {
  return Object.fromEntries(
    Object.entries<Rows>(RULELESS_SECTIONS).map(([section, rows]) => {
      const name = section as keyof typeof RULELESS_SECTIONS;
      const [before, after] = [old.config[name] as Values, fresh.config[name] as Values];
      const values = Object.entries(rows).map(([key, row]) => {
        const property = camelKey(key);
        return [property, (row.live ? after : before)[property]];
      });
      return [section, Object.fromEntries(values)];
    }),
  );
}

function liveLists(old: LoadedConfig, fresh: LoadedConfig): Values {
  const of = (name: "registry.static" | "handlers"): LoadedConfig["config"] =>
    LIVE_LISTS.has(name) ? fresh.config : old.config;
  return {
    registry: { static: of("registry.static").registry.static },
    handlers: of("handlers").handlers,
  };
}
