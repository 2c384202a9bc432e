// A distribution of durations in memory that does not grow with their number. Count, minimum,
// maximum and sum are exact. Percentiles are exact while there are at most kMostExact values;
// beyond that values are kept in log-linear bins, 32 to every power of two, and a percentile is the
// middle of its bin: wrong by at most 1/64 (1.6 %) of itself.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace tl {

class Distribution {
 public:
  static constexpr std::size_t kMostExact = 64;

  // `value_ns` >= 0.
  void add(std::int64_t value_ns);
  void add(const Distribution& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  // REQUIRES (these and the percentile): not empty().
  [[nodiscard]] std::int64_t minimum_ns() const { return minimum_; }
  [[nodiscard]] std::int64_t maximum_ns() const { return maximum_; }
  [[nodiscard]] std::int64_t mean_ns() const;  // rounded down
  // The smallest value such that `per_mille` thousandths of all values are not larger (nearest
  // rank). 0 < per_mille <= 1000.
  [[nodiscard]] std::int64_t percentile_ns(std::uint32_t per_mille) const;
  [[nodiscard]] bool is_exact() const { return count_ <= kMostExact; }

  // Values in [low, high), from small to large; only bins with something in them.
  struct Bin {
    std::int64_t low_ns, high_ns;
    std::uint64_t count;
  };
  [[nodiscard]] std::vector<Bin> bins() const;

 private:
  static constexpr unsigned kBitsOfGroup = 5;
  static constexpr std::size_t kBinsOfGroup = std::size_t{1} << kBitsOfGroup;
  // A group is the bins of one power of two; the first holds 0…31. Few of them are ever used.
  static constexpr std::size_t kGroups = 64 - kBitsOfGroup;
  using Group = std::array<std::uint64_t, kBinsOfGroup>;
  struct Detail {
    std::vector<std::int64_t> exact;
    std::array<std::unique_ptr<Group>, kGroups> groups;
  };

  void keep(std::int64_t value);
  void count_in_bin(std::int64_t value);
  void leave_exactness();
  static Bin bin_at(std::size_t group, std::size_t index, std::uint64_t count);

  std::uint64_t count_ = 0;
  std::int64_t minimum_ = INT64_MAX, maximum_ = 0;
  std::uint64_t sum_ = 0;
  std::unique_ptr<Detail> detail_;
};

}  // namespace tl
