#include "report/report.hh"

#include <fmt/format.h>

#include "base/fd.hh"
#include "bundle/manifest.hh"
#include "cli/command.hh"

namespace tl {
namespace {

constexpr std::array kFormats{"html", "md", "svg"};

}  // namespace

ExitCode command_report(const Args& args) {
  CLI::App app{"The report of a bundle as one file: a page, a Markdown summary or the main plot",
               "trafficlab report"};
  app.footer(
      "Without -o it lands in the current folder as BUNDLE.html; the bundle itself is never\n"
      "changed. Its path is printed on stdout.\n"
      "Example: trafficlab report results/20260131T120000Z-run -o talk.html");
  std::string bundle, output, format = "html";
  app.add_option("BUNDLE", bundle, "folder of a run")->required();
  app.add_option("-o,--output", output, "the file to write; - is stdout");
  app.add_option("--format", format, "html, md or svg")->check(CLI::IsMember(kFormats));
  if (const auto done = parse(app, args)) return *done;

  const std::filesystem::path folder = std::filesystem::absolute(bundle).lexically_normal();
  const std::filesystem::path named = folder.has_filename() ? folder : folder.parent_path();
  const std::string text =
      make_reports({named, named.filename().native(), read_manifest(named)}).at("report." + format);
  if (output == "-") {
    fmt::print("{}", text);
    return ExitCode::pass;
  }
  if (output.empty()) output = named.filename().native() + "." + format;
  write_file_atomic(output_target(output), text);
  fmt::print("{}\n", output);
  return ExitCode::pass;
}

}  // namespace tl
