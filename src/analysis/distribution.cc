#include "analysis/distribution.hh"

#include <algorithm>
#include <bit>

namespace tl {

void Distribution::add(std::int64_t value_ns) {
  count_ += 1;
  minimum_ = std::min(minimum_, value_ns);
  maximum_ = std::max(maximum_, value_ns);
  sum_ += static_cast<std::uint64_t>(value_ns);
  keep(value_ns);
}

// REQUIRES: count_ includes `value`.
inline void Distribution::keep(std::int64_t value) {
  if (detail_ == nullptr) [[unlikely]]
    detail_ = std::make_unique<Detail>();
  if (count_ > kMostExact) [[likely]] {
    if (!detail_->exact.empty()) leave_exactness();
    return count_in_bin(value);
  }
  detail_->exact.push_back(value);
}

void Distribution::add(const Distribution& other) {
  if (other.empty()) return;
  if (detail_ == nullptr) detail_ = std::make_unique<Detail>();
  count_ += other.count_;
  minimum_ = std::min(minimum_, other.minimum_);
  maximum_ = std::max(maximum_, other.maximum_);
  sum_ += other.sum_;
  const Detail& theirs = *other.detail_;
  if (is_exact()) {
    detail_->exact.insert(detail_->exact.end(), theirs.exact.begin(), theirs.exact.end());
    return;
  }
  leave_exactness();
  for (const std::int64_t value : theirs.exact) count_in_bin(value);
  for (std::size_t g = 0; g < kGroups; ++g) {
    if (theirs.groups[g] == nullptr) continue;
    auto& group = detail_->groups[g];
    if (group == nullptr) group = std::make_unique<Group>();
    for (std::size_t i = 0; i < kBinsOfGroup; ++i) (*group)[i] += (*theirs.groups[g])[i];
  }
}

void Distribution::leave_exactness() {
  for (const std::int64_t value : detail_->exact) count_in_bin(value);
  detail_->exact = {};
}

// The five bits below the leading one choose the bin; the leading one chooses the group.
void Distribution::count_in_bin(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  const auto width = static_cast<unsigned>(std::bit_width(bits));
  const unsigned g = width > kBitsOfGroup ? width - kBitsOfGroup : 0;
  const unsigned shift = g > 1 ? g - 1 : 0;
  auto& group = detail_->groups[g];
  if (group == nullptr) [[unlikely]]
    group = std::make_unique<Group>();
  (*group)[(bits >> shift) % kBinsOfGroup] += 1;
}

Distribution::Bin Distribution::bin_at(std::size_t group, std::size_t index, std::uint64_t count) {
  if (group == 0)
    return {static_cast<std::int64_t>(index), static_cast<std::int64_t>(index) + 1, count};
  const auto shift = static_cast<unsigned>(group - 1);
  const auto low = static_cast<std::int64_t>(kBinsOfGroup + index) << shift;
  const std::int64_t width = std::int64_t{1} << shift;
  return {low, low > INT64_MAX - width ? INT64_MAX : low + width, count};
}

std::vector<Distribution::Bin> Distribution::bins() const {
  std::vector<Bin> list;
  if (detail_ == nullptr) return list;
  if (!detail_->exact.empty()) {
    Distribution binned;
    binned.detail_ = std::make_unique<Detail>();
    for (const std::int64_t value : detail_->exact) binned.count_in_bin(value);
    return binned.bins();
  }
  for (std::size_t g = 0; g < kGroups; ++g) {
    if (detail_->groups[g] == nullptr) continue;
    for (std::size_t i = 0; i < kBinsOfGroup; ++i)
      if (const std::uint64_t count = (*detail_->groups[g])[i]; count != 0)
        list.push_back(bin_at(g, i, count));
  }
  return list;
}

std::int64_t Distribution::mean_ns() const { return static_cast<std::int64_t>(sum_ / count_); }

std::int64_t Distribution::percentile_ns(std::uint32_t per_mille) const {
  __extension__ using Wide = unsigned __int128;
  const auto rank = static_cast<std::uint64_t>((Wide{count_} * per_mille + 999) / 1000);
  if (is_exact()) {
    std::vector<std::int64_t> values = detail_->exact;
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(rank - 1);
    std::nth_element(values.begin(), at, values.end());
    return *at;
  }
  if (rank == count_) return maximum_;
  std::uint64_t below = 0;
  for (const Bin& bin : bins()) {
    below += bin.count;
    if (below < rank) continue;
    return std::clamp(bin.low_ns + (bin.high_ns - bin.low_ns) / 2, minimum_, maximum_);
  }
  return maximum_;
}

}  // namespace tl
