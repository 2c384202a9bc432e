// What must hold for every good bundle, whichever engine made it.
#pragma once

#include "support/lab_run.hh"

namespace tl::test {

// Counter streams dense from armed to quiesced with at least `least_rows` rows a series and the
// traffic window inside.
void check_dense_counters(const LabRun& run, std::uint64_t least_rows);
// Every capture opens in tcpdump, holds the test's SYN and a FIN of both sides, and accounts for
// every packet.
void check_captures(const LabRun& run);
// iperf's two results are there, without error, with bytes.
void check_iperf(const LabRun& run);
// Every checksum of the manifest is right and no file is unlisted.
void check_checksums(const LabRun& run);
// The run passed: exit code 0 and that verdict in the manifest.
void check_passed(const LabRun& run);
// Every identity of reconciliation.json was checked and has no difference; only what lay in iperf's
// sockets at the end may be a term of its own.
void check_reconciliation(const LabRun& run);
// The server's counted rx_bytes equal the change of its device's kernel statistics.
void check_device_statistics(const LabRun& run);
// Nothing is on this machine that was not in `before`, an inventory() of it.
void check_nothing_left(const std::vector<std::string>& before);

}  // namespace tl::test
