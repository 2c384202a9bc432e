#include "bundle/manifest.hh"

#include <fmt/format.h>

#include <algorithm>

#include "base/dump_json.hh"
#include "base/errors.hh"
#include "base/fd.hh"
#include "base/sha256.hh"

namespace tl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kOwnHash = "manifest_sha256";

// {path: {"sha256": …, "bytes": …}} for every regular file below `folder` but manifest.json.
json checksums(const fs::path& folder) {
  json files = json::object();
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator{folder}) {
    const std::string name = entry.path().lexically_relative(folder).native();
    if (!entry.is_regular_file() || name == "manifest.json") continue;
    files[name] = {{"sha256", sha256_of_file(entry.path())}, {"bytes", entry.file_size()}};
  }
  return files;
}

std::string text_of(const json& manifest) { return dump_json(manifest, 1) + "\n"; }

std::string own_hash(json manifest) {
  manifest[kOwnHash] = "";
  return sha256(text_of(manifest));
}

json parse_manifest(const fs::path& folder, const std::string& text) {
  json manifest = json::parse(text, nullptr, false);
  const std::string schema = manifest.is_object() ? manifest.value("schema", "") : "";
  if (schema == kBundleSchema) return manifest;
  throw UsageError{fmt::format("read {}: {}", (folder / "manifest.json").native(),
                               schema.starts_with("trafficlab.bundle/")
                                   ? "schema " + schema + " is newer than this trafficlab"
                                   : "not the manifest of a bundle")};
}

std::string manifest_text(const fs::path& folder) {
  if (!fs::is_regular_file(folder / "manifest.json"))
    throw UsageError{fmt::format("{}: not a bundle (it has no manifest.json)", folder.native())};
  return read_file(folder / "manifest.json");
}

}  // namespace

void write_manifest(const fs::path& folder, json manifest) {
  manifest["files"] = checksums(folder);
  manifest[kOwnHash] = own_hash(manifest);
  write_file_atomic(folder / "manifest.json", text_of(manifest));
}

json read_manifest(const fs::path& folder) { return parse_manifest(folder, manifest_text(folder)); }

fs::path run_of_series(const fs::path& series, const json& entry) {
  const bool is_named =
      entry.is_object() && entry.contains("bundle") && entry.at("bundle").is_string();
  const fs::path inside{is_named ? entry.at("bundle").get<std::string>() : ""};
  if (inside.empty() || inside.is_absolute() ||
      std::find(inside.begin(), inside.end(), "..") != inside.end())
    throw UsageError{fmt::format("read {}: the run '{}' is not inside the series",
                                 (series / "manifest.json").native(), inside.native())};
  return series / inside;
}

std::vector<std::string> verify_bundle(const fs::path& folder) {
  const std::string text = manifest_text(folder);
  const json manifest = json::parse(text, nullptr, false);
  if (!manifest.is_object() || !manifest.contains("files"))
    return {"manifest.json: changed: no longer a manifest"};
  std::vector<std::string> findings;
  if (text != text_of(manifest) || manifest.value(kOwnHash, "") != own_hash(manifest))
    findings.emplace_back("manifest.json: changed");
  const json found = checksums(folder);
  for (const auto& [name, listed] : manifest.at("files").items()) {
    if (!found.contains(name))
      findings.push_back(name + ": missing");
    else if (found.at(name) != listed)
      findings.push_back(name + ": changed");
  }
  for (const auto& [name, unlisted] : found.items())
    if (!manifest.at("files").contains(name)) findings.push_back(name + ": not in the manifest");
  return findings;
}

}  // namespace tl
