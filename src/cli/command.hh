// What every subcommand is made of: one function from words to an exit code, and one row in
// main.cc.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/errors.hh"

namespace tl {

using Args = std::vector<std::string>;  // the words after the subcommand's name

// Parses `args` into what `app` was told to bind. Returns pass when --help was asked for and
// printed; throws UsageError for anything it does not understand.
std::optional<ExitCode> parse(CLI::App& app, const Args& args);

// The subcommands, one file each. Data goes to stdout, text for people to stderr.
ExitCode command_report(const Args& args);
ExitCode command_rtt(const Args& args);
ExitCode command_run(const Args& args);
ExitCode command_compare(const Args& args);
ExitCode command_ab(const Args& args);
ExitCode command_gate(const Args& args);
ExitCode command_selftest(const Args& args);
ExitCode command_serve(const Args& args);
ExitCode command_doctor(const Args& args);
ExitCode command_gc(const Args& args);
ExitCode command_traffic(const Args& args);
ExitCode command_counters(const Args& args);
ExitCode command_capture(const Args& args);
ExitCode command_export(const Args& args);
ExitCode command_verify(const Args& args);
ExitCode command_recompute(const Args& args);
ExitCode command_pcap(const Args& args);
ExitCode command_pace(const Args& args);
ExitCode command_qos(const Args& args);

}  // namespace tl
