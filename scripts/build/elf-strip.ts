/**
 * Removes symbols and debug sections from a 64-bit little-endian ELF program (System V gABI,
 * "Object Files"). Written here because the result must not depend on the CPU or on the binutils
 * version of the machine that builds.
 *
 * Everything a segment loads keeps its place; what follows the last loaded byte is dropped, and the
 * section table is rebuilt with the sections that are part of memory.
 */

const SECTION_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const SHT_STRTAB = 3;
const SHT_NOBITS = 8;
const SHF_ALLOC = 2n;

interface Section {
  readonly name: string;
  readonly header: DataView;
}

/** The same program without symbols. @throws Error when `program` is not such a file. */
export function stripSymbols(program: Uint8Array): Uint8Array {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  if (view.getUint32(0) !== 0x7f454c46 || program[4] !== 2 || program[5] !== 1) {
    throw new Error("not a 64-bit little-endian ELF file");
  }
  const sections = readSections(program, view);
  const kept = sections.filter(
    ({ header }, at) => at === 0 || (header.getBigUint64(8, true) & SHF_ALLOC) !== 0n,
  );
  const loadedEnd = lastLoadedByte(view);
  for (const { name, header } of kept) {
    const end = Number(header.getBigUint64(24, true) + header.getBigUint64(32, true));
    if (header.getUint32(4, true) !== SHT_NOBITS && end > loadedEnd) {
      throw new Error(`section ${name} is marked as memory but no segment loads it`);
    }
  }

  const names = nameTable([...kept.map((section) => section.name), ".shstrtab"]);
  const namesAt = loadedEnd;
  const tableAt = Math.ceil((namesAt + names.bytes.length) / 8) * 8;
  const stripped = new Uint8Array(tableAt + (kept.length + 1) * SECTION_HEADER_BYTES);
  stripped.set(program.subarray(0, loadedEnd));
  stripped.set(names.bytes, namesAt);

  const out = new DataView(stripped.buffer);
  const indexOf = new Map(kept.map((section, at) => [sections.indexOf(section), at]));
  for (const [at, { header }] of kept.entries()) {
    const to = tableAt + at * SECTION_HEADER_BYTES;
    stripped.set(new Uint8Array(header.buffer, header.byteOffset, SECTION_HEADER_BYTES), to);
    out.setUint32(to, names.offsets[at] ?? 0, true);
    out.setUint32(to + 40, indexOf.get(header.getUint32(40, true)) ?? 0, true);
    const target = indexOf.get(header.getUint32(44, true));
    const infoIsSection = (header.getBigUint64(8, true) & 0x40n) !== 0n;
    if (infoIsSection) out.setUint32(to + 44, target ?? 0, true);
  }
  const own = tableAt + kept.length * SECTION_HEADER_BYTES;
  out.setUint32(own, names.offsets[kept.length] ?? 0, true);
  out.setUint32(own + 4, SHT_STRTAB, true);
  out.setBigUint64(own + 24, BigInt(namesAt), true);
  out.setBigUint64(own + 32, BigInt(names.bytes.length), true);
  out.setBigUint64(own + 48, 1n, true);
  out.setBigUint64(40, BigInt(tableAt), true);
  out.setUint16(60, kept.length + 1, true);
  out.setUint16(62, kept.length, true);
  return stripped;
}

function readSections(program: Uint8Array, view: DataView): Section[] {
  const tableAt = Number(view.getBigUint64(40, true));
  const headers = Array.from({ length: view.getUint16(60, true) }, (_, at) => {
    const from = program.byteOffset + tableAt + at * SECTION_HEADER_BYTES;
    return new DataView(program.buffer, from, SECTION_HEADER_BYTES);
  });
  const namesAt = Number(headers[view.getUint16(62, true)]?.getBigUint64(24, true) ?? 0n);
  return headers.map((header) => {
    const from = namesAt + header.getUint32(0, true);
    return {
      name: Buffer.from(program.subarray(from, program.indexOf(0, from))).toString(),
      header,
    };
  });
}

/** End, in the file, of what the program headers describe. */
function lastLoadedByte(view: DataView): number {
  const tableAt = Number(view.getBigUint64(32, true));
  let end = 0;
  for (let at = 0; at < view.getUint16(56, true); at++) {
    const header = tableAt + at * PROGRAM_HEADER_BYTES;
    const segmentEnd = view.getBigUint64(header + 8, true) + view.getBigUint64(header + 32, true);
    end = Math.max(end, Number(segmentEnd));
  }
  return end;
}

/** A string table: NUL first, then each name with its NUL; index 0 is the empty name. */
function nameTable(names: readonly string[]): { bytes: Uint8Array; offsets: number[] } {
  const offsets: number[] = [];
  let text = "\0";
  for (const name of names) {
    offsets.push(name === "" ? 0 : text.length);
    if (name !== "") text += `${name}\0`;
  }
  return { bytes: new TextEncoder().encode(text), offsets };
}
