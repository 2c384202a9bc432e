#include "probe/bpf_messages.hh"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace tl {
namespace {

std::string& last_message() {
  thread_local std::string message;
  return message;
}

// What the verifier objected to: the last line of its log before the closing statistics.
std::string verifier_objection(const std::string& text) {
  const std::size_t end = text.rfind("\nprocessed ");
  if (end == std::string::npos || text.find("PROG LOAD LOG") == std::string::npos) return {};
  const std::size_t begin = text.rfind('\n', end - 1) + 1;  // npos + 1 is the text's begin
  return "the verifier says: " + text.substr(begin, end - begin);
}

int keep_message(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN) return 0;
  char* formatted = nullptr;
  const int length = ::vasprintf(&formatted, format, arguments);
  if (length < 0) return 0;
  std::string text{formatted, static_cast<std::size_t>(length)};
  std::free(formatted);
  std::string& kept = last_message();
  if (const std::string objection = verifier_objection(text); !objection.empty()) {
    kept = objection;
  } else if (!kept.starts_with("the verifier")) {  // "failed to load" follows, which says less
    while (!text.empty() && text.back() == '\n') text.pop_back();
    if (!text.empty()) kept = text;
  }
  return length;
}

}  // namespace

void keep_libbpf_messages() {
  libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  libbpf_set_print(keep_message);
  last_message().clear();
}

const std::string& last_libbpf_message() { return last_message(); }

bool verifier_refused() { return last_message().starts_with("the verifier"); }

}  // namespace tl
