// SPDX-License-Identifier: MIT
// The page from top to bottom: what matters first, what is long folded.
#include "analysis/report/report_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include <vmstream/text.h>
#include "analysis/report/device_html.h"
#include "analysis/report/html.h"

namespace vmstream {

namespace {

std::string size_words(uint64_t bytes) {
  if (bytes < 1024) return format_size(bytes);
  return fmt::format("{} ({} bytes)", format_size(bytes), bytes);
}

std::string date_words(int64_t seconds) {
  std::chrono::sys_seconds time{std::chrono::seconds(seconds)};
  auto day = std::chrono::floor<std::chrono::days>(time);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string qemu_words(const QemuVersionRange& range) {
  const auto& lowest = range.lowest();
  const auto& highest = range.highest();
  if (!lowest && !highest) return "unknown";
  if (!highest) return to_string(*lowest) + " or later";
  if (!lowest) return to_string(*highest) + " or earlier";
  if (*lowest == *highest) return to_string(*lowest);
  return fmt::format("{} to {}", to_string(*lowest), to_string(*highest));
}

std::string card(std::string_view kind, std::string_view title, std::string_view value) {
  return fmt::format("<div class=\"card {}\"><span>{}</span><b>{}</b></div>\n", kind, title,
                     html_text(value));
}

// `value` is HTML.
std::string fact(std::string_view name, const std::string& value) {
  return value.empty() ? "" : fmt::format("<dt>{}</dt><dd>{}</dd>\n", name, value);
}

std::string code(std::string_view text) {
  return text.empty() ? "" : fmt::format("<code>{}</code>", html_text(text));
}

std::string machine_of(const ReportFacts& facts) {
  const auto& configuration = facts.summary.configuration;
  return configuration ? configuration->machine : "not in the stream";
}

std::string cards(const ReportFacts& facts) {
  const StreamSummary& summary = facts.summary;
  bool loads = summary.load.verdict == Verdict::Loads;
  bool refused = summary.load.verdict == Verdict::Refused;
  std::string_view verdict = refused ? "bad" : loads ? "good" : "unsure";
  std::string_view words = refused ? "QEMU refuses it"
                           : loads ? "loads"
                                   : "depends on the destination";
  std::string html = "<div class=\"cards\">\n";
  html += card("", "machine", machine_of(facts));
  html += card("", "memory blocks", format_size(summary.ram_bytes));
  html += card("", "processors", fmt::format("{}", summary.start.cpus));
  html += card("", "written by QEMU", qemu_words(summary.qemu));
  html += card(summary.complete ? "good" : "bad", "complete", summary.complete ? "yes" : "no");
  html += card(verdict, "verdict", words);
  return html + "</div>\n";
}

std::string start_words(const StartArguments& start) {
  std::string text = start.text();
  for (const StartDevice& device : start.devices) {
    if (!device.argument.empty()) text += " " + device.argument;
  }
  return text;
}

std::string facts_html(const ReportFacts& facts) {
  const StreamSummary& summary = facts.summary;
  std::string containers;
  for (const std::string& name : facts.subject.containers) {
    containers += (containers.empty() ? "" : " › ") + html_text(name);
  }
  std::string html = "<h2 id=\"facts\">What it is</h2>\n<dl>\n";
  html += fact("file", code(facts.subject.file));
  html += fact("containers", containers);
  html += fact("plain stream", size_words(summary.stream_bytes));
  if (summary.trailing_bytes > 0) {
    html += fact("behind the stream", size_words(summary.trailing_bytes));
  }
  html += fact("SHA-256 of it", code(facts.subject.sha256));
  std::string clues;
  for (const std::string& clue : summary.qemu.because()) {
    clues += (clues.empty() ? "" : "; ") + html_text(clue);
  }
  html += fact("QEMU version, because", clues);
  html += fact("run state", html_text(summary.run_state.value_or("")));
  html += fact("framing", fmt::format("version {}, {} footers, {} description{}",
                                      summary.header ? summary.header->version : 0,
                                      summary.footers ? "with" : "without",
                                      summary.vmdesc ? "with" : "without a",
                                      summary.postcopy ? ", switched to postcopy" : ""));
  html += fact("start with", code(start_words(summary.start)));
  const GuestClocks& clocks = summary.clocks;
  if (clocks.saved_seconds) {
    html += fact("saved", date_words(*clocks.saved_seconds) + " UTC by the source's clock");
  }
  if (clocks.rtc_seconds) html += fact("guest's date", date_words(*clocks.rtc_seconds));
  if (clocks.run_ns) {
    auto ran = std::chrono::seconds(static_cast<int64_t>(*clocks.run_ns / 1'000'000'000));
    html += fact("has run", format_duration(ran));
  }
  return html + "</dl>\n";
}

std::string problems_html(const ProblemLog& problems) {
  constexpr size_t kShown = 200;
  std::string html = "<h2 id=\"problems\">Problems</h2>\n";
  if (problems.empty()) return html + "<p>None were found.</p>\n";
  html += "<table><tr><th>offset</th><th>what is wrong</th></tr>\n";
  size_t shown = std::min(problems.kept().size(), kShown);
  for (const Problem& problem : std::span(problems.kept()).first(shown)) {
    html += fmt::format(
        "<tr><td class=\"n\">{:#x}</td><td>{}{}</td></tr>\n", problem.offset,
        html_signs(problem.message),
        problem.known_flaw ? " <span class=\"faint\">(QEMU is known to write this)</span>" : "");
  }
  html += "</table>\n";
  if (problems.total() > shown) {
    html += fmt::format("<p>{} more are not listed.</p>\n", problems.total() - shown);
  }
  return html;
}

std::string map_html(const ReportFacts& facts) {
  std::string html = "<h2 id=\"map\">Memory map</h2>\n";
  if (!facts.map) {
    return html + "<p>It could not be drawn up: " + html_signs(facts.map_fault) + ".</p>\n";
  }
  const PhysicalMap& map = *facts.map;
  html +=
      "<p>Guest-physical addresses, from 0 downwards. Heights grow with the logarithm of the "
      "size.</p>\n";
  html += memory_map_svg(map);
  if (map.ranges().size() > kMostDrawnRanges) {
    html +=
        fmt::format("<p>{} more ranges are not drawn.</p>", map.ranges().size() - kMostDrawnRanges);
  }
  html += "<ul>\n";
  for (const std::string& block : map.unplaced()) {
    html += "<li>No address is known of block " + code(block) + ".</li>\n";
  }
  for (const std::string& note : map.notes()) html += "<li>" + html_signs(note) + "</li>\n";
  html += map.is_proved() ? "<li>The state itself proves where the memory is.</li>"
                          : "<li>Not proved: some of it is where machines of this type have it by "
                            "default.</li>";
  return html + "</ul>\n";
}

std::string counts_html(const RamUsage& ram) {
  constexpr size_t kShown = 200;
  std::string html =
      "<table><tr><th>RAM block</th><th class=\"r\">size</th><th class=\"r\">data</th>"
      "<th class=\"r\">zero</th><th class=\"r\">fill</th><th class=\"r\">xbzrle</th>"
      "<th class=\"r\">compressed</th><th class=\"r\">never sent</th><th class=\"r\">sent "
      "again</th></tr>\n";
  size_t shown = std::min(ram.blocks.size(), kShown);
  for (const RamBlockUsage& block : std::span(ram.blocks).first(shown)) {
    html += fmt::format("<tr><td>{}</td><td class=\"r\">{}</td>", code(block.name),
                        format_size(block.size));
    for (PageKind kind : PageCounts::kKinds) {
      html += fmt::format("<td class=\"r\">{}</td>", block.pages[kind]);
    }
    html += fmt::format("<td class=\"r\">{}</td><td class=\"r\">{}</td></tr>\n", block.absent_pages,
                        block.resent_pages);
  }
  html += "</table>\n";
  if (ram.blocks.size() > shown) {
    html += fmt::format("<p>{} more blocks are not listed.</p>\n", ram.blocks.size() - shown);
  }
  return html;
}

constexpr std::string_view kKeys =
    "<p>What pages hold<span class=\"key\" style=\"background:#2b6c9b\"></span>data"
    "<span class=\"key\" style=\"background:#f0b44a\"></span>one byte repeated"
    "<span class=\"key\" style=\"background:#dde3e8\"></span>zero"
    "<span class=\"key\" style=\"background:#f3eef6\"></span>never sent. "
    "Entropy of the data<span class=\"ramp\"></span>from 0 to 8 bits a byte: text and code lie in "
    "the middle, what is compressed or encrypted at the end.</p>\n";

std::string pictures_html(const std::vector<BlockPages>& blocks) {
  constexpr size_t kMostPictures = 16;
  constexpr size_t kLeastSlots = 16;
  std::vector<const BlockPages*> wanted;
  for (const BlockPages& block : blocks) {
    if (block.slots.size() >= kLeastSlots) wanted.push_back(&block);
  }
  std::ranges::stable_sort(wanted, std::greater<>(), &BlockPages::size);
  if (wanted.size() > kMostPictures) wanted.resize(kMostPictures);
  if (wanted.empty()) return "";
  std::string html(kKeys);
  for (const BlockPages* block : wanted) {
    html += fmt::format(
        "<h3>{} <span class=\"faint\">{}</span></h3>\n<div class=\"pictures\"><figure>{}"
        "<figcaption>kinds of pages</figcaption></figure><figure>{}<figcaption>entropy; each cell "
        "is {}, in rows from the block's start</figcaption></figure></div>\n",
        code(block->name), format_size(block->size),
        picture_html(picture_of_kinds(*block), "kinds of pages of " + block->name),
        picture_html(picture_of_entropy(*block), "entropy of " + block->name),
        format_size(cell_bytes(*block)));
  }
  return html;
}

std::string sending_html(const RamUsage& ram) {
  if (ram.passes.empty()) return "";
  std::vector<Bar> passes;
  for (size_t i = 0; i < ram.passes.size(); ++i) {
    passes.push_back({fmt::format("{}", i + 1), ram.passes[i].pages});
  }
  std::vector<Bar> resends;
  for (size_t i = 0; i < ram.resends.size(); ++i) {
    resends.push_back({i == 0 ? "once" : fmt::format("{} times", i + 1), ram.resends[i]});
  }
  std::string html = "<h3>Pages sent in each pass</h3>\n";
  html += bars_svg(std::move(passes), "pages by pass");
  if (ram.postcopy) html += "<p>The last pass holds what the running guest asked for.</p>\n";
  html += "<h3>Pages by how often they were sent</h3>\n";
  return html + bars_svg(std::move(resends), "pages by number of times sent");
}

std::string screen_html(const std::optional<Screen>& screen) {
  if (!screen) return "";
  std::string html =
      fmt::format("<h2 id=\"screen\">Screen</h2>\n<p>{}</p>\n", html_text(screen->mode));
  if (!screen->note.empty()) return html + "<p>" + html_text(screen->note) + ".</p>\n";
  if (screen->lines.empty()) {
    if (screen->shrunk_by > 1) {
      html += fmt::format("<p>Drawn at 1/{} of its size.</p>\n", screen->shrunk_by);
    }
    return html + "<div class=\"screen\">" +
           picture_html(screen->picture, "what the screen showed") + "</div>\n";
  }
  html += "<pre class=\"screen\">";
  for (const std::string& line : screen->lines) html += html_signs(line) + "\n";
  return html + "</pre>\n";
}

std::string processors_html(const ReportFacts& facts) {
  std::string html = "<h2 id=\"registers\">Registers</h2>\n";
  if (facts.cpus.empty())
    return html + "<p>They are not known: " + html_signs(facts.cpu_fault) + ".</p>\n";
  return html + registers_html(facts.cpus);
}

std::string head_html(const ReportFacts& facts) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'\">\n<title>{0}</title>\n<style>{1}</style>\n</head>\n<body>\n"
      "<header>\n<p>Report on the saved state of a QEMU guest</p>\n<h1>{0}</h1>\n",
      html_text(facts.subject.file), report_style());
}

}  // namespace

std::string report_page(const ReportFacts& facts) {
  std::string html = head_html(facts);
  html += cards(facts);
  html +=
      "<nav><a href=\"#facts\">Facts</a><a href=\"#problems\">Problems</a>"
      "<a href=\"#map\">Memory map</a><a href=\"#ram\">RAM</a>";
  if (facts.screen) html += "<a href=\"#screen\">Screen</a>";
  html += "<a href=\"#registers\">Registers</a><a href=\"#devices\">Devices</a></nav>\n";
  html += "</header>\n<main>\n";
  html += facts_html(facts);
  html += problems_html(facts.summary.problems);
  html += screen_html(facts.screen);
  html += map_html(facts);
  html += "<h2 id=\"ram\">RAM</h2>\n";
  html += counts_html(facts.ram);
  html += pictures_html(facts.pages);
  html += sending_html(facts.ram);
  html += processors_html(facts);
  html += "<h2 id=\"devices\">Devices</h2>\n";
  html += devices_html(facts.devices);
  html += "</main>\n<footer>";
  if (!facts.subject.made_by.empty()) {
    html += fmt::format("Made by {} {}. ", html_text(facts.subject.made_by),
                        html_text(facts.subject.made_at));
  }
  return html +
         "It holds parts of the guest's memory: treat it as a secret of the guest's.</footer>\n"
         "</body>\n</html>\n";
}

}  // namespace vmstream
