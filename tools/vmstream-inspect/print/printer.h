// SPDX-License-Identifier: MIT
// How answers look: text for people, JSON for programs.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <vmstream/record_list.h>
#include <vmstream/state_file.h>
#include <vmstream/state_index.h>
#include <vmstream/stream_summary.h>

namespace vminspect {

/// What an answer was taken from, from the surest on.
enum class AnswerSource {
  Stream,  ///< all of it was read
  Ends,    ///< its two ends
  Index,   ///< the index of the file, held against the stream at some places
};
/// "stream", "ends", "index": the word in JSON.
std::string_view name_of(AnswerSource source);

/// The file an answer speaks of.
struct Subject {
  std::string file;
  std::vector<vmstream::Container> containers;
  std::optional<std::string> sha256 = std::nullopt;
  /// How the stream was captured, if the file's index says so.
  std::optional<vmstream::CaptureCircumstances> capture = std::nullopt;
  AnswerSource source = AnswerSource::Stream;
};

/// Prints to stdout. One answer a printer.
class Printer {
 public:
  virtual ~Printer() = default;

  virtual void info(const Subject& subject, const vmstream::StreamSummary& summary) = 0;
  virtual void devices(const Subject& subject, const vmstream::StreamSummary& summary) = 0;

  virtual void snapshots(const Subject& subject, const vmstream::ImageSnapshots& snapshots) = 0;

  // The list of records is as long as the stream likes: printed as it comes.
  virtual void begin_sections(const Subject& subject) = 0;
  virtual void record(const vmstream::StreamRecord& record) = 0;
  virtual void end_sections(const vmstream::ScanResult& scan,
                            const vmstream::ProblemLog& problems) = 0;
};

/// The first keys of every answer in JSON: schema, file, containers, source.
nlohmann::ordered_json opening_json(std::string_view schema, const Subject& subject);
nlohmann::ordered_json problems_json(const vmstream::ProblemLog& problems);
nlohmann::ordered_json info_json(const Subject& subject, const vmstream::StreamSummary& summary);

std::unique_ptr<Printer> make_json_printer();
std::unique_ptr<Printer> make_text_printer(bool color);

}  // namespace vminspect
