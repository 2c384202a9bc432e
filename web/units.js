// What a count a bucket is, as a rate.

const kUnits = {
  bits: {label: "bit/s", counts: "bytes", factor: 8},
  bytes: {label: "B/s", counts: "bytes", factor: 1},
  packets: {label: "packets/s", counts: "packets", factor: 1},
};

const kLayers = {
  skb: {label: "as the kernel saw it", infix: "", note: "segmentation offload unsplit, Ethernet header included"},
  wire: {label: "on the wire", infix: "wire_", note: "after segmentation, Ethernet header of every segment included"},
};

function columnName(direction, unit, layer) {
  return `${direction}_${kLayers[layer].infix}${kUnits[unit].counts}`;
}

// From a count a bucket to a rate in the unit.
function rateFactor(unit, interval_ns) {
  return kUnits[unit].factor * 1e9 / interval_ns;
}
