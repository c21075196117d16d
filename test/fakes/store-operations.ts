/**
 * Every operation of the store, each with what comes before it, for tests that make all of them fail.
 */
import type { CertificateStore } from "#src/identity/store/certificate-store.ts";
import type { GenerationContent } from "#src/identity/store/generation.ts";
import { keyReference, storeContents } from "./store.ts";

const [first, second, third, fourth, last] = await storeContents(5);
if (!first || !second || !third || !fourth || !last) throw new Error("five contents");
/** Installed afterwards, to see that the store still works. */
export const AFTERWARDS: GenerationContent = last;
const BAD = [{ code: "probe", words: "the broker refused it" }];
export const text = (value: string): Uint8Array => new TextEncoder().encode(value);

export type Step = (store: CertificateStore) => Promise<unknown>;

const nothing: Step = async () => undefined;
const install =
  (content: GenerationContent): Step =>
  async (store) => {
    await store.stage(content);
    await store.commit();
  };
const both =
  (...steps: readonly Step[]): Step =>
  async (store) => {
    for (const step of steps) await step(store);
  };

export interface Operation {
  readonly name: string;
  readonly before: Step;
  readonly run: Step;
  readonly why: string;
}

export const OPERATIONS: readonly Operation[] = [
  {
    name: "first stage",
    before: nothing,
    run: (store) => store.stage(first),
    why: "a device that is provisioned and unplugged at once comes up empty or with the generation",
  },
  {
    name: "stage",
    before: install(first),
    run: (store) => store.stage(second),
    why: "tools that wrote certificate, then key, left pairs that do not match",
  },
  {
    name: "stage over a next",
    before: both(install(first), (store) => store.stage(second)),
    run: (store) => store.stage(third),
    why: "the next that is replaced must not take the new one with it",
  },
  {
    name: "commit",
    before: both(install(first), install(second), (store) => store.stage(third)),
    run: (store) => store.commit(),
    why: "the oldest generation goes only when the newest is durable",
  },
  {
    name: "mark as trialled",
    before: install(first),
    run: (store) => store.mark(1, "trialled"),
    why: "a mark overwrites a slot in place; a torn page must not take the record along",
  },
  {
    name: "fall back",
    before: both(install(first), install(second)),
    run: (store) => store.fallBack(BAD),
    why: "the bad generation must not come back after the power does",
  },
  {
    name: "discard next",
    before: both(install(first), (store) => store.stage(second)),
    run: (store) => store.discardNext(BAD),
    why: "given up is given up",
  },
  {
    name: "the fourth bad one",
    before: both(
      install(first),
      ...[second, third, fourth].map(
        (content): Step =>
          both(
            (store) => store.stage(content),
            (store) => store.discardNext(BAD),
          ),
      ),
      (store) => store.stage(second),
    ),
    run: (store) => store.discardNext(BAD),
    why: "the oldest bad one is removed to keep the store small",
  },
  {
    name: "keep a key",
    before: install(first),
    run: (store) => store.keepKey("renewal", keyReference()),
    why: "a request is under way for this key: lost, the answer is worthless",
  },
  {
    name: "drop a key",
    before: both(install(first), (store) => store.keepKey("renewal", keyReference())),
    run: (store) => store.dropKey("renewal"),
    why: "a key that was dropped does not come back",
  },
  {
    name: "write a note",
    before: both(install(first), (store) => store.writeNote("floor", text("old"))),
    run: (store) => store.writeNote("floor", text("new ".repeat(3000))),
    why: "zero-length state files after a power cut have locked devices out",
  },
  {
    name: "drop a note",
    before: both(install(first), (store) => store.writeNote("floor", text("old"))),
    run: (store) => store.dropNote("floor"),
    why: "gone, or there as it was",
  },
  {
    name: "reset",
    before: both(
      install(first),
      install(second),
      (store) => store.writeNote("floor", text("old")),
      (store) => store.keepKey("renewal", keyReference()),
    ),
    run: (store) => store.reset(),
    why: "half a reset would leave an identity without its notes, or the reverse",
  },
];
