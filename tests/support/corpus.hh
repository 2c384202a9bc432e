// The collection of public captures that some machines have beside the source tree: tests use it
// where it is, and say so where it is not.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tl::test {

// $TL_PCAPS, or shared/pcaps beside or above the source tree.
std::optional<std::filesystem::path> corpus_folder();

// MANIFEST.tsv: what capinfos and libpcap say about each file, by column name.
using ManifestRow = std::map<std::string, std::string>;
std::vector<ManifestRow> corpus_manifest(const std::filesystem::path& folder);

// All regular files of corpus/, edge/ and rtt/ that are captures (.pcap, .pcapng).
std::vector<std::filesystem::path> corpus_files(const std::filesystem::path& folder);

}  // namespace tl::test
