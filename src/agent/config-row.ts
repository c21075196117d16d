/**
 * One row of the configuration table: a key, its kind, its default and its documentation.
 */
import type { Kind } from "./config-kinds.ts";

/** One key. `T` is what the agent sees. */
export interface Row<T> {
  // biome-ignore lint/suspicious/noExplicitAny: a kind both takes and gives T; here it is only paired with its default
  readonly kind: Kind<any>;
  readonly fallback: T;
  /** Must stand in the file (or the environment); only in lists. */
  readonly required: boolean;
  /** Other spellings that are accepted. */
  readonly aliases: readonly string[];
  /** One or two sentences for the reference. */
  readonly doc: string;
  /** How the default is computed, where it is not a constant. */
  readonly defaultDoc: string | undefined;
  /** `microedge` takes a change on reload; otherwise it needs a restart. */
  readonly live: boolean;
}

interface RowOptions {
  readonly live?: boolean;
  readonly aliases?: readonly string[];
  readonly defaultDoc?: string;
}

export function row<T>(
  kind: Kind<T>,
  fallback: NoInfer<T>,
  doc: string,
  options: RowOptions = {},
): Row<T> {
  return {
    kind,
    fallback,
    required: false,
    aliases: options.aliases ?? [],
    doc,
    defaultDoc: options.defaultDoc,
    live: options.live ?? false,
  };
}

/** A key without a default. */
export function optional<T>(
  kind: Kind<T>,
  doc: string,
  options: RowOptions = {},
): Row<T | undefined> {
  return { ...row(kind, undefined as T, doc, options), fallback: undefined };
}

/** A key that every item of a list must have. */
export function required<T>(kind: Kind<T>, doc: string, live = false): Row<T> {
  return { ...row(kind, undefined as T, doc, { live }), required: true };
}

/** Takes effect on reload. */
export const LIVE = { live: true };
