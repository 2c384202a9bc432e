// compose.yaml as passive structs: the subset of the Compose specification that this project's labs
// use.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace tl {

using Variables = std::map<std::string, std::string>;

struct ComposeService {
  std::string name;
  std::string image;
  std::vector<std::string> entrypoint;  // empty: the image's, which is this program
  std::vector<std::string> command;
  Variables environment;
  std::vector<std::string> networks;
  std::string network_mode;  // "", "none" or "service:NAME"
  std::string user;          // "", "UID" or "UID:GID", numeric
  std::vector<std::string> cap_add, cap_drop;
  std::vector<std::string> volumes;  // folders, at the same path inside and outside
};

struct ComposeNetwork {
  std::string name;
  std::string subnet;  // "198.18.0.0/28"; empty when the file leaves the choice to the engine
};

struct ComposeFile {
  std::vector<ComposeService> services;  // in file order
  std::vector<ComposeNetwork> networks;
};

// Reads a file and resolves ${NAME}, ${NAME:-default} and $$ with `variables`. Throws UsageError
// "FILE:LINE: …" for anything it does not understand, naming the keys it does; keys that start with
// x- are passed over.
ComposeFile parse_compose(const std::filesystem::path& file, const Variables& variables);
// The same from text; `file` is only named in messages.
ComposeFile parse_compose_text(const std::string& text, const std::string& file,
                               const Variables& variables);

}  // namespace tl
