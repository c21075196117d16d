/**
 * From what was found on disk to what is in force: which record counts, which generation stands in
 * for one that is damaged, what is to be renamed, written and removed. Pure.
 *
 * Two rules stand above all others: a generation marked bad never comes back in force by itself, and
 * nothing is removed while there is no whole generation in force.
 */
import type { KeyReference } from "../keys/key-provider.ts";
import { generationFileName, numberOf, type StoredGeneration } from "./generation-file.ts";
import { emptyRecord, keptIds, type StateRecord, trimmed } from "./state-record.ts";
import type { Found, Survey } from "./survey.ts";

export interface Diagnosis {
  readonly record: StateRecord;
  /** The record differs from what is on disk, or is of an older format. */
  readonly rewrite: boolean;
  /** Sequence of the record in each slot that is whole. */
  readonly held: readonly [number | undefined, number | undefined];
  readonly generations: ReadonlyMap<string, StoredGeneration>;
  readonly keys: ReadonlyMap<string, KeyReference>;
  readonly notes: ReadonlySet<string>;
  readonly renames: readonly (readonly [from: string, to: string])[];
  readonly removals: readonly string[];
  readonly healed: readonly string[];
  /** A store begins: none was there, or it was lost or reset. */
  readonly begins: boolean;
  /** Everything is removed before the record says that the reset is over. */
  readonly resets: boolean;
}

/** @param epoch Drawn at random, in case that one begins. */
export function diagnose(survey: Survey, epoch: string): Diagnosis {
  const found = newestRecord(survey);
  const held = [slotSequence(survey, "0"), slotSequence(survey, "1")] as const;
  if (found?.record.resetting === true) return finishReset(survey, found.record, held);
  const healed: string[] = [...survey.healed];
  const bad = (id: string): boolean =>
    found?.record.marks[id]?.mark === "bad" ||
    survey.generations.some((each) => each.name === id && each.bad);
  const whole = wholeGenerations(survey);
  const record =
    found === undefined
      ? recovered(survey, whole, bad, epoch, healed)
      : mended(withSeenNumbers(found.record, survey), whole, bad, epoch, healed);
  const kept = new Set(keptIds(record));
  const generations = new Map([...kept].flatMap((id) => entryOf(id, whole.get(id)?.outcome.value)));
  const removals: string[] = [...survey.litter];
  const renames: (readonly [string, string])[] = [];
  for (const each of survey.generations) {
    if (whole.get(each.name) === each && kept.has(each.name)) {
      const fileName = `${generationFileName(each.name)}${bad(each.name) ? ".bad" : ""}`;
      if (fileName !== each.fileName) renames.push([each.fileName, fileName]);
    } else if (
      record.current !== undefined ||
      (each.outcome.kind === "damaged" && each.temporary)
    ) {
      if (each.outcome.kind !== "unreadable") removals.push(each.fileName);
    }
  }
  const keys = settleNamed("key", survey.keys, renames, removals, healed);
  const notes = settleNamed("note", survey.notes, renames, removals, healed);
  removals.push(...survey.states.filter((each) => each.temporary).map((each) => each.fileName));
  const rewrite = found === undefined || found.old || record !== found.record;
  const begins = record.epoch === epoch;
  if (found !== undefined && held.includes(undefined)) {
    healed.push("a slot of the state was damaged or missing and is replaced");
  }
  const taken = new Set(renames.map(([, to]) => to));
  return {
    ...{ record, rewrite, held, generations, keys, renames, healed, begins },
    // What a whole temporary file takes the place of is gone by then.
    removals: removals.filter((name) => !taken.has(name)),
    notes: new Set(notes.keys()),
    resets: false,
  };
}

function slotSequence({ states }: Survey, slot: string): number | undefined {
  const found = states.find((each) => each.name === slot && !each.temporary)?.outcome;
  return found?.kind === "whole" ? found.value.record.sequence : undefined;
}

/** Of whole slots the newest; a temporary file counts only where no slot is whole. */
function newestRecord({
  states,
}: Survey): { readonly record: StateRecord; readonly old: boolean } | undefined {
  const whole = states.flatMap(({ outcome, temporary }) =>
    outcome.kind === "whole" ? [{ ...outcome.value, temporary }] : [],
  );
  const slots = whole.filter(({ temporary }) => !temporary);
  const [newest] = (slots.length > 0 ? slots : whole).sort(
    (a, b) => b.record.sequence - a.record.sequence,
  );
  return newest;
}

type Whole = Found<StoredGeneration> & {
  readonly outcome: { readonly kind: "whole"; readonly value: StoredGeneration };
};

/** The whole file of each generation: that under its own name before a temporary one. */
function wholeGenerations({ generations }: Survey): Map<string, Whole> {
  const isWhole = (each: Found<StoredGeneration>): each is Whole => each.outcome.kind === "whole";
  const whole = generations.filter(isWhole);
  return new Map(
    whole
      .sort((a, b) => Number(b.temporary) - Number(a.temporary))
      .map((each) => [each.name, each]),
  );
}

/** A number that stands on a file was given, whether the record that said so is still there or not. */
function withSeenNumbers(record: StateRecord, { generations }: Survey): StateRecord {
  const lastNumber = Math.max(record.lastNumber, ...generations.map(({ name }) => numberOf(name)));
  return lastNumber === record.lastNumber ? record : { ...record, lastNumber };
}

