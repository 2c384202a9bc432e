#pragma once

#include <nlohmann/json.hpp>

namespace tl {

// Where the run ran, as groups of rows for reading: [{"name", "rows": [[key, value], …]}]. From the
// manifest's host, engine, versions, services and environment; long lists (offloads, sysctls) are
// groups of their own.
nlohmann::json environment_section(const nlohmann::json& manifest);

}  // namespace tl
