#include "probe/traffic.hh"