/** The record is there; generations that it names may not be. Returns it unchanged when all is well. */
function mended(
  record: StateRecord,
  whole: ReadonlyMap<string, Whole>,
  bad: (id: string) => boolean,
  epoch: string,
  healed: string[],
): StateRecord {
  const good = (id: string | undefined): id is string =>
    id !== undefined && whole.has(id) && !bad(id);
  let { current, previous, next, marks } = record;
  for (const id of [current, previous, next]) {
    if (id !== undefined && whole.get(id)?.temporary === true) {
      healed.push(`generation ${numberOf(id)} was found under its temporary name`);
    }
  }
  if (next !== undefined && !good(next)) {
    healed.push(`generation ${numberOf(next)}, not yet in force, is damaged and given up`);
    next = undefined;
  }
  if (current !== undefined && !good(current)) {
    const others = [...whole.keys()].filter((id) => good(id) && id !== next && id !== previous);
    const heir = [previous, ...others.sort(byNumber), next].find(good);
    const what = bad(current) ? "is bad" : "is damaged";
    const then =
      heir === undefined
        ? "and no other is whole: the device has no identity"
        : `; generation ${numberOf(heir)} is in force instead`;
    healed.push(`generation ${numberOf(current)} ${what}${heir === undefined ? " " : ""}${then}`);
    if (bad(current)) marks = { ...marks, [current]: asBad(marks[current]) };
    if (heir === next) next = undefined;
    if (heir === previous) previous = undefined;
    current = heir;
  }
  if (previous !== undefined && !good(previous)) {
    healed.push(`generation ${numberOf(previous)}, the previous one, is damaged`);
    previous = undefined;
  }
  const lost = current === undefined && record.current !== undefined;
  const same =
    current === record.current &&
    previous === record.previous &&
    next === record.next &&
    keptIds(record).every((id) => whole.has(id));
  if (same) return record;
  const present = Object.entries(marks).filter(([id]) => whole.has(id));
  return trimmed({
    ...{ ...record, current, previous, next, marks: Object.fromEntries(present) },
    epoch: lost ? epoch : record.epoch,
  });
}

/** No record is whole: either there never was a store, or the generations must tell. */
function recovered(
  survey: Survey,
  whole: ReadonlyMap<string, Whole>,
  bad: (id: string) => boolean,
  epoch: string,
  healed: string[],
): StateRecord {
  const ids = [...whole.keys()].sort(byNumber);
  const [current, previous] = ids.filter((id) => !bad(id));
  const marks = Object.fromEntries(
    ids.map((id) => [id, bad(id) ? asBad(undefined) : { mark: "unproven" as const, reasons: [] }]),
  );
  const lastNumber = Math.max(0, ...survey.generations.map(({ name }) => numberOf(name)));
  const slots = survey.states.filter(({ temporary }) => !temporary);
  if (slots.length + survey.generations.length > 0) {
    const then =
      current === undefined
        ? "no generation is whole: the device has no identity"
        : `generation ${numberOf(current)} is in force, the newest that is whole`;
    healed.push(`the state of the store was lost; ${then}`);
  }
  return trimmed({ ...emptyRecord(epoch), lastNumber, current, previous, marks });
}

function asBad(mark: StateRecord["marks"][string] | undefined): StateRecord["marks"][string] {
  if (mark?.mark === "bad") return mark;
  const words = "the name of its file says so; the reasons were lost";
  return { mark: "bad", reasons: [{ code: "unknown", words }] };
}

function finishReset(survey: Survey, { epoch }: StateRecord, held: Diagnosis["held"]): Diagnosis {
  const all = [...survey.generations, ...survey.keys, ...survey.notes];
  const temporary = survey.states.filter((each) => each.temporary);
  return {
    record: emptyRecord(epoch),
    rewrite: true,
    held,
    generations: new Map(),
    keys: new Map(),
    notes: new Set(),
    renames: [],
    removals: [...survey.litter, ...[...all, ...temporary].map((each) => each.fileName)],
    healed: [...survey.healed, "a reset that was interrupted is finished"],
    begins: true,
    resets: true,
  };
}

/** A whole temporary file is used where the file itself is not whole, and is litter elsewhere. */
function settleNamed<T>(
  kind: "key" | "note",
  all: readonly Found<T>[],
  renames: (readonly [string, string])[],
  removals: string[],
  healed: string[],
): Map<string, T> {
  const settled = new Map<string, T>();
  for (const name of new Set(all.map((each) => each.name))) {
    const file = all.find((each) => each.name === name && !each.temporary);
    const temporary = all.find((each) => each.name === name && each.temporary);
    // Without the file itself it was never there as far as anybody was told.
    if (file?.outcome.kind === "whole") settled.set(name, file.outcome.value);
    else if (file !== undefined && temporary?.outcome.kind === "whole") {
      settled.set(name, temporary.outcome.value);
      renames.push([temporary.fileName, file.fileName]);
      healed.push(`${kind} ${name} was damaged and is taken from its temporary file`);
      continue;
    } else if (file?.outcome.kind === "damaged") {
      removals.push(file.fileName);
      healed.push(`${kind} ${name} was damaged and is gone`);
    } else if (file?.outcome.kind === "unreadable") {
      healed.push(`${kind} ${name} can't be read from the disk`);
    }
    if (temporary !== undefined) removals.push(temporary.fileName);
  }
  return settled;
}

function entryOf<T>(id: string, value: T | undefined): (readonly [string, T])[] {
  return value === undefined ? [] : [[id, value]];
}

function byNumber(a: string, b: string): number {
  return numberOf(b) - numberOf(a);
}
