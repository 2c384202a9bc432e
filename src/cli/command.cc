#include "cli/command.hh"

#include <cstdio>

namespace tl {

std::optional<ExitCode> parse(CLI::App& app, const Args& args) {
  try {
    app.parse(
        std::vector<std::string>{args.rbegin(), args.rend()});  // CLI11 takes the words in reverse
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    const std::string text = app.help();
    std::fwrite(text.data(), 1, text.size(), stdout);
    return ExitCode::pass;
  } catch (const CLI::ParseError& e) {
    throw UsageError{app.get_name() + ": " + e.what()};
  }
}

}  // namespace tl
