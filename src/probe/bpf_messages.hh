// What libbpf has to say becomes part of our one-line errors, instead of lines on stderr.
#pragma once

#include <string>

namespace tl {

// From here on; forgets what this thread was told before.
void keep_libbpf_messages();

// The last warning; of a program that the verifier refused, its objection.
const std::string& last_libbpf_message();
bool verifier_refused();

}  // namespace tl
