#include "live/influx_writer.hh"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/errors.hh"

namespace tl::live {

InfluxWriter::InfluxWriter(InfluxTarget target, WriterLimits limits,
                           std::unique_ptr<PointQueue> queue, Exchange exchange, Random random)
    : target_{std::move(target)},
      limits_{limits},
      exchange_{std::move(exchange)},
      backoff_{limits.first_backoff, limits.longest_backoff, random},
      random_{std::move(random)},
      queue_{std::move(queue)} {
  counters_.accepted = queue_->state().points;  // what an earlier process left
}

void InfluxWriter::accept(const std::vector<InfluxPoint>& points) {
  std::string lines;
  std::uint64_t count = 0;
  const std::lock_guard lock{mutex_};
  const auto push = [&] {
    if (count > 0) queue_->push(lines, count);
    counters_.accepted += count;
    lines.clear();
    count = 0;
  };
  for (const InfluxPoint& point : points) {
    const EncodedPoint encoded = encode_point(point);
    counters_.omitted_fields += static_cast<std::uint64_t>(encoded.omitted_fields);
    counters_.changed_texts += static_cast<std::uint64_t>(encoded.changed_texts);
    if (encoded.line.empty()) {
      ++counters_.refused;
      counters_.last_error = "not sent: " + encoded.refused;
      continue;
    }
    lines += encoded.line;
    if (++count == limits_.points_per_request || lines.size() >= limits_.bytes_per_request) push();
  }
  push();
}

WriterCounters InfluxWriter::counters() const {
  const std::lock_guard lock{mutex_};
  WriterCounters result = counters_;
  const QueueState state = queue_->state();
  result.dropped = state.dropped_points;
  result.waiting_bytes = state.bytes;
  const std::uint64_t settled = result.written + result.rejected + result.dropped;
  result.waiting = result.accepted > settled ? result.accepted - settled : 0;
  return result;
}

// Takes the next batch from the queue when it is full, or has waited long enough.
bool InfluxWriter::load_batch(std::int64_t now_ns, bool flush,
                              std::optional<std::int64_t>& wake_ns) {
  const std::lock_guard lock{mutex_};
  const QueueState state = queue_->state();
  if (state.points == 0) {
    company_until_ns_ = 0;
    return false;
  }
  if (company_until_ns_ == 0) company_until_ns_ = now_ns + limits_.flush_after.count();
  const bool is_full =
      state.points >= limits_.points_per_request || state.bytes >= limits_.bytes_per_request;
  if (!flush && !is_full && now_ns < company_until_ns_) {
    wake_ns = company_until_ns_;
    return false;
  }
  Batch batch = queue_->front(limits_.points_per_request, limits_.bytes_per_request);
  pending_last_record_ = batch.last_record;
  pending_.push_back({std::move(batch.lines), batch.points});
  company_until_ns_ = 0;
  return true;
}

bool InfluxWriter::find_version(std::int64_t now_ns) {
  if (target_.version != InfluxVersion::automatic) return true;
  WebResponse failure;
  InfluxTarget found = target_;
  found.version = detect_version(target_, exchange_, failure.error);
  if (found.version != InfluxVersion::automatic) {
    try {
      check_influx_target(found);
      target_ = std::move(found);
      return true;
    } catch (const UsageError& lacking) {  // the server may be replaced; the points wait
      failure.error = lacking.what();
    }
  }
  put_off(now_ns, 0, failure);
  return false;
}

std::optional<std::int64_t> InfluxWriter::step(std::int64_t now_ns, std::int64_t now_real_s,
                                               bool flush) {
  if (now_ns < retry_at_ns_) return retry_at_ns_;
  std::optional<std::int64_t> wake_ns;
  if (pending_.empty() && !load_batch(now_ns, flush, wake_ns)) return wake_ns;
  if (!find_version(now_ns)) return retry_at_ns_;
  while (!pending_.empty())
    if (!send_chunk(now_ns, now_real_s)) return retry_at_ns_;
  const std::lock_guard lock{mutex_};
  queue_->pop(pending_last_record_);
  return queue_->state().points > 0 ? std::optional{now_ns} : std::nullopt;
}

// False when it has to wait for a later attempt.
bool InfluxWriter::send_chunk(std::int64_t now_ns, std::int64_t now_real_s) {
  const Chunk& chunk = pending_.front();
  const WebResponse response = exchange_(write_request(target_, chunk.lines));
  {
    const std::lock_guard lock{mutex_};
    ++counters_.requests;
    counters_.sent_bytes += response.request_bytes;
  }
  switch (judge(response)) {
    case Verdict::accepted: {
      const std::lock_guard lock{mutex_};
      counters_.written += chunk.points;
      break;
    }
    case Verdict::rejected: {
      const std::uint64_t dropped = dropped_points(response, chunk.points);
      refuse(dropped, message_of(target_, response));
      const std::lock_guard lock{mutex_};
      counters_.written += chunk.points - dropped;
      break;
    }
    case Verdict::too_large:
      split_chunk(response);
      return true;
    case Verdict::retry:
    case Verdict::denied:
      put_off(now_ns, now_real_s, response);
      return false;
  }
  if (backoff_.failures() > 0) spdlog::info("influx {}: reached again", target_.url);
  backoff_.reset();
  pending_.pop_front();
  return true;
}

void InfluxWriter::refuse(std::uint64_t points, const std::string& reason) {
  spdlog::warn("influx {}: {} points refused: {}", target_.url, points, reason);
  const std::lock_guard lock{mutex_};
  counters_.rejected += points;
  counters_.last_error = reason;
}

void InfluxWriter::split_chunk(const WebResponse& response) {
  Chunk whole = std::move(pending_.front());
  pending_.pop_front();
  if (whole.points <= 1) {
    refuse(whole.points, message_of(target_, response));
    return;
  }
  Chunk first;
  std::size_t cut = 0;
  for (; first.points < whole.points / 2; ++first.points) cut = whole.lines.find('\n', cut) + 1;
  first.lines = whole.lines.substr(0, cut);
  Chunk second{whole.lines.substr(cut), whole.points - first.points};
  // The server has told its limit: the next batches respect it.
  limits_.bytes_per_request = std::max<std::uint64_t>(whole.lines.size() / 2, 1);
  pending_.push_front(std::move(second));
  pending_.push_front(std::move(first));
  const std::lock_guard lock{mutex_};
  ++counters_.splits;
}

void InfluxWriter::put_off(std::int64_t now_ns, std::int64_t now_real_s,
                           const WebResponse& response) {
  const std::string reason = message_of(target_, response);
  if (backoff_.failures() == 0)
    spdlog::warn("influx {}: {}: points are kept and sent later", target_.url, reason);
  std::chrono::nanoseconds wait = backoff_.next();
  if (judge(response) == Verdict::denied) {
    // Somebody has to act first; the random part keeps many clients apart.
    const auto denied = static_cast<double>(limits_.denied_wait.count());
    wait = std::chrono::nanoseconds{static_cast<std::int64_t>(denied * (0.5 + random_() / 2))};
  } else if (const auto asked = parse_retry_after(response.header("retry-after"), now_real_s)) {
    wait = std::max(wait, *asked);
  }
  retry_at_ns_ = now_ns + std::max<std::int64_t>(wait.count(), 1);
  const std::lock_guard lock{mutex_};
  ++counters_.retries;
  counters_.last_error = reason;
}

}  // namespace tl::live
