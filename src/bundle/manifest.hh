// manifest.json: what a bundle says of itself, and the checksums that hold it together.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace tl {

inline constexpr const char* kBundleSchema = "trafficlab.bundle/1";

// Adds the checksum of every other file ("files") and of the manifest itself ("manifest_sha256": of
// its text with an empty string in that place), and writes it.
void write_manifest(const std::filesystem::path& folder, nlohmann::json manifest);

// The manifest of the bundle at `folder`. Throws UsageError when there is none, or when it is of a
// newer schema.
nlohmann::json read_manifest(const std::filesystem::path& folder);

// Where the run is of which `entry`, one of "runs" in the manifest of `series`, tells. A manifest
// may come from others: throws UsageError for a path that is not relative or has "..". Follows no
// link and does not look whether the run is there.
std::filesystem::path run_of_series(const std::filesystem::path& series,
                                    const nlohmann::json& entry);

// What is not as the manifest says, one line a file: changed, missing, or unlisted. Empty for a
// bundle to which nothing has happened. Throws UsageError when this is no bundle.
std::vector<std::string> verify_bundle(const std::filesystem::path& folder);

}  // namespace tl
