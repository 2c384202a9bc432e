#include "spec/parse.hh"
