// Reads what src/report/packed_counts.hh wrote: Base64 of LEB128 of zigzag of differences.

function unpackCounts(text, length) {
  const bytes = atob(text);
  const counts = new Float64Array(length);
  let value = 0;
  let at = 0;
  for (let i = 0; i < length; i++) {
    // Products instead of shifts: counts have up to 53 bits, shifts 32.
    let varint = 0;
    let unit = 1;
    for (;;) {
      const byte = bytes.charCodeAt(at++);
      varint += (byte & 127) * unit;
      if (byte < 128) break;
      unit *= 128;
    }
    value += varint % 2 ? -(varint + 1) / 2 : varint / 2;
    counts[i] = value;
  }
  if (at !== bytes.length) throw new Error(`counts: ${bytes.length - at} bytes are left over`);
  return counts;
}
