#include "run/run.hh"
