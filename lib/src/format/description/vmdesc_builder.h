// SPDX-License-Identifier: MIT
// Builds a description from the events of the JSON parser.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

#include <vmstream/vmdesc.h>

namespace vmstream {

/// Takes the text as it is written: keys may repeat within an object (elements of lists and trees
/// are described one behind the other in the same one), and unknown ones are skipped. Events, not a
/// document, because a document would keep only the last of equal keys.
class VmdescBuilder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t number) override;
  bool number_unsigned(number_unsigned_t number) override;
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool string(string_t& text) override;
  bool binary(binary_t&) override { return value(); }
  bool start_object(size_t) override;
  bool key(string_t& name) override;
  bool end_object() override;
  bool start_array(size_t) override;
  bool end_array() override;
  bool parse_error(size_t position, const std::string& token,
                   const nlohmann::json::exception& reason) override;

  uint32_t page_size = 0;
  std::vector<VmdescDevice> devices;
  size_t whole_devices = 0;        ///< of devices: those whose description has been read to its end
  std::vector<std::string> flaws;  ///< see Vmdesc::flaws()
  std::string error;               ///< why the last event was refused

 private:
  enum class In { Top, Devices, Device, Fields, Field, Struct, Subsections, Subsection, Other };

  // One open object or array. Of the three owners at most one is set: where its keys go.
  struct Frame {
    In in = In::Other;
    std::string key = {};
    VmdescDevice* device = nullptr;
    VmdescField* field = nullptr;
    VmdescSubsection* subsection = nullptr;

    std::vector<VmdescField>* fields() const;
    std::vector<VmdescSubsection>* subsections() const;
    std::string* vmsd_name() const;
    uint64_t* version() const;
  };

  bool refuse(std::string reason);
  bool value();  // of a key that does not matter
  bool push(Frame frame);
  bool pop();
  bool count_entry();
  void add_flaw(const std::string& flaw);
  void look_for_flaw();

  std::vector<Frame> open_;
  size_t entries_ = 0;
};

}  // namespace vmstream
