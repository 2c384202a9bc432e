#pragma once

namespace tl {

// "0.1.0", followed by "+COMMIT" (and "-dirty") when built in a git checkout.
extern const char* const kVersion;

}  // namespace tl
