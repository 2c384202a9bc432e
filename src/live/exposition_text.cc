// Text format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats) and OpenMetrics 1.0.
#include "live/exposition_formats.hh"

namespace tl::live {
namespace {

std::string_view type_word(Type type, Format format) {
  switch (type) {
    case Type::counter:
      return "counter";
    case Type::gauge:
      return "gauge";
    case Type::histogram:
      return "histogram";
    case Type::summary:
      return "summary";
    // 0.0.4 knows neither, and the Pushgateway refuses a page that names them.
    case Type::info:
      return format == Format::openmetrics ? "info" : "gauge";
    case Type::stateset:
      return format == Format::openmetrics ? "stateset" : "gauge";
  }
  return "";
}

class Writer {
 public:
  Writer(Format format, const EncodeOptions& options) : format_{format}, options_{options} {}

  void write(const Family& family) {
    family_ = &family;
    header(family_name(family, format_), type_word(family.type, format_));
    for (const Point& point : family.points)
      std::visit([&](const auto& value) { write_point(point, value); }, point.value);
    if (options_.created && format_ == Format::text) write_created_family();
  }

  std::string finish() {
    if (format_ == Format::openmetrics) out_ += "# EOF\n";
    return std::move(out_);
  }

 private:
  bool is_openmetrics() const { return format_ == Format::openmetrics; }

  void header(std::string_view name, std::string_view type) {
    out_ += "# HELP ";
    out_ += name;
    out_ += ' ';
    append_escaped(out_, family_->help, is_openmetrics());
    out_ += "\n# TYPE ";
    out_ += name;
    out_ += ' ';
    out_ += type;
    out_ += '\n';
    if (!is_openmetrics() || family_->unit.empty()) return;
    out_ += "# UNIT ";
    out_ += name;
    out_ += ' ';
    out_ += family_->unit;
    out_ += '\n';
  }

  void label(std::string_view name, std::string_view value) {
    out_ += name;
    out_ += "=\"";
    append_escaped(out_, value, true);
    out_ += "\",";
  }

  // name{labels,extra} and a space; `extra` appends a label of its own, or nothing.
  template <class Extra>
  void begin_line(std::string_view suffix, const Labels& labels, Extra&& extra) {
    out_ += family_->name;
    out_ += suffix;
    out_ += '{';
    for (const auto& [name, value] : labels) label(name, value);
    extra();
    if (out_.back() == ',')
      out_.back() = '}';
    else
      out_.pop_back();  // no labels at all
    out_ += ' ';
  }
  void begin_line(std::string_view suffix, const Labels& labels) {
    begin_line(suffix, labels, [] {});
  }

  template <class Value>
  void line(std::string_view suffix, const Labels& labels, const Value& value) {
    begin_line(suffix, labels);
    append_number(out_, value);
    out_ += '\n';
  }

  void end_line(const std::optional<Exemplar>& exemplar) {
    if (exemplar && !is_openmetrics() && options_.exemplars_dropped != nullptr)
      ++*options_.exemplars_dropped;
    if (exemplar && is_openmetrics()) {
      out_ += " # {";
      for (const auto& [name, value] : exemplar->labels) label(name, value);
      if (out_.back() == ',') out_.pop_back();
      out_ += "} ";
      append_number(out_, exemplar->value);
      if (exemplar->time_ns > 0) {
        out_ += ' ';
        append_seconds(out_, exemplar->time_ns);
      }
    }
    out_ += '\n';
  }

  void write_point(const Point& point, const Simple& simple) {
    const std::string_view suffix = family_->type == Type::counter ? "_total"
                                    : family_->type == Type::info  ? "_info"
                                                                   : "";
    begin_line(suffix, point.labels);
    std::visit([&](auto number) { append_number(out_, number); }, simple.value);
    end_line(simple.exemplar);
    if (family_->type == Type::counter) write_created(point);
  }

  void write_point(const Point& point, const HistogramValue& histogram) {
    for (const Bucket& bucket : histogram.buckets) {
      begin_line("_bucket", point.labels, [&] {
        out_ += "le=\"";
        append_canonical(out_, bucket.upper_bound);
        out_ += "\",";
      });
      append_number(out_, bucket.cumulative);
      end_line(bucket.exemplar);
    }
    line("_count", point.labels, histogram.count());
    line("_sum", point.labels, histogram.sum);
    write_created(point);
  }

  void write_point(const Point& point, const SummaryValue& summary) {
    for (const auto& [quantile, value] : summary.quantiles) {
      begin_line("", point.labels, [this, q = quantile] {
        out_ += "quantile=\"";
        append_canonical(out_, q);
        out_ += "\",";
      });
      append_number(out_, value);
      out_ += '\n';
    }
    line("_count", point.labels, summary.count);
    line("_sum", point.labels, summary.sum);
    write_created(point);
  }

  void write_point(const Point& point, const StateSetValue& set) {
    for (const auto& [state, is_current] : set.states) {
      begin_line("", point.labels, [this, &name = state] { label(family_->name, name); });
      out_ += is_current ? "1\n" : "0\n";
    }
  }

  void created_line(const Point& point) {
    begin_line("_created", point.labels);
    append_seconds(out_, point.created_ns);
    out_ += '\n';
  }
  void write_created(const Point& point) {
    if (options_.created && is_openmetrics() && point.created_ns > 0) created_line(point);
  }
  // Text has no place for it inside the family: a gauge of its own, as the Python client does.
  void write_created_family() {
    bool is_first = true;
    for (const Point& point : family_->points) {
      if (point.created_ns <= 0) continue;
      if (is_first) header(family_->name + "_created", "gauge");
      is_first = false;
      created_line(point);
    }
  }

  Format format_;
  EncodeOptions options_;
  const Family* family_ = nullptr;
  std::string out_;
};

}  // namespace

std::string encode_text(const std::vector<Family>& families, Format format,
                        const EncodeOptions& options) {
  Writer writer{format, options};
  for (const Family& family : families) writer.write(family);
  return writer.finish();
}

}  // namespace tl::live
