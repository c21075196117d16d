/**
 * A disk in memory that models what a page cache hides: bytes and names that were written are seen at
 * once and are durable only after the sync that covers them. Any step can be the last before the
 * power goes, fail with any errno, or take long.
 *
 * After a power cut {@link PowerDisk.worlds} gives the disks that the next start may find, from "all
 * that was not synced is gone" to coin tosses per 4 KiB page and per name. After a failed sync the
 * pages count as clean, as in Linux: a later sync succeeds and writes nothing.
 */
import type { DiskEntry, StateDisk, StateFile } from "#src/host/state-disk.ts";
import { FakeRandom } from "./fake-random.ts";

const PAGE = 4096;
/** So much of a torn page is new. Bytes. */
const TORN = 256;

interface Inode {
  readonly number: number;
  kind: DiskEntry["kind"];
  mode: number;
  uid: number;
  /** As a reader sees it. */
  cached: Uint8Array;
  durable: Uint8Array;
  /** Pages that the next sync writes. */
  readonly dirty: Set<number>;
}

/** A change of names that no sync has covered. */
type NameChange =
  | { readonly kind: "link"; readonly path: string; readonly inode: Inode }
  | { readonly kind: "unlink"; readonly path: string }
  | { readonly kind: "rename"; readonly from: string; readonly to: string; readonly inode: Inode };

export interface Fault {
  /** Steps from 1; see {@link PowerDisk.steps}. */
  readonly step: number;
  /** An errno, or `power`: this step and all after it never happen. */
  readonly what: string;
  /** How many steps fail from that one on; default one. */
  readonly lasting?: number;
}

export interface DiskLimits {
  readonly bytes?: number;
  readonly files?: number;
}

export class PowerDisk implements StateDisk {
  user = 1000;
  /** What was done to the disk, one word or two a step; reading is no step. */
  readonly steps: string[] = [];
  /** What fails; tests set it. */
  fault: Fault | undefined;
  /** Reading these paths fails with EIO. */
  readonly unreadable = new Set<string>();
  /** Turns a bit of what is written, and says nothing. */
  lying = false;
  limits: DiskLimits = {};
  readOnly = false;
  /** Awaited before each step: a slow disk. */
  pause: (step: string) => Promise<void> = async () => undefined;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #changes: NameChange[] = [];
  #lastInode = 0;
  #off = false;
  readonly #light: boolean;

  /** @param light Forgets what is durable and what was done: for thousands of disks that lose no power. */
  constructor(dirs: readonly string[] = ["/state"], light = false) {
    this.#light = light;
    for (const dir of dirs) {
      const inode = this.#inode("directory", 0o700);
      this.#names.set(dir, inode);
      this.#durableNames.set(dir, inode);
    }
  }

  async look(path: string): Promise<DiskEntry | undefined> {
    this.#assertPower();
    const inode = this.#names.get(path);
    if (inode === undefined) return undefined;
    const { kind, mode, uid, number, cached } = inode;
    return { kind, mode, uid, gid: uid, sizeBytes: cached.length, identity: `power-${number}` };
  }

