/**
 * A small file system of its own for the program under test, on a loop device with the read-ahead of a
 * device in the field (128 KiB). Mounted afresh it holds nothing in memory: every page of the program is
 * read, and charged, to the group that first touches it, as on a device after a boot. Needs root.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

export interface ColdDisk extends Disposable {
  /** Path of the copied program. */
  readonly program: string;
  /** Forgets all pages. Nobody may run the program meanwhile. */
  chill(): void;
}

const DISK_BYTES = 256 * 1024 * 1024;
const READ_AHEAD_SECTORS = 256; // of 512 bytes: 128 KiB

/** Whether this machine has a loop device for us. */
export function mayMakeDisk(): boolean {
  return spawnSync("losetup", ["--find"]).status === 0 && process.getuid?.() === 0;
}

export function makeColdDisk(program: string): ColdDisk {
  const folder = mkdtempSync(join(tmpdir(), "microedge-flood-"));
  const image = join(folder, "disk.img");
  const mountPoint = join(folder, "disk");
  const removal = new DisposableStack();
  removal.defer(() => rmSync(folder, { recursive: true, force: true }));
  try {
    mkdirSync(mountPoint);
    writeFileSync(image, "");
    truncateSync(image, DISK_BYTES);
    run("mkfs.ext4", "-q", "-F", image);
    // direct: or the pages of the image itself would be charged, too
    const device = run("losetup", "--find", "--show", "--direct-io=on", image);
    removal.defer(() => run("losetup", "--detach", device));
    run("blockdev", "--setra", String(READ_AHEAD_SECTORS), device);
    const mount = (): string => run("mount", "-o", "noatime", device, mountPoint);
    mount();
    removal.defer(() => run("umount", mountPoint));
    const copy = join(mountPoint, basename(program));
    copyFileSync(program, copy);
    const chill = (): void => {
      run("umount", mountPoint);
      mount();
    };
    chill();
    return { program: copy, chill, [Symbol.dispose]: () => removal.dispose() };
  } catch (error) {
    removal.dispose();
    throw error;
  }
}

function run(command: string, ...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) throw error ?? new Error(`${command} ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}
