#include <doctest/doctest.h>

#include "support/results.hh"

int main(int argc, char** argv) {
  doctest::Context context{argc, argv};
  const int status = context.run();
  return status == 0 && tl::test::a_case_was_empty() ? 1 : status;
}