  async list(dir: string): Promise<readonly string[]> {
    this.#assertPower();
    return [...this.#names.keys()]
      .filter((path) => path.startsWith(`${dir}/`) && !path.slice(dir.length + 1).includes("/"))
      .map((path) => path.slice(dir.length + 1))
      .sort();
  }

  async read(path: string, maxBytes: number): Promise<Uint8Array> {
    this.#assertPower();
    if (this.unreadable.has(path)) throw systemError("EIO", "read");
    const { cached } = this.#existing(path, "open");
    if (cached.length > maxBytes) throw new RangeError(`${path} is too large`);
    return cached.slice();
  }

  async free(): Promise<{ bytes: number; files: number }> {
    this.#assertPower();
    const { bytes = 1e9, files = 1e6 } = this.limits;
    return { bytes: Math.max(0, bytes - this.#used()), files: files - this.#names.size };
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#step(`mkdir ${path}`);
    this.#link(path, this.#inode("directory", 0o700));
  }

  async create(path: string): Promise<StateFile> {
    await this.#step(`create ${path}`);
    if (this.#names.has(path)) throw systemError("EEXIST", "open");
    if (this.#names.size >= (this.limits.files ?? 1e6)) throw systemError("ENOSPC", "open");
    const inode = this.#inode("file", 0o600);
    this.#link(path, inode);
    return this.#file(path, inode);
  }

  async open(path: string): Promise<StateFile> {
    this.#assertPower();
    if (this.readOnly) throw systemError("EROFS", "open");
    return this.#file(path, this.#existing(path, "open"));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step(`rename ${from} ${to}`);
    const inode = this.#existing(from, "rename");
    this.#names.delete(from);
    this.#names.set(to, inode);
    this.#changes.push({ kind: "rename", from, to, inode });
  }

  async remove(path: string): Promise<void> {
    await this.#step(`remove ${path}`);
    this.#existing(path, "unlink");
    this.#names.delete(path);
    this.#changes.push({ kind: "unlink", path });
  }

  async setMode(path: string, mode: number): Promise<void> {
    await this.#step(`chmod ${path}`);
    this.#existing(path, "chmod").mode = mode;
  }

  async setOwner(path: string, uid: number): Promise<void> {
    await this.#step(`chown ${path}`);
    this.#existing(path, "chown").uid = uid;
  }

  async syncDirectory(dir: string): Promise<void> {
    await this.#step(`syncdir ${dir}`);
    if (!this.#light) for (const change of this.#changes) apply(this.#durableNames, change);
    this.#changes = [];
  }

  /** Puts a durable file there, past all steps: what an older program or an accident left. */
  plant(path: string, bytes: Uint8Array, { mode = 0o600, uid = this.user } = {}): void {
    const inode = this.#inode("file", mode);
    inode.uid = uid;
    inode.cached = bytes.slice();
    inode.durable = bytes.slice();
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
  }

  /** Takes a file away, durably. */
  lose(path: string): void {
    this.#names.delete(path);
    this.#durableNames.delete(path);
  }

  /** The bytes of a file, for a test that damages them. */
  bytesOf(path: string): Uint8Array {
    return this.#existing(path, "open").cached.slice();
  }

  has(path: string): boolean {
    return this.#names.has(path);
  }

  get isOff(): boolean {
    return this.#off;
  }

  /** Only the process was killed after all: the page cache is there, and nothing in it is durable yet. */
  revive(): void {
    this.#off = false;
    this.fault = undefined;
  }

  /** The power is off; nothing more reaches the disk. */
  cutPower(): void {
    this.#off = true;
  }

  /** The disks that the next start may find, by what became of the unsynced. */
  worlds(tosses = 3): readonly (readonly [name: string, disk: PowerDisk])[] {
    const all = (): boolean => true;
    const none = (): boolean => false;
    const torn = (): "torn" => "torn";
    return [
      ["nothing unsynced survives", this.#world(none, none)],
      ["everything survives (the process was killed)", this.#world(all, all)],
      ["names survive, bytes do not", this.#world(all, none)],
      ["bytes survive, names do not", this.#world(none, all)],
      ["names survive, pages are torn", this.#world(all, torn)],
      ...Array.from({ length: tosses }, (_, seed) => {
        const random = new FakeRandom(this.steps.length * 31 + seed + 1);
        const toss = (): boolean => random.draw() < 0.5;
        return [`coin toss ${seed + 1}`, this.#world(toss, toss)] as const;
      }),
    ];
  }

  #world(keepName: () => boolean, keepPage: () => boolean | "torn"): PowerDisk {
    const world = new PowerDisk([]);
    world.user = this.user;
    world.limits = this.limits;
    const names = new Map(this.#durableNames);
    for (const change of this.#changes) if (keepName()) apply(names, change);
    const copies = new Map<Inode, Inode>();
    for (const [path, inode] of names) {
      const copy = copies.get(inode) ?? world.#survivor(inode, keepPage);
      copies.set(inode, copy);
      world.#names.set(path, copy);
      world.#durableNames.set(path, copy);
    }
    return world;
  }

  #survivor(
    { kind, mode, uid, cached, durable, dirty }: Inode,
    keep: () => boolean | "torn",
  ): Inode {
    const inode = this.#inode(kind, mode);
    inode.uid = uid;
    let bytes: Uint8Array = durable.slice();
    for (const page of dirty) {
      const kept = keep();
      if (kept === false) continue;
      const length = kept === "torn" ? TORN : PAGE;
      const part = cached.subarray(page * PAGE, page * PAGE + length);
      bytes = overlay(bytes, part, page * PAGE);
    }
    inode.cached = bytes;
    inode.durable = bytes.slice();
    return inode;
  }

  #file(path: string, inode: Inode): StateFile {
    const sync = async (what: string): Promise<void> => {
      try {
        await this.#step(`${what} ${path}`);
      } catch (error) {
        // The kernel gives up on these pages: they count as clean, whatever the disk holds.
        if (!this.#off) inode.dirty.clear();
        throw error;
      }
      for (const page of this.#light ? [] : inode.dirty) {
        const part = inode.cached.subarray(page * PAGE, (page + 1) * PAGE);
        inode.durable = overlay(inode.durable, part, page * PAGE);
      }
      inode.dirty.clear();
    };
    return {
      write: async (bytes, position) => {
        await this.#step(`write ${path}`);
        const growth = Math.max(0, pages(position + bytes.length) - pages(inode.cached.length));
        const { bytes: limit = 1e9 } = this.limits;
        if (growth > 0 && this.#used() + growth > limit) throw systemError("ENOSPC", "write");
        const arrived = bytes.slice();
        if (this.lying) arrived[arrived.length >> 1] = (arrived[arrived.length >> 1] ?? 0) ^ 1;
        inode.cached = overlay(inode.cached, arrived, position);
        const end = position + bytes.length;
        for (let at = Math.floor(position / PAGE) * PAGE; at < end; at += PAGE) {
          inode.dirty.add(at / PAGE);
        }
      },
      sync: () => sync("sync"),
      syncBytes: () => sync("syncbytes"),
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  #inode(kind: DiskEntry["kind"], mode: number): Inode {
    this.#lastInode += 1;
    const none = new Uint8Array(0);
    const empty = { cached: none, durable: none, dirty: new Set<number>() };
    return { number: this.#lastInode, kind, mode, uid: this.user, ...empty };
  }

  #link(path: string, inode: Inode): void {
    this.#names.set(path, inode);
    this.#changes.push({ kind: "link", path, inode });
  }

  #existing(path: string, call: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError("ENOENT", call);
    return inode;
  }

  #used(): number {
    return [...this.#names.values()].reduce((sum, { cached }) => sum + pages(cached.length), 0);
  }

  async #step(name: string): Promise<void> {
    this.#assertPower();
    await this.pause(name);
    this.#assertPower();
    if (!this.#light) this.steps.push(name);
    if (this.readOnly) throw systemError("EROFS", name.split(" ")[0] ?? "");
    const { step, what, lasting = 1 } = this.fault ?? { step: 0, what: "", lasting: 0 };
    const count = this.steps.length;
    if (count < step || count >= step + lasting) return;
    if (what === "power") this.#off = true;
    this.#assertPower();
    throw systemError(what, name.split(" ")[0] ?? "");
  }

  #assertPower(): void {
    if (this.#off) throw new PowerCut();
  }
}

/** Thrown by every call once the power is off; a real process would simply be gone. */
export class PowerCut extends Error {
  constructor() {
    super("the power is off");
  }
}

/** Where tests keep their store; `/state` is there from the beginning. */
export const STORE_DIR = "/state/store";

function pages(bytes: number): number {
  return Math.ceil(bytes / PAGE) * PAGE;
}

function overlay(under: Uint8Array, over: Uint8Array, position: number): Uint8Array {
  if (position + over.length <= under.length) {
    // No file shares its bytes with another, and readers get copies.
    under.set(over, position);
    return under;
  }
  const result = new Uint8Array(position + over.length);
  result.set(under);
  result.set(over, position);
  return result;
}

function apply(names: Map<string, Inode>, change: NameChange): void {
  if (change.kind === "link") names.set(change.path, change.inode);
  else if (change.kind === "unlink") names.delete(change.path);
  else {
    // Names may be lost out of order: the file arrives at its new name all the same.
    if (names.get(change.from) === change.inode) names.delete(change.from);
    names.set(change.to, change.inode);
  }
}

function systemError(errno: string, call: string): Error {
  return Object.assign(new Error(`${errno}: made by the test, ${call}`), { code: errno });
}
